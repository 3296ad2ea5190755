"""A slot and who sits on it: the lease of its share of a GPU and the worker that lives on it.

The lease is taken before the worker starts and given back after its last process has gone. Decides
how a worker finds its device and its threads. Knows no queue; of a job only that it is there.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from sweeper.launchers.devices import THREAD_VARIABLES, Slot
from sweeper.launchers.jobs import JobId, JobRequest
from sweeper.launchers.leases import GpuLeases, Lease
from sweeper.launchers.worker import Worker

JOB_LOG = "log.txt"  # in the folder of a job that has a process of its own


@dataclass(frozen=True, slots=True)
class Program:
    """What a process runs: two jobs with the same one can share a warm process."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    threads: int
    log: Path | None = None  # of a job's own process; None: it is a warm worker

    @property
    def is_warm(self) -> bool:
        """Whether it takes one folder after another."""
        return self.log is None

    @classmethod
    def of(cls, request: JobRequest) -> "Program":
        """The worker that the request names, or a process for it alone."""
        environment, threads = tuple(sorted(request.environment.items())), request.needs.threads
        if request.worker is not None:
            return cls(request.worker, environment, threads)
        command = (*request.argv, str(request.folder))
        return cls(command, environment, threads, request.folder / JOB_LOG)


class Seat:
    """One slot with at most one process."""

    def __init__(
        self,
        slot: Slot,
        *,
        log_folder: Path,
        leases: GpuLeases,
        retry_interval: float,
    ) -> None:
        """Start nothing; see `LocalLauncher` for the arguments."""
        self.slot = slot
        self.worker: Worker | None = None
        self.program: Program | None = None  # of the worker
        self.job: JobId | None = None
        self.failed_starts = 0  # in a row
        self.refusal: str | None = None  # why the slot could not be leased
        self.is_retired = False  # no job begins there any more
        self.is_worn = False  # its worker is to take no further job
        self._log = log_folder / f"worker-{slot.name}.log"
        self._leases = leases
        self._lease: Lease | None = None
        self._retry_interval = retry_interval
        self._retry_at = 0.0  # monotonic seconds

    @property
    def is_starting(self) -> bool:
        """Whether a worker has not said yet that it is ready."""
        return self.worker is not None and not self.worker.ready and self.job is None

    @property
    def is_idle(self) -> bool:
        """Whether a worker waits for a job."""
        return self.worker is not None and self.worker.ready and self.job is None

    def start(self, program: Program) -> Worker | None:
        """Start a process on the empty slot; None if its GPU is not to be had now.

        Raises:
            LauncherError: if no process can be started, or no lock can be taken.
        """
        if time.monotonic() < self._retry_at or not self._take_lease():
            return None
        counts = dict.fromkeys(THREAD_VARIABLES, str(program.threads))
        given = dict(program.environment)
        try:
            self.worker = Worker(
                program.command,
                environment={**os.environ, **counts, **given, **self.slot.environment},
                log=self._log if program.log is None else program.log,
                is_warm=program.is_warm,
            )
        finally:
            if self.worker is None:
                self._release_lease()
        self.program, self.is_worn = program, False
        if self._lease is not None:
            self._lease.record_guard(self.worker.guard_pid)
        return self.worker

    def dismiss(self) -> int:
        """Empty the slot, killing its worker if it lives; return the worker's exit code.

        Raises:
            LauncherError: if a process of the worker cannot be killed.
        """
        assert self.worker is not None
        worker, self.worker, self.job = self.worker, None, None
        worker.kill()
        try:
            return worker.wait()
        finally:
            self._release_lease()

    def _take_lease(self) -> bool:
        if self.slot.share is None:
            return True
        lease = self._leases.acquire(self.slot.share)
        if isinstance(lease, str):
            self.refusal = lease
            self._retry_at = time.monotonic() + self._retry_interval
            return False
        self._lease, self.refusal = lease, None
        return True

    def _release_lease(self) -> None:
        if self._lease is not None:
            self._lease.release()
            self._lease = None
