"""A launcher that does what a test says, job by job: no process, no clock."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from sweeper.launchers.jobs import JobId, JobReport, JobRequest, JobStatus, SlotState

Step = Callable[[Path], JobStatus]  # what happens to the folder at one look, and how it stands then


def running(folder: Path) -> JobStatus:
    return JobStatus.RUNNING


def lost(folder: Path) -> JobStatus:
    return JobStatus.LOST


def cancelled(folder: Path) -> JobStatus:
    return JobStatus.CANCELLED


def writes(name: str, content: object, status: JobStatus) -> Step:
    def step(folder: Path) -> JobStatus:
        (folder / name).write_text(json.dumps(content))
        return status

    return step


class ScriptedLauncher:
    """Each submitted job goes through the next script; at every poll by one step."""

    def __init__(self, *scripts: Sequence[Step], slots: int = 1) -> None:
        self._scripts = iter(scripts)
        self._slots = slots
        self.submitted: list[JobRequest] = []
        self.polled: list[list[JobId]] = []
        self._jobs: dict[JobId, tuple[JobRequest, Iterator[Step]]] = {}

    def slots(self) -> Sequence[SlotState]:
        return [SlotState(name=f"slot-{n}", device="cpu") for n in range(self._slots)]

    def warm_up(self, request: JobRequest) -> None:
        """Nothing to begin."""

    def submit(self, request: JobRequest) -> JobId:
        self.submitted.append(request)
        job_id = JobId(str(len(self.submitted)))
        self._jobs[job_id] = request, iter(next(self._scripts))
        return job_id

    def attach(self, job_id: JobId) -> bool:
        return job_id in self._jobs

    def poll(
        self, job_ids: Collection[JobId], *, timeout: float = 0.0
    ) -> Mapping[JobId, JobReport]:
        self.polled.append(list(job_ids))
        reports = {}
        for job_id in job_ids:
            request, steps = self._jobs[job_id]
            reports[job_id] = JobReport(status=next(steps)(request.folder))
        return reports

    def cancel(self, job_id: JobId) -> None:
        self._jobs.pop(job_id, None)

    def close(self, *, leave: bool = False) -> None:
        """Nothing to end."""
