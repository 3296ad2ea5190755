"""Jobs outside the search: the check of the instrument before it, the confirmation after it.

Before trial 0 the controls are scored and the start is perturbed: a study whose evaluation cannot
see what is trained must not rank anything. At the end start, baseline and best are scored on
questions that selected nothing; `sweeper confirm` does so for more of them.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeper.errors import InstrumentError
from sweeper.launchers.jobs import JobRequest, JobStatus, Launcher
from sweeper.running.verdict import MAX_ATTEMPTS
from sweeper.store.trial_folder import (
    ask_to_stop,
    prepare_job,
    read_failure,
    read_result,
    read_waiting,
)
from trainer.contract import LOG, Claims, Job

POLL_SECONDS = 0.5


class OneOffJobs:
    """Trial folders worked through at the launcher; results are kept and reused."""

    def __init__(self, launcher: Launcher, stopping: Callable[[], bool]) -> None:
        self._launcher = launcher
        self._stopping = stopping

    def start(self, folder: Path, job: Job) -> "PendingJob":
        """Submit the job unless its result is there."""
        prepare_job(folder, job)
        pending = PendingJob(self._launcher, self._stopping, folder, job)
        if read_result(folder) is None:
            pending.submit()
        return pending


class PendingJob:
    """A job of ``OneOffJobs`` that may still run."""

    def __init__(
        self, launcher: Launcher, stopping: Callable[[], bool], folder: Path, job: Job
    ) -> None:
        self._launcher = launcher
        self._stopping = stopping
        self._folder = folder
        self._stages = folder / job.stages
        self._request = JobRequest(folder=folder.absolute(), threads=job.spec.threads)
        self._attempts = 0

    def submit(self) -> None:
        """Hand the job to the launcher."""
        self._job_id = self._launcher.submit(self._request)
        self._attempts += 1

    def result(self, *, while_waiting: Callable[[], None] = lambda: None) -> dict[str, Any] | None:
        """Wait for the result; None where the driver stops first.

        Args:
            while_waiting: Called at every look, and once the result is there.

        Raises:
            InstrumentError: with the trainer's reason, where the job failed.
        """
        while (result := read_result(self._folder)) is None:
            if self._stopping():
                ask_to_stop(self._folder)
            status = self._launcher.poll([self._job_id], timeout=POLL_SECONDS)[self._job_id]
            while_waiting()
            if not status.is_terminal or read_result(self._folder) is not None:
                continue
            if self._stopping():
                return None
            waits_for = read_waiting(self._folder)
            if waits_for is not None:
                self._attempts -= 1  # nothing went wrong
                self._wait(waits_for, while_waiting)
                continue
            failure = read_failure(self._folder)
            if failure is not None:
                raise InstrumentError(f"{failure['message']} (see {self._folder / LOG})")
            if status is not JobStatus.LOST or self._attempts >= MAX_ATTEMPTS:
                raise InstrumentError(
                    f"the job in {self._folder} was {status.value} and left no result; "
                    f"see {LOG} there"
                )
            self.submit()
        while_waiting()
        return result

    def _wait(self, stage: str, while_waiting: Callable[[], None]) -> None:
        """Let another job make ``stage``, then submit again."""
        with Claims(self._stages) as claims:
            while not claims.is_free(stage) and not self._stopping():
                time.sleep(POLL_SECONDS)
                while_waiting()
        self.submit()
