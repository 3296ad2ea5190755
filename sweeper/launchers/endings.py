"""How a process ended, from its guard's exit code: a report, and words. Pure."""

import signal
from pathlib import Path

from sweeper.launchers.jobs import JobReport, JobStatus


def ended(code: int, *, slot: str, log: Path, is_warm: bool) -> JobReport:
    """The report of a job whose process has ended: a worker should not, a job's own must.

    Args:
        code: Exit code of the guard.
        slot: That the process lived on.
        log: Of the process.
        is_warm: Whether it was a worker.
    """
    killed_by = _signal_of(code)
    status = JobStatus.FAILED
    if is_warm or killed_by is not None:
        status = JobStatus.LOST
    elif code == 0:
        status = JobStatus.COMPLETED
    who = "worker of slot" if is_warm else "job on slot"
    return JobReport(
        status=status,
        exit_code=code if killed_by is None else None,
        signal=killed_by,
        slot=slot,
        cause=f"the {who} {slot} {ending(code)}",
        log=log,
    )


def ending(code: int) -> str:
    """Put a guard's exit code into words."""
    killed_by = _signal_of(code)
    if killed_by is None:
        return f"ended with exit code {code}"
    if killed_by is signal.SIGKILL:
        return "was killed by SIGKILL"
    return f"was ended by {killed_by.name}"


def _signal_of(code: int) -> signal.Signals | None:
    """The signal that a guard's exit code stands for; programs exit with large codes, too."""
    return signal.Signals(code - 128) if code - 128 in set(signal.Signals) else None
