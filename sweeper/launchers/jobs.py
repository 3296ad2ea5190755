"""What a launcher promises: jobs go in, statuses come out. Knows no trial, no study, no files."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NewType, Protocol

JobId = NewType("JobId", str)


class JobStatus(Enum):
    """Where a job stands. Only the first two can still change."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # the backend has forgotten it, or its process died

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """One trial folder to work through with `python -m trainer`."""

    folder: Path  # absolute; holds trial.json
    threads: int = 1  # CPU threads that the job's spec asks for


class Launcher(Protocol):
    """Starts jobs elsewhere and says how they stand. Never reads a trial's results."""

    @property
    def slots(self) -> int:
        """How many jobs can run at the same time."""

    @property
    def device(self) -> str:
        """Kind of device that a job gets: "cpu" or "cuda"."""

    def warm_up(self, *, threads: int) -> None:
        """Begin what the first job would wait for, as far as there is anything; returns at once."""

    def submit(self, request: JobRequest) -> JobId:
        """Queue the job and return at once. Raises LauncherError if it was refused."""

    def poll(
        self, job_ids: Collection[JobId], *, timeout: float = 0.0
    ) -> Mapping[JobId, JobStatus]:
        """Return the status of every id, with one call to the backend for all of them.

        Waits up to ``timeout`` seconds for news (a job that ended, an epoch that was written) and
        returns as soon as there is some.
        """

    def cancel(self, job_id: JobId) -> None:
        """Stop the job. Cancelling a job that has ended does nothing."""

    def close(self) -> None:
        """Give back every slot; kills what still runs here."""
