"""A launcher whose jobs are worked off by another trainer than the one they ask for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sweeper.launchers.jobs import JobId, JobReport, JobRequest, Launcher, SlotState


class OtherWorker:
    """Gives every request the worker ``worker``."""

    def __init__(self, launcher: Launcher, worker: Sequence[str]) -> None:
        self.inner = launcher
        self._worker = tuple(worker)

    def _with_it(self, request: JobRequest) -> JobRequest:
        return replace(request, worker=self._worker)

    def slots(self) -> Sequence[SlotState]:
        return self.inner.slots()

    def retire(self, slot: str) -> None:
        self.inner.retire(slot)

    def add(self, count: int) -> None:
        self.inner.add(count)

    def renew(self, slot: str) -> None:
        self.inner.renew(slot)

    def warm_up(self, request: JobRequest) -> None:
        self.inner.warm_up(self._with_it(request))

    def submit(self, request: JobRequest) -> JobId:
        return self.inner.submit(self._with_it(request))

    def attach(self, job_id: JobId) -> bool:
        return self.inner.attach(job_id)

    def poll(
        self, job_ids: Collection[JobId], *, timeout: float = 0.0
    ) -> Mapping[JobId, JobReport]:
        return self.inner.poll(job_ids, timeout=timeout)

    def cancel(self, job_id: JobId) -> None:
        self.inner.cancel(job_id)

    def close(self, *, leave: bool = False) -> None:
        self.inner.close(leave=leave)
