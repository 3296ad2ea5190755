"""Finals: the best trials of a search with further seeds, and on all questions.

A search spends one seed and few questions on every setting, and these on those that may win. Their
stages and answers are known by then: only what is new is trained and asked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweeper.config import StudyConfig, spec_for
from sweeper.errors import InstrumentError
from sweeper.instrument import OneOffJobs
from sweeper.records import TrialRecord
from sweeper.space import complete_values
from sweeper.verdict import mean_result
from sweeper.workspace import StudyFolder

KEPT = ("score", "spread", "accuracy", "questions", "seeds", "reader_calls", "epochs_trained")


def score_finalists(
    jobs: OneOffJobs,
    folder: StudyFolder,
    config: StudyConfig,
    finalists: Sequence[TrialRecord],
    *,
    device: str,
    say: Callable[[str], None],
) -> dict[str, Mapping[str, Any]]:
    """Train finalists with every seed and score them on all questions.

    Args:
        jobs: Works them off at the launcher.
        folder: Of the study.
        config: Says which seeds, and how many questions.
        finalists: Complete trials.
        device: Kind of device.
        say: Is told of a finalist that failed; it keeps the score of the search.

    Returns:
        Means over the seeds by the trial's name, as ``mean_result`` has them; none of a finalist
        that failed, or that was not done when the driver was asked to stop.
    """
    pending = {}
    for record in finalists:
        values = complete_values(config.space, record.params)
        for seed in config.final_seeds:
            spec = spec_for(config, values, seed=seed)
            spec = spec.model_copy(update={"evaluate": spec.evaluate.in_full()})
            place = folder.final(record.name, seed=seed)
            job = folder.job(place, spec, device=device)
            pending[record.name, seed] = jobs.start(place, job)
    finals: dict[str, Mapping[str, Any]] = {}
    for record in finalists:
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
