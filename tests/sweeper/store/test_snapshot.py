from pathlib import Path

from sweeper.records import Notes, TrialRecord, TrialState
from sweeper.store.snapshot import snapshot
from sweeper.study.config import parse_study

CONFIG = parse_study(
    """
name: counted
trainer: {phases: [{grpo: {lr: "${lr}"}}]}
parameters: {lr: {min: 1e-5, max: 1e-2, log: true}}
trials: 9
""",
    Path("counted.yaml"),
)


def record(
    number: int, state: TrialState, score: float | None = None, *, reason: str = ""
) -> TrialRecord:
    values = {"lr": 1e-3}
    notes = Notes(values=values, reason=reason)
    return TrialRecord(number=number, params=values, state=state, score=score, notes=notes)


def test_trials_that_were_begun_and_hold_no_slot_are_waiting() -> None:
    records = [
        record(0, TrialState.COMPLETE, 0.6),
        record(1, TrialState.COMPLETE, 0.7),
        record(2, TrialState.FAILED),
        record(3, TrialState.RUNNING),
        record(4, TrialState.RUNNING),
        record(5, TrialState.PRUNED, reason="stopped by the pruner"),
        record(6, TrialState.PRUNED, reason="cancelled"),
    ]
    seen = snapshot(CONFIG, records, [{"trial": 4}], state="running")
    assert seen == {
        "study": "counted",
        "state": "running",
        "goal": "maximize",
        "scale": "per_cent",
        "trials": 9,
        "shared_prefix": 0,
        "counts": {"running": 1, "complete": 2, "pruned": 2, "failed": 1, "waiting": 1},
        "cancelled": [6],
        "best": {"trial": 1, "score": 0.7, "params": {"lr": 1e-3}},
        "running": [{"trial": 4}],
    }


def test_a_trial_that_was_chosen_is_the_best_whoever_has_the_highest_score() -> None:
    records = [record(0, TrialState.COMPLETE, 0.6), record(1, TrialState.COMPLETE, 0.7)]
    seen = snapshot(CONFIG, records, [], state="finished", best=records[0])
    assert seen["best"] == {"trial": 0, "score": 0.6, "params": {"lr": 1e-3}}


def test_a_study_without_a_complete_trial_has_no_best() -> None:
    assert snapshot(CONFIG, [], [], state="starting")["best"] is None
