"""Finals: the best trials of a search with further seeds, and on all questions.

A search spends one seed and few questions on every setting, and these on those that may win. Their
stages and answers are known by then: only what is new is trained and asked.
"""

from collections.abc import Callable, Sequence

from sweeper.outcomes import Failure, FailureKind, Result
from sweeper.ranking import finalists
from sweeper.records import Final, TrialRecord
from sweeper.running.derived import mean_final
from sweeper.running.recorder import Recorder
from sweeper.running.work import Work
from sweeper.running.works import End, Ticket, Works
from sweeper.space import complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.study.config import StudyConfig, training_of


def score_finalists(
    works: Works,
    folder: StudyFolder,
    config: StudyConfig,
    *,
    store: StudyStore,
    recorder: Recorder,
    device: str,
    say: Callable[[str], None],
) -> None:
    """Give the best trials, and the baseline, their further seeds and questions, and record them.

    A finalist that fails keeps the score of the search, and is shown as one without a final; the
    next run tries it again.

    Args:
        works: Works them off.
        folder: Of the study.
        config: Says which seeds, and how many questions.
        store: Knows the trials, and the finals of an earlier run.
        recorder: Writes them to MLflow.
        device: Kind of device.
        say: Is told what happens.

    Raises:
        SweeperError: where the machine is at fault.
    """
    if not config.has_finals:
        return
    chosen = finalists(store.records(), goal=config.goal, count=config.finalists)
    store.forget_failed_finals([record.name for record in chosen])
    known = store.finals()
    open_ones = [record for record in chosen if str(record.name) not in known]
    if open_ones:
        say(f"scoring {len(open_ones)} finalists")
    tickets = {
        (record.name, seed): _start(works, folder, config, record, seed=seed, device=device)
        for record in open_ones
        for seed in config.final_seeds
    }
    ends = works.finish(tickets)
    for record in open_ones:
        final = _final([ends[record.name, seed] for seed in config.final_seeds], config.final_seeds)
        if isinstance(final, Failure):
            say(f"finalist {record.name} keeps the score of the search: {final.message}")
            store.set_final(record.name, final)
        elif final is not None:
            recorder.runs.finish_final(record, final)
            store.set_final(record.name, final)


def _start(
    works: Works,
    folder: StudyFolder,
    config: StudyConfig,
    record: TrialRecord,
    *,
    seed: int,
    device: str,
) -> Ticket:
    """Train a finalist with one seed, and score it on all its questions."""
    values = complete_values(config.space, record.params)
    training = training_of(config, values, seed=seed).in_full()
    place = folder.final(record.name, seed=seed)
    job = training.job(folder.surroundings(place, device=device))
    label = f"finalist {record.name}, seed {seed}"
    return works.start(Work(label=label, folder=place, job=job, command=training.command()))


def _final(ends: Sequence[End], seeds: Sequence[int]) -> Final | Failure | None:
    """What the seeds gave together; the first failure; None where the driver stops before."""
    failures = [end for end in ends if isinstance(end, Failure)]
    results = [end for end in ends if isinstance(end, Result)]
    if failures:
        return failures[0]
    if len(results) == len(ends):
        return mean_final(results, seeds)
    if any(end is not None and not isinstance(end, Result) for end in ends):
        message = "its result is that of the controls"
        return Failure(kind=FailureKind.BAD_RESULT, message=message)
    return None
