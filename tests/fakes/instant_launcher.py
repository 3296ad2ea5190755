"""A launcher whose jobs are done by the fake trainer, in this process, as they are submitted."""

import os
import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from fakes import fake_trainer

from sweeper.errors import LauncherUnavailable
from sweeper.launchers.jobs import JobId, JobReport, JobRequest, JobStatus, SlotState

STATUSES = {"completed": JobStatus.COMPLETED, "failed": JobStatus.FAILED}


class InstantLauncher:
    """Remembers which folders it was given.

    With ``interrupt_at`` the so many-th job comes too late: Ctrl-C is pressed, and neither that one
    nor any after it is done.
    """

    def __init__(self, *, interrupt_at: int | None = None) -> None:
        self.folders: list[Path] = []
        self._interrupt_at = interrupt_at
        self._statuses: dict[JobId, JobStatus] = {}

    def slots(self) -> Sequence[SlotState]:
        return [SlotState(name="here", device="cpu")]

    def retire(self, slot: str) -> None:
        """There is but one."""

    def add(self, count: int) -> None:
        raise LauncherUnavailable("there is but one")

    def renew(self, slot: str) -> None:
        """No process to make anew."""

    def warm_up(self, request: JobRequest) -> None:
        """Nothing to begin."""

    def attach(self, job_id: JobId) -> bool:
        return job_id in self._statuses

    def submit(self, request: JobRequest) -> JobId:
        self.folders.append(request.folder)
        job = JobId(str(len(self.folders)))
        if self._interrupt_at is not None and len(self.folders) >= self._interrupt_at:
            if len(self.folders) == self._interrupt_at:
                os.kill(os.getpid(), signal.SIGINT)
            self._statuses[job] = JobStatus.CANCELLED
            return job
        (request.folder / "failure.json").unlink(missing_ok=True)
        self._statuses[job] = STATUSES[fake_trainer.work(request.folder)]
        return job

    def poll(
        self, job_ids: Collection[JobId], *, timeout: float = 0.0
    ) -> Mapping[JobId, JobReport]:
        lost = JobStatus.LOST
        return {job: JobReport(status=self._statuses.get(job, lost)) for job in job_ids}

    def cancel(self, job_id: JobId) -> None:
        """Nothing runs."""

    def close(self, *, leave: bool = False) -> None:
        """Nothing to end."""
