"""Whether a job takes too long, or gives no sign of life. Pure: the engine's clock comes in."""

from dataclasses import dataclass

from sweeper.outcomes import Failure, FailureKind
from sweeper.study.sections import Limits
from sweeper.words import duration_text


@dataclass(slots=True, kw_only=True)
class JobWatch:
    """What one job has shown of itself, in seconds of the engine's clock."""

    since: float | None = None  # it was first seen running
    sign: float = 0.0  # it last wrote an epoch, or into its log
    log_size: int = 0  # bytes
    leave_by: float | None = None  # it was asked to leave, and is killed then
    failure: Failure | None = None  # why it was asked, where that was its own doing

    def look(self, now: float, *, log_size: int, has_epochs: bool) -> None:
        """Note what a running job shows."""
        if self.since is None:
            self.since = self.sign = now
        if has_epochs or log_size != self.log_size:
            self.sign = now
        self.log_size = log_size

    def overdue(self, now: float, limits: Limits) -> Failure | None:
        """Why the job has to leave; None where it may go on."""
        if self.since is None:
            return None
        if limits.trial_time is not None and now - self.since >= limits.trial_time:
            return Failure(
                kind=FailureKind.TIMEOUT,
                message=f"it took longer than {duration_text(limits.trial_time)} "
                "(`limits: {trial_time}`)",
            )
        if limits.stall is not None and now - self.sign >= limits.stall:
            return Failure(
                kind=FailureKind.STALL,
                message=f"no epoch and nothing in its log for {duration_text(limits.stall)} "
                "(`limits: {stall}`)",
            )
        return None
