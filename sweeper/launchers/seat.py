"""A slot and who sits on it: the lease of its share of a GPU and the worker that lives on it.

The lease is taken before the worker starts and given back after its last process has gone. Decides
how a worker finds its device and its threads. Knows no queue; of a job only that it is there.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from sweeper.launchers.devices import THREAD_VARIABLES, Slot
from sweeper.launchers.jobs import JobId
from sweeper.launchers.leases import GpuLeases, Lease
from sweeper.launchers.worker import Worker


class Seat:
    """One slot with at most one worker."""

    def __init__(
        self,
        slot: Slot,
        *,
        command: Sequence[str],
        log_folder: Path,
        leases: GpuLeases,
        retry_interval: float,
    ) -> None:
        """Start nothing; see `LocalLauncher` for the arguments."""
        self.slot = slot
        self.worker: Worker | None = None
        self.threads = 0  # of the worker
        self.job: JobId | None = None
        self.failed_starts = 0  # in a row
        self.refusal: str | None = None  # why the slot could not be leased
        self._command = tuple(command)
        self._log = log_folder / f"worker-{slot.name}.log"
        self._leases = leases
        self._lease: Lease | None = None
        self._retry_interval = retry_interval
        self._retry_at = 0.0  # monotonic seconds

    @property
    def is_starting(self) -> bool:
        """Whether a worker has not said yet that it is ready."""
        return self.worker is not None and not self.worker.ready

    @property
    def is_idle(self) -> bool:
        """Whether a worker waits for a job."""
        return self.worker is not None and self.worker.ready and self.job is None

    def start(self, threads: int) -> Worker | None:
        """Start a worker on the empty slot; None if its GPU is not to be had now.

        Raises:
            LauncherError: if no process can be started, or no lock can be taken.
        """
        if time.monotonic() < self._retry_at or not self._take_lease():
            return None
        counts = dict.fromkeys(THREAD_VARIABLES, str(threads))
        try:
            self.worker = Worker(
                self._command,
                environment={**os.environ, **counts, **self.slot.environment},
                log=self._log,
            )
        finally:
            if self.worker is None:
                self._release_lease()
        self.threads = threads
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
