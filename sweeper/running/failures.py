"""What went wrong with a job, and what happens next. Pure: reports and files in, decisions out.

One rule for the search, the controls, the finals and the confirmation. How often each kind is tried
is the study file's `retry`; whose fault a kind is stands with its list, in the trainer's contract.
"""

import re
import signal
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from sweeper.launchers.jobs import JobReport, JobStatus
from sweeper.outcomes import Check, Failure, FailureKind, Left, Result

QUOTED = 300  # characters of a log that a message shows
WORDS = (  # of logs and errors -> what they mean; the first that fits
    (
        re.compile(
            r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError"
            r"|CUBLAS_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation"
        ),
        FailureKind.OUT_OF_MEMORY,
    ),
    (
        re.compile(r"MemoryError|[Cc]an(?:not|'t) allocate memory|std::bad_alloc"),
        FailureKind.OUT_OF_HOST_MEMORY,
    ),
    (re.compile(r"No space left on device|Disk quota exceeded"), FailureKind.FILES),
    (re.compile(r"\bKilled\b"), FailureKind.KILLED),  # as shells say it of their children
)
SIGNALS = {  # that mean the same whatever was written
    signal.SIGKILL: FailureKind.KILLED,
    signal.SIGTERM: FailureKind.PREEMPTED,
    signal.SIGINT: FailureKind.PREEMPTED,
    signal.SIGHUP: FailureKind.PREEMPTED,
}
SENTENCES = {  # what a kind means, behind the launcher's words for how the job ended
    FailureKind.KILLED: "the host had no memory left, or someone killed it",
    FailureKind.PREEMPTED: "someone asked it to leave",
    FailureKind.OUT_OF_MEMORY: "the device has no memory left",
    FailureKind.OUT_OF_HOST_MEMORY: "the host gave it no more memory",
    FailureKind.FILES: "a disk is full",
    FailureKind.BAD_RESULT: "it said that all is well, and left no result",
    FailureKind.ERROR: "it broke off without a result",
    FailureKind.LOST: "it left no result, and nobody knows why",
}


class Step(Enum):
    """What becomes of a job that failed."""

    AGAIN = "again"  # the same job once more
    ELSEWHERE = "elsewhere"  # once more, on a slot that has not failed it, if there is one
    ALONE = "alone"  # once more, where no other job takes memory
    GIVE_UP = "give up"  # its owner is told the failure
    HALT = "halt"  # no other job would fare better: the study stops, and nothing is told


def classify(
    report: JobReport,
    left: Left,
    *,
    is_leaving: bool,
    log: Path | None = None,
    log_tail: str = "",
) -> Failure | None:
    """Say what went wrong with a job that has ended; None where nothing did.

    What the folder says outweighs the launcher, which may have lost a job that had finished. A job
    that was asked to leave, and left nothing, did nothing wrong, however it ended.

    Args:
        report: Of the launcher.
        left: What stands in the folder.
        is_leaving: Whether it was asked to leave, by the pruner or because the driver stops.
        log: Where it wrote.
        log_tail: The end of what it wrote there; empty where it wrote nothing.
    """
    if isinstance(left, Failure):
        return _refined(left, log_tail)
    if isinstance(left, Result | Check) or is_leaving:
        return None
    kind = _kind(report, log_tail)
    cause = report.cause or f"the job ended as {report.status.value}"
    said = log_tail.strip()[-QUOTED:]
    where = log if said else report.log or log
    message = f"{cause}: {SENTENCES[kind]}"
    message += f" ({said})" if said else ""
    return Failure(kind=kind, message=message if where is None else f"{message}; see {where}")


def next_step(failure: Failure, *, attempts: int, most: Mapping[FailureKind, int]) -> Step:
    """What to do about a failure.

    What the setting is to blame for is not tried again, what the machine is to blame for is. A full
    disk would fail every other job like this one.

    Args:
        failure: What went wrong.
        attempts: Jobs of the work that have ended so, this one included.
        most: How many may, by kind; one of each kind that is not named.
    """
    if failure.kind is FailureKind.FILES:
        return Step.HALT
    if failure.kind.is_settings or attempts >= most.get(failure.kind, 1):
        return Step.GIVE_UP
    if failure.kind.is_memory:
        return Step.ALONE
    return Step.ELSEWHERE if failure.kind.is_slots else Step.AGAIN


def _kind(report: JobReport, log_tail: str) -> FailureKind:
    """The kind of a failure that the job said nothing of."""
    if report.signal in SIGNALS:
        return SIGNALS[signal.Signals(report.signal)]
    if (meant := _meant(log_tail)) is not None:
        return meant
    if report.signal is not None or report.exit_code or report.status is JobStatus.FAILED:
        return FailureKind.ERROR
    if report.exit_code == 0 or report.status is JobStatus.COMPLETED:
        return FailureKind.BAD_RESULT
    return FailureKind.LOST


def _refined(failure: Failure, log_tail: str) -> Failure:
    """A failure whose kind its words know better: memory and disks fail in a library's words."""
    if failure.kind is not FailureKind.ERROR:
        return failure
    meant = _meant(failure.message) or _meant(log_tail)
    return failure if meant is None else failure.model_copy(update={"kind": meant})


def _meant(text: str) -> FailureKind | None:
    return next((kind for words, kind in WORDS if words.search(text)), None)
