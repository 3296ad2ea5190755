"""The state of a study at one moment, as `state.json` and the live table show it. Pure."""

from collections.abc import Sequence

from sweeper.ranking import leader, told_score
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
        ``{"study", "state", "goal", "scale", "trials", "counts", "cancelled", "shared_prefix",
        "best", "running"}``; `waiting` counts the trials that were begun and hold no slot.
    """
    states = [record.state for record in records if record.prefix is None]
    counts = {kind.value: states.count(kind) for kind in TrialState}
    open_trials = counts["running"]
    counts["running"] = len(running)
    counts["waiting"] = open_trials - len(running)
    first = best or leader(records, goal=config.goal)
    return {
        "study": config.name,
        "state": state,
        "goal": config.goal,
        "scale": config.scale.name,
        "trials": config.trials,
        "counts": counts,
        "cancelled": [r.number for r in records if r.prefix is None and r.is_cancelled],
        "shared_prefix": len(records) - len(states),
        "best": None
        if first is None
        else {"trial": first.name, "score": told_score(first), "params": dict(first.values)},
        "running": list(running),
    }
