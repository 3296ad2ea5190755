"""A launcher of another kind: a bare process a job, watched by looking at it again and again."""

import os
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import count

from sweeper.errors import LauncherError
from sweeper.launchers.jobs import JobId, JobReport, JobRequest, JobStatus, SlotState

LOOK_SECONDS = 0.01


class PlainLauncher:
    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._numbers = count()
        self._queue: dict[JobId, JobRequest] = {}
        self._running: dict[JobId, subprocess.Popen[bytes]] = {}
        self._ended: dict[JobId, JobReport] = {}
        self._closed = False

    def slots(self) -> Sequence[SlotState]:
        return [SlotState(name=f"plain-{n}", device="cpu") for n in range(self._slots)]

    def warm_up(self, request: JobRequest) -> None:
        """Nothing stays warm."""

    def submit(self, request: JobRequest) -> JobId:
        if self._closed:
            raise LauncherError("this launcher is closed")
        job_id = JobId(f"plain-{next(self._numbers)}")
        self._queue[job_id] = request
        self._work()
        return job_id

    def attach(self, job_id: JobId) -> bool:
        return job_id in {**self._queue, **self._running, **self._ended}

    def poll(
        self, job_ids: Collection[JobId], *, timeout: float = 0.0
    ) -> Mapping[JobId, JobReport]:
        deadline = time.monotonic() + timeout
        self._work()
        while job_ids and not any(self._report(j).status.is_terminal for j in job_ids):
            if time.monotonic() >= deadline or self._work():
                break
            time.sleep(LOOK_SECONDS)
        return {job_id: self._report(job_id) for job_id in job_ids}

    def cancel(self, job_id: JobId) -> None:
        self._queue.pop(job_id, None)
        if (process := self._running.pop(job_id, None)) is not None:
            process.kill()
            process.wait()
        if job_id.startswith("plain-"):
            self._ended.setdefault(job_id, JobReport(status=JobStatus.CANCELLED))

    def close(self, *, leave: bool = False) -> None:
        self._closed = True
        for job_id in [*self._queue, *self._running]:
            self.cancel(job_id)

    def _report(self, job_id: JobId) -> JobReport:
        if job_id in self._ended:
            return self._ended[job_id]
        if job_id in self._running:
            return JobReport(status=JobStatus.RUNNING)
        queued = job_id in self._queue
        return JobReport(status=JobStatus.QUEUED if queued else JobStatus.LOST)

    def _work(self) -> bool:
        """Take in what has ended and fill the slots; say whether anything has."""
        ended = {j: code for j, p in self._running.items() if (code := p.poll()) is not None}
        for job_id, code in ended.items():
            del self._running[job_id]
            status = JobStatus.COMPLETED if code == 0 else JobStatus.FAILED
            ending = f"ended with exit code {code}"
            if code < 0:
                ending = f"was ended by {signal.Signals(-code).name}"
            cause = "" if code == 0 else f"the job {ending}"
            report = JobReport(
                status=JobStatus.LOST if code < 0 else status,
                exit_code=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                cause=cause,
            )
            self._ended[job_id] = report
        while self._queue and len(self._running) < self._slots:
            job_id = next(iter(self._queue))
            request = self._queue.pop(job_id)
            self._running[job_id] = subprocess.Popen(
                [*request.argv, str(request.folder)],
                stdout=subprocess.DEVNULL,
                env={**os.environ, **request.environment},
            )
        return bool(ended)
