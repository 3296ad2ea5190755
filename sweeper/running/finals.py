"""Finals: the best trials of a search with further seeds, and on all questions.

A search spends one seed and few questions on every setting, and these on those that may win. Their
stages and answers are known by then: only what is new is trained and asked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweeper.errors import InstrumentError
from sweeper.ranking import finalists
from sweeper.records import TrialRecord
from sweeper.running.derived import mean_result
from sweeper.running.recorder import Recorder
from sweeper.running.works import OneOffJobs
from sweeper.space import complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.study.config import StudyConfig, spec_for

KEPT = ("score", "spread", "accuracy", "questions", "seeds", "reader_calls", "epochs_trained")


def score_finalists(
    jobs: OneOffJobs,
    folder: StudyFolder,
    config: StudyConfig,
    *,
    store: StudyStore,
    recorder: Recorder,
    device: str,
    say: Callable[[str], None],
) -> None:
    """Give the best trials, and the baseline, their further seeds and questions, and record them.

    Args:
        jobs: Works them off at the launcher.
        folder: Of the study.
        config: Says which seeds, and how many questions.
        store: Knows the trials, and the finals of an earlier run.
        recorder: Writes them to MLflow.
        device: Kind of device.
        say: Is told what happens.
    """
    if not config.has_finals:
        return
    chosen = finalists(store.records(), goal=config.goal, count=config.finalists)
    known = store.finals()
    open_ones = [record for record in chosen if str(record.name) not in known]
    if open_ones:
        say(f"scoring {len(open_ones)} finalists")
    found = _scores(jobs, folder, config, open_ones, device=device, say=say)
    for record in open_ones:
        if (final := found.get(str(record.name))) is not None:
            recorder.finish_final(record, final)
            store.set_final(record.name, final)


def _scores(
    jobs: OneOffJobs,
    folder: StudyFolder,
    config: StudyConfig,
    chosen: Sequence[TrialRecord],
    *,
    device: str,
    say: Callable[[str], None],
) -> dict[str, Mapping[str, Any]]:
    """Train finalists with every seed and score them on all questions: means by the trial's name.

    None of a finalist that failed, or that was not done when the driver was asked to stop.
    """
    pending = {}
    for record in chosen:
        values = complete_values(config.space, record.params)
        for seed in config.final_seeds:
            spec = spec_for(config, values, seed=seed)
            spec = spec.model_copy(update={"evaluate": spec.evaluate.in_full()})
            place = folder.final(record.name, seed=seed)
            job = folder.job(place, spec, device=device)
            pending[record.name, seed] = jobs.start(place, job)
    finals: dict[str, Mapping[str, Any]] = {}
    for record in chosen:
        try:
            results = [pending[record.name, seed].result() for seed in config.final_seeds]
        except InstrumentError as error:
            say(f"finalist {record.name} keeps the score of the search: {error}")
            continue
        done = [result for result in results if result is not None]
        if len(done) == len(results):
            final = mean_result(done, config.final_seeds)
            finals[str(record.name)] = {name: final[name] for name in KEPT}
    return finals
