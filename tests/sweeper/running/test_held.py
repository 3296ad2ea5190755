import pytest

from sweeper.errors import SweeperError
from sweeper.outcomes import FailureKind
from sweeper.records import TrialState
from sweeper.running.held import Held
from sweeper.running.open_trial import OpenTrial
from sweeper.running.verdict import Verdict


def trial(number: int) -> OpenTrial:
    return OpenTrial(number=number, run_id="r", started=0.0)


def failed(kind: FailureKind) -> Verdict:
    return Verdict(state=TrialState.FAILED, failure=kind.value, reason="why")


@pytest.mark.parametrize("kind", list(FailureKind))
def test_only_what_says_nothing_of_the_setting_is_held(kind: FailureKind) -> None:
    assert Held(3).takes(failed(kind)) is not kind.is_settings
    assert not Held(3).takes(Verdict(state=TrialState.COMPLETE, score=0.5))


def test_so_many_alike_in_a_row_halt_the_study_and_stay_open() -> None:
    held = Held(2)
    assert held.add(trial(4), failed(FailureKind.JUDGE)) == []
    with pytest.raises(SweeperError, match=r"trials 4, 5 failed alike \(judge\).*: why\n"):
        held.add(trial(5), failed(FailureKind.JUDGE))
    assert [trial.number for trial in held.trials] == [4, 5]


def test_failures_of_another_kind_end_the_row() -> None:
    held = Held(2)
    held.add(trial(4), failed(FailureKind.JUDGE))
    others = held.add(trial(5), failed(FailureKind.ERROR))
    assert [trial.number for trial, _ in others] == [4]
    assert [trial.number for trial, _ in held.release()] == [5]
    assert held.trials == []
