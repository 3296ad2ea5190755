"""What the study is told of a trial whose work has ended. Pure."""

from dataclasses import dataclass

from sweeper.outcomes import Check, Failure, FailureKind, Place, RacedOut
from sweeper.records import CANCELLED, TrialState
from sweeper.running.works import End
from sweeper.scales import PER_CENT
from sweeper.words import plain


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a trial goes on no further, and its last epoch that counts.

    What the job trains before it sees the request is passed over: it depends on who was quicker.
    """

    reason: str
    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the study is told of a trial. ``state`` RUNNING leaves the trial open."""

    state: TrialState
    score: float | None = None
    failure: str | None = None  # kind
    reason: str = ""
    stopped_at: Place | None = None  # its last epoch that counts, where it was stopped early


OPEN = Verdict(state=TrialState.RUNNING, reason="interrupted; resumed by the next run")
LEFT = Verdict(state=TrialState.PRUNED, reason=CANCELLED)  # by whoever watches it


def judge(end: End, *, stopped: Stop | None) -> Verdict:
    """Turn the end of a trial's work into a verdict.

    A trial that was stopped early is pruned even where it finished before it saw the request: the
    decision came from the epochs, so it must not depend on who was quicker. What has no result
    because the driver stops stays open.

    Args:
        end: Of its only work, or of the last seed's.
        stopped: Before its last epoch; None where it was not.
    """
    if stopped is not None:
        return Verdict(state=TrialState.PRUNED, reason=stopped.reason, stopped_at=stopped.at)
    if end is None:
        return OPEN
    if isinstance(end, Check):
        end = Failure(kind=FailureKind.BAD_RESULT, message="its result is that of the controls")
    if isinstance(end, Failure):
        return Verdict(state=TrialState.FAILED, failure=end.kind.value, reason=plain(end.message))
    if end.raced_out is not None:
        return Verdict(state=TrialState.PRUNED, reason=_raced_out(end.raced_out))
    return Verdict(state=TrialState.COMPLETE, score=end.score)


def _raced_out(raced: RacedOut) -> str:
    return (
        f"after {raced.asked} of {raced.questions} questions at most "
        f"{PER_CENT.number(raced.upper, sign=True)} points from the best before it"
    )
