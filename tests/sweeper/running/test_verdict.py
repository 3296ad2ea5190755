import pytest

from sweeper.outcomes import Calls, Check, Failure, FailureKind, Liveness, Place, RacedOut, Result
from sweeper.records import TrialState
from sweeper.running.verdict import Stop, Verdict, judge
from sweeper.running.works import End

SCORED = Result(
    score=0.55,
    accuracy={"1": 0.5, "2": 0.6},
    stage="key",
    reader_calls=Calls(),
    epochs_trained=1,
    environment={},
)
FAILED = Failure(kind=FailureKind.NOT_FINITE, message="the loss is nan")
CHECK = Check(
    controls={},
    liveness=Liveness(alive=True, questions=1, groups=()),
    stage="key",
    ended=0.0,
    reader_calls=Calls(),
    epochs_trained=0,
    environment={},
)


def test_a_result_completes_a_trial_with_its_score() -> None:
    assert judge(SCORED, stopped=None) == Verdict(state=TrialState.COMPLETE, score=0.55)


@pytest.mark.parametrize("end", [SCORED, FAILED, None])
def test_the_pruners_word_stands_whoever_was_quicker(end: End) -> None:
    assert judge(end, stopped=Stop("stopped by the pruner", Place(0, 1))) == Verdict(
        state=TrialState.PRUNED, reason="stopped by the pruner", stopped_at=Place(0, 1)
    )


def test_a_raced_out_trial_is_pruned_and_says_by_how_much_it_was_behind() -> None:
    raced = SCORED.model_copy(update={"raced_out": RacedOut(asked=80, questions=800, upper=-0.012)})
    assert judge(raced, stopped=None) == Verdict(
        state=TrialState.PRUNED,
        reason="after 80 of 800 questions at most -1.2 points from the best before it",
    )


def test_a_failure_carries_its_kind_and_message() -> None:
    judged = judge(FAILED, stopped=None)
    assert (judged.state, judged.failure, judged.reason) == (
        TrialState.FAILED,
        "not_finite",
        "the loss is nan",
    )


def test_what_has_no_result_yet_stays_open() -> None:
    assert judge(None, stopped=None).state is TrialState.RUNNING


def test_the_result_of_the_controls_is_none_of_a_trial() -> None:
    assert judge(CHECK, stopped=None).failure == "bad_result"
