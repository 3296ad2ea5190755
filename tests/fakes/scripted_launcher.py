"""A launcher that does what a test says, job by job: no process, no clock."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from sweeper.launchers.jobs import JobId, JobReport, JobRequest, JobStatus, SlotState

Step = Callable[[Path], JobStatus]  # what happens to the folder at one look, and how it stands then


def queued(folder: Path) -> JobStatus:
    return JobStatus.QUEUED


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
    """Each submitted job goes through the next script, at every poll by one step; all of them on
    the first slot that they may.
    """

    def __init__(self, *scripts: Sequence[Step], slots: int = 1) -> None:
        self._scripts = iter(scripts)
        self._slots = [f"slot-{n}" for n in range(slots)]
        self.renewed: list[str] = []
        self.cancelled: list[JobId] = []
        self.submitted: list[JobRequest] = []
        self.polled: list[list[JobId]] = []
        self._jobs: dict[JobId, tuple[JobRequest, Iterator[Step], str]] = {}

    def slots(self) -> Sequence[SlotState]:
        return [SlotState(name=name, device="cpu") for name in self._slots]

    def retire(self, slot: str) -> None:
        self._slots.remove(slot)

    def add(self, count: int) -> None:
        self._slots += [f"slot-{len(self._slots) + n}" for n in range(count)]

    def renew(self, slot: str) -> None:
        self.renewed.append(slot)

    def warm_up(self, request: JobRequest) -> None:
        """Nothing to begin."""

    def submit(self, request: JobRequest) -> JobId:
        self.submitted.append(request)
        job_id = JobId(str(len(self.submitted)))
        slots = [s for s in self._slots if s not in request.needs.not_on] or self._slots
        self._jobs[job_id] = request, iter(next(self._scripts)), slots[0]
        return job_id

    def attach(self, job_id: JobId) -> bool:
        return job_id in self._jobs

    def poll(
        self, job_ids: Collection[JobId], *, timeout: float = 0.0
    ) -> Mapping[JobId, JobReport]:
        self.polled.append(list(job_ids))
        reports = {}
        for job_id in job_ids:
            request, steps, slot = self._jobs[job_id]
            reports[job_id] = JobReport(status=next(steps)(request.folder), slot=slot)
        return reports

    def cancel(self, job_id: JobId) -> None:
        self._jobs.pop(job_id, None)
        self.cancelled.append(job_id)

    def close(self, *, leave: bool = False) -> None:
        """Nothing to end."""
