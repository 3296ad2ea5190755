"""What a launcher promises: requests go in, reports come out. Knows no trial and no trainer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal, NewType, Protocol

JobId = NewType("JobId", str)
Room = Literal["device", "host"]  # whose memory a job shares with others


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
class Needs:
    """What a job takes of the slot that it runs on."""

    threads: int = 1  # of the CPU
    not_on: frozenset[str] = frozenset()  # slots that it is kept off, unless no other is left
    alone_on: Room | None = None
    """Where no other job of this launcher may run meanwhile: those in hand end first, new ones wait
    until it has ended. On a CPU the device is the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A folder to work through, and how."""

    folder: Path  # absolute; where the job finds what to do, and leaves what came of it
    argv: tuple[str, ...]  # works through the folder, which it gets as its last argument, and exits
    worker: tuple[str, ...] | None = None
    """Takes folders on stdin, one a line, and stays: for a launcher that keeps processes warm."""
    environment: Mapping[str, str] = field(default_factory=dict)  # beside the driver's own
    needs: Needs = field(default_factory=Needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """How a job stands; once it has ended, how it did."""

    status: JobStatus
    exit_code: int | None = None  # of its process, where that ended with the job by itself
    signal: int | None = None  # that killed its process
    slot: str = ""  # that it ran on
    cause: str = ""  # how its process ended, in words, where that was not well
    log: Path | None = None  # what the launcher has kept of its process; its folder has its own


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """One place where a job can run."""

    name: str
    device: str  # kind: "cpu" or "cuda"
    refusal: str = ""  # why no job can begin there now


class Launcher(Protocol):
    """Starts jobs elsewhere and says how they stand. Never reads what is in their folders."""

    def slots(self) -> Sequence[SlotState]:
        """Where jobs can run at this moment; may change while jobs run."""

    def retire(self, slot: str) -> None:
        """Let no further job begin on a slot; it is no longer among `slots`."""

    def add(self, count: int) -> None:
        """Open further slots of the kind that there is.

        Raises:
            LauncherUnavailable: where there are not so many; then none is opened.
        """

    def renew(self, slot: str) -> None:
        """Let the next job on a slot begin in a process of its own making: what one that ended ill
        has left in a warm one, or was set for it, is gone.
        """

    def warm_up(self, request: JobRequest) -> None:
        """Begin what such a job would wait for, as far as there is anything; returns at once."""

    def submit(self, request: JobRequest) -> JobId:
        """Queue the job and return at once. Raises LauncherError if it was refused."""

    def attach(self, job_id: JobId) -> bool:
        """Take over a job that an earlier driver submitted; False where it cannot be watched."""

    def poll(
        self, job_ids: Collection[JobId], *, timeout: float = 0.0
    ) -> Mapping[JobId, JobReport]:
        """Return a report of every id, with one call to the backend for all of them.

        The folders *here* are as new as the reports, wherever the jobs run. Waits up to
        ``timeout`` seconds for news (a job that ended, an epoch that was written) and returns as
        soon as there is some.
        """

    def cancel(self, job_id: JobId) -> None:
        """Stop the job. Cancelling a job that has ended does nothing."""

    def close(self, *, leave: bool = False) -> None:
        """Give back every slot.

        Args:
            leave: Jobs that can live on without this driver may; all others are killed.
        """


def device_of(launcher: Launcher) -> str:
    """Kind of device that a job gets: the slots of one launcher have the same."""
    return launcher.slots()[0].device
