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
        self._slot_numbers = count()
        self._slots: list[str] = []
        self.add(slots)
        self._numbers = count()
        self._queue: dict[JobId, JobRequest] = {}
        self._running: dict[JobId, tuple[str, subprocess.Popen[bytes]]] = {}
        self._ended: dict[JobId, JobReport] = {}
        self._closed = False
        self._alone: JobId | None = None  # all slots share the host

    def slots(self) -> Sequence[SlotState]:
        return [SlotState(name=name, device="cpu") for name in self._slots]

    def retire(self, slot: str) -> None:
        self._slots.remove(slot)

    def add(self, count: int) -> None:
        self._slots += [f"plain-{next(self._slot_numbers)}" for _ in range(count)]

    def renew(self, slot: str) -> None:
        """Every job has a fresh process."""

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
        if job_id in self._running:
            _, process = self._running.pop(job_id)
            process.kill()
            process.wait()
        if job_id.startswith("plain-"):
            self._ended.setdefault(job_id, JobReport(status=JobStatus.CANCELLED))

    def close(self, *, leave: bool = False) -> None:
        self._closed = True
        for job_id in [*self._queue, *self._running]:
            self.cancel(job_id)

    def _has_one_alone(self) -> bool:
        return self._alone in self._running

    def _report(self, job_id: JobId) -> JobReport:
        if job_id in self._ended:
            return self._ended[job_id]
        if job_id in self._running:
            return JobReport(status=JobStatus.RUNNING, slot=self._running[job_id][0])
        queued = job_id in self._queue
        return JobReport(status=JobStatus.QUEUED if queued else JobStatus.LOST)

    def _work(self) -> bool:
        """Take in what has ended and fill the slots; say whether anything has."""
        codes = {job_id: p.poll() for job_id, (_, p) in self._running.items()}
        ended = {job_id: code for job_id, code in codes.items() if code is not None}
        for job_id, code in ended.items():
            slot, _ = self._running.pop(job_id)
            status = JobStatus.COMPLETED if code == 0 else JobStatus.FAILED
            ending = f"ended with exit code {code}"
            if code < 0:
                ending = f"was ended by {signal.Signals(-code).name}"
            cause = "" if code == 0 else f"the job {ending}"
            report = JobReport(
                status=JobStatus.LOST if code < 0 else status,
                exit_code=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                slot=slot,
                cause=cause,
            )
            self._ended[job_id] = report
        for job_id, request in list(self._queue.items()):
            if self._has_one_alone() or (request.needs.alone_on and self._running):
                break
            busy = {slot for slot, _ in self._running.values()}
            fit = [s for s in self._slots if s not in request.needs.not_on] or self._slots
            free = [slot for slot in fit if slot not in busy]
            if not free:
                continue
            del self._queue[job_id]
            process = subprocess.Popen(
                [*request.argv, str(request.folder)],
                stdout=subprocess.DEVNULL,
                env={**os.environ, **request.environment},
            )
            self._running[job_id] = free[0], process
            self._alone = job_id if request.needs.alone_on else None
        return bool(ended)
