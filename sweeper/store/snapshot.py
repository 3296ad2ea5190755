"""The state of a study at one moment, as `state.json` and the live table show it. Pure."""

from collections.abc import Sequence

from sweeper.ranking import ranking, told_score
from sweeper.records import State, TrialRecord, TrialState
from sweeper.study.config import StudyConfig


def snapshot(
    config: StudyConfig,
    records: Sequence[TrialRecord],
    running: Sequence[dict[str, object]],
    *,
    state: str,
    best: TrialRecord | None = None,
) -> State:
    """Count the trials and name the best.

    Args:
        config: The study.
        records: All trials.
        running: Those that hold a slot, each with its number as `trial`.
        state: "running", "finishing", "finished", "interrupted" or "failed".
        best: The trial that the study has chosen; None: the first of the ranking so far.

    Returns:
        ``{"study", "state", "trials", "counts", "shared_prefix", "best", "running"}``; `waiting`
        counts the trials that were begun and hold no slot.
    """
    counts = {kind.value: 0 for kind in TrialState}
    for record in records:
        counts[record.state.value] += record.prefix is None
    open_trials = counts["running"]
    counts["running"] = len(running)
    counts["waiting"] = open_trials - len(running)
    first = [best] if best is not None else ranking(records, goal=config.goal)[:1]
    told = [
        {"trial": record.name, "score": told_score(record), "params": dict(record.values)}
        for record in first
    ]
    return {
        "study": config.name,
        "state": state,
        "goal": config.goal,
        "trials": config.trials,
        "counts": counts,
        "shared_prefix": sum(record.prefix is not None for record in records),
        "best": told[0] if told else None,
        "running": list(running),
    }
