"""What went wrong with a job, and what happens next. Pure: reports and files in, decisions out.

One rule for the search, the controls, the finals and the confirmation.
"""

from enum import Enum

from sweeper.launchers.jobs import JobReport
from sweeper.outcomes import Check, Failure, FailureKind, Left, Result

MAX_ATTEMPTS = 3  # of a job that is lost; a cause that repeats is its own
TAIL = 300  # characters of a log that a message shows


class Step(Enum):
    """What becomes of a job that failed."""

    AGAIN = "again"  # the same job once more
    GIVE_UP = "give up"  # its owner is told the failure
    HALT = "halt"  # no other job would fare better: the study stops, and nothing is told


def classify(
    report: JobReport, left: Left, *, is_leaving: bool, log_tail: str = ""
) -> Failure | None:
    """Say what went wrong with a job that has ended; None where nothing did.

    What the folder says outweighs the launcher, which may have lost a job that had finished. A job
    that was asked to leave, and left nothing, did nothing wrong, however it ended.

    Args:
        report: Of the launcher.
        left: What stands in the folder.
        is_leaving: Whether it was asked to leave, by the pruner or because the driver stops.
        log_tail: The end of what the job wrote, where the launcher knows no cause.
    """
    if isinstance(left, Failure):
        return left
    if isinstance(left, Result | Check) or is_leaving:
        return None
    cause = report.cause or f"the job ended as {report.status.value} and left no result"
    said = f": {log_tail.strip()[-TAIL:]}" if log_tail.strip() and not report.cause else ""
    return Failure(kind=FailureKind.LOST, message=cause + said)


def next_step(failure: Failure, *, attempts: int) -> Step:
    """What to do about a failure.

    A lost job is tried again; what it says of itself is not. Where the machine is at fault, as a
    full disk is, every other job would fail like it.

    Args:
        failure: What went wrong.
        attempts: Jobs that were spent on it so far.
    """
    if failure.kind.is_machines:
        return Step.HALT
    if failure.kind is FailureKind.LOST and attempts < MAX_ATTEMPTS:
        return Step.AGAIN
    return Step.GIVE_UP
