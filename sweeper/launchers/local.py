"""The launcher of this machine: a queue of jobs, and slots with one process each.

Decides which job goes to which slot: first come, first served; a job that is to be alone on its
device waits until that is empty, and the others for it. Jobs that have a worker's command go to a
warm one of that command, environment and number of threads; a worker starts with the first job that
needs it, one perhaps before. Others get a process of their own. A process that dies takes its one
job with it and is replaced. All of it ends with the driver. Must not know trials, studies, a
folder's content.
"""

import itertools
import os
import secrets
import selectors
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Literal

from sweeper.errors import LauncherError, LauncherUnavailable
from sweeper.launchers.devices import (
    Devices,
    Slot,
    find_gpus,
    open_nvml,
    resolve_devices,
    usable_cores,
    visible_gpus,
)
from sweeper.launchers.endings import ended, ending
from sweeper.launchers.jobs import JobId, JobReport, JobRequest, JobStatus, SlotState
from sweeper.launchers.leases import GpuLeases
from sweeper.launchers.rooms import emptiest, room_of
from sweeper.launchers.seat import Program, Seat
from sweeper.launchers.spares import further_slots
from sweeper.launchers.worker import Event, Worker

UNKNOWN = "this launcher never had it"
FAILED_STARTS = 3  # in a row on one slot: more of the same will not help
RETRY_INTERVAL = 1.0  # seconds between two looks at a card that others use

STATUS_OF = {
    "completed": JobStatus.COMPLETED,
    "failed": JobStatus.FAILED,
    "stopped": JobStatus.CANCELLED,
    "waiting": JobStatus.CANCELLED,
}


@dataclass(slots=True, kw_only=True)
class _Job:
    request: JobRequest
    report: JobReport = field(default_factory=lambda: JobReport(status=JobStatus.QUEUED))

    @property
    def has_ended(self) -> bool:
        return self.report.status.is_terminal


class LocalLauncher:
    """Runs jobs on the slots of this machine. Not for use by several threads."""

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        log_folder: Path,
        leases: GpuLeases | None = None,
        retry_interval: float = RETRY_INTERVAL,
    ) -> None:
        """Start nothing yet.

        Args:
            slots: Where jobs can run; all of one kind of device.
            log_folder: Gets a `worker-<slot>.log` for the stderr of each slot's workers.
            leases: Where slots on GPUs are leased.
            retry_interval: Seconds between two looks at a card that others use.

        Raises:
            LauncherUnavailable: if there is no slot.
        """
        if not slots:
            raise LauncherUnavailable("There is no slot to run jobs on: check `resources`.")
        leases = GpuLeases(None) if leases is None else leases
        self._log_folder = log_folder
        self._leases = leases
        self._retry_interval = retry_interval
        self._seats = [self._seat(slot) for slot in slots]
        self._jobs: dict[JobId, _Job] = {}
        self._queue: deque[JobId] = deque()
        self._prefix = f"local-{secrets.token_hex(4)}"  # an earlier driver's ids are not ours
        self._numbers = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._news = False
        self._start_failure: str | None = None
        self._closed = False

    def slots(self) -> Sequence[SlotState]:
        """Every slot, those that another driver has leased too: they may come free."""
        return [
            SlotState(name=seat.slot.name, device=seat.slot.device, refusal=seat.refusal or "")
            for seat in self._in_use
        ]

    def retire(self, slot: str) -> None:
        """Let no further job begin on a slot; what runs there goes on."""
        for seat in self._seats_of(slot):
            seat.is_retired = seat.is_worn = True
        self._work(0.0)

    def add(self, count: int) -> None:
        """Open further slots on the CPU, or on what is free of the host's GPUs.

        Raises:
            LauncherUnavailable: where there are not so many.
        """
        held = {s.slot.share for s in self._seats if s.worker is not None or not s.is_retired}
        found = further_slots(
            [seat.slot for seat in self._seats],
            count,
            held={share for share in held if share is not None},
            gpus=visible_gpus(self._leases.gpus(), os.environ.get("CUDA_VISIBLE_DEVICES")),
            refusal=self._leases.refusal,
        )
        self._seats += [self._seat(slot) for slot in found]
        self._work(0.0)

    def renew(self, slot: str) -> None:
        """Let the next job on a slot begin in a fresh process."""
        for seat in self._seats_of(slot):
            seat.is_worn = seat.worker is not None
        self._work(0.0)

    @property
    def guard_pids(self) -> Mapping[str, int]:
        """Process id of the guard of each living worker, by the name of its slot."""
        return {s.slot.name: s.worker.guard_pid for s in self._seats if s.worker is not None}

    @property
    def refusals(self) -> Mapping[str, str]:
        """Why slots stay empty although jobs wait, by the name of the slot."""
        if not self._queue:
            return {}
        return {s.slot.name: s.refusal for s in self._seats if s.refusal is not None}

    def warm_up(self, request: JobRequest) -> None:
        """Start one worker before its first job, since torch takes seconds to import.

        Where it cannot start, `poll` says why.
        """
        cold = request.worker is None or any(seat.worker is not None for seat in self._seats)
        if not self._closed and not cold:
            self._start_process(Program.of(request), self._seats_for(request))

    def submit(self, request: JobRequest) -> JobId:
        """Queue the job and return at once. Raises LauncherError after `close`."""
        if self._closed:
            raise LauncherError(f"The launcher is closed; {request.folder} was not started.")
        job_id = JobId(f"{self._prefix}-{next(self._numbers)}")
        self._jobs[job_id] = _Job(request=request)
        self._queue.append(job_id)
        self._work(0.0)
        return job_id

    def attach(self, job_id: JobId) -> bool:
        """False but for its own jobs: those of another driver have ended with it."""
        return job_id in self._jobs

    def poll(
        self, job_ids: Collection[JobId], *, timeout: float = 0.0
    ) -> Mapping[JobId, JobReport]:
        """Return a report of every id; one that this launcher never gave out is LOST.

        Waits up to ``timeout`` seconds for a job to end or an epoch to be written. Does not wait if
        one of ``job_ids`` has ended already.

        Raises:
            LauncherError: if no worker can be started, or a slot's workers died three times in a
                row before they were ready.
        """
        deadline = time.monotonic() + timeout
        self._work(0.0)
        while not (self._news or self._any_ended(job_ids)):
            left = deadline - time.monotonic()
            if left <= 0.0 or self._closed or self._start_failure is not None:
                break
            self._work(left)
        self._news = False
        if self._start_failure is not None:
            message, self._start_failure = self._start_failure, None
            raise LauncherError(message)
        return {job_id: self._report(job_id) for job_id in job_ids}

    def cancel(self, job_id: JobId) -> None:
        """Kill the job's worker, or take the job from the queue. Nothing for a job that has ended.

        Raises:
            LauncherError: if a process of the worker cannot be killed.
        """
        self._work(0.0)  # it may have ended just now
        if self._report(job_id).status.is_terminal:
            return
        job = self._jobs[job_id]
        job.report = replace(job.report, status=JobStatus.CANCELLED)
        if job_id in self._queue:
            self._queue.remove(job_id)
        else:
            self._dismiss(next(seat for seat in self._seats if seat.job == job_id))

    def close(self, *, leave: bool = False) -> None:
        """Kill what still runs, give back every slot. A second call does nothing.

        Args:
            leave: Without effect: no job of this machine outlives its driver.

        Raises:
            LauncherError: if a process of a worker cannot be killed.
        """
        self._closed = True
        self._queue.clear()
        for job in self._jobs.values():
            if not job.has_ended:
                job.report = replace(job.report, status=JobStatus.CANCELLED)
        for seat in self._seats:
            if seat.worker is not None:
                seat.worker.kill()  # all at once, then one wait for all
        failures = []
        for seat in self._seats:
            try:
                self._dismiss(seat)
            except LauncherError as error:
                failures.append(f"{seat.slot.name}: {error}")
        self._selector.close()
        if failures:
            raise LauncherError("\n".join(failures))

    def __enter__(self) -> "LocalLauncher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _seat(self, slot: Slot) -> Seat:
        return Seat(
            slot,
            log_folder=self._log_folder,
            leases=self._leases,
            retry_interval=self._retry_interval,
        )

    @property
    def _in_use(self) -> Sequence[Seat]:
        return [seat for seat in self._seats if not seat.is_retired]

    def _seats_of(self, slot: str) -> Sequence[Seat]:
        return [seat for seat in self._seats if seat.slot.name == slot]

    def _seats_for(self, request: JobRequest) -> Sequence[Seat]:
        """The slots that a job may begin on; all, where it excludes each."""
        fit = [s for s in self._in_use if s.slot.name not in request.needs.not_on]
        return fit or self._in_use

    def _report(self, job_id: JobId) -> JobReport:
        job = self._jobs.get(job_id)
        return JobReport(status=JobStatus.LOST, cause=UNKNOWN) if job is None else job.report

    def _any_ended(self, job_ids: Collection[JobId]) -> bool:
        return any(self._report(job_id).status.is_terminal for job_id in job_ids)

    def _work(self, timeout: float) -> None:
        """Take in what workers say within ``timeout`` seconds, then fill the slots."""
        if self._closed:
            return
        if self.refusals:
            timeout = min(timeout, self._retry_interval)
        for key, _ in self._selector.select(timeout):
            self._listen(key.data)
        self._fill_slots()

    def _listen(self, seat: Seat) -> None:
        worker = seat.worker
        assert worker is not None
        for event in worker.receive():
            self._take_in(event, seat)
        if worker.ended:
            self._bury(worker, seat)

    def _take_in(self, event: Event, seat: Seat) -> None:
        program = seat.program
        if program is not None and not program.is_warm and event.kind != "epoch":
            return  # a job of its own ends with its process
        if event.kind == "ready":
            seat.failed_starts = 0
        elif seat.job is not None and event.folder == str(self._jobs[seat.job].request.folder):
            self._news = True
            if event.kind == "ended":
                status = STATUS_OF.get(event.status or "", JobStatus.FAILED)
                self._jobs[seat.job].report = JobReport(status=status, slot=seat.slot.name)
                seat.job = None

    def _bury(self, worker: Worker, seat: Seat) -> None:
        """Settle what a process leaves that ended by itself."""
        job = None if seat.job is None else self._jobs[seat.job]
        program = seat.program
        assert program is not None, "a process has a program"
        code = self._dismiss(seat)
        if job is not None:
            job.report = ended(code, slot=seat.slot.name, log=worker.log, is_warm=program.is_warm)
            self._news = True
            if program.is_warm:
                worker.note(f"the worker {ending(code)} during {job.request.folder}")
        elif not worker.ready:
            seat.failed_starts += 1
            if seat.failed_starts == FAILED_STARTS:
                seat.failed_starts = 0
                self._start_failure = (
                    f"The worker of slot {seat.slot.name} {ending(code)} before it was ready, "
                    f"{FAILED_STARTS} times in a row.\nCommand: {' '.join(program.command)}\n"
                    f"End of its log:\n{worker.log_tail() or '(empty)'}"
                )

    def _dismiss(self, seat: Seat) -> int:
        if seat.worker is None:
            return 0
        self._selector.unregister(seat.worker)
        return seat.dismiss()

    def _fill_slots(self) -> None:
        """Give every waiting job, in order, a process or the start of one while there are slots."""
        if self._cannot_start():
            return
        for seat in self._seats:
            if seat.is_worn and (seat.is_idle or seat.is_starting):
                self._dismiss(seat)
        on_their_way = [seat for seat in self._seats if seat.is_starting]
        held = self._held_alone()
        for job_id in list(self._queue):
            request = self._jobs[job_id].request
            program, seats = Program.of(request), self._seats_for(request)
            if request.needs.alone_on is None:
                seats = [seat for seat in seats if seat not in held]
            else:
                room = emptiest(seats, self._seats, request.needs.alone_on, held=held)
                held += room
                seats = [seat for seat in seats if seat in room]
                if not self._cleared(room, program, seats, unclaimed=on_their_way):
                    continue
            idle = [s for s in seats if s.is_idle and s.program == program]
            starting = [s for s in on_their_way if s in seats and s.program == program]
            if idle:
                self._hand_over(job_id, idle[0])
            elif starting:
                on_their_way.remove(starting[0])
            elif (started := self._start_process(program, seats)) is not None:
                if not program.is_warm:
                    self._take_up(job_id, started)
            elif self._cannot_start():
                return

    def _held_alone(self) -> list[Seat]:
        """The seats on which nothing may begin, since a job that runs is to be alone there."""
        held: list[Seat] = []
        for seat in self._seats:
            room = None if seat.job is None else self._jobs[seat.job].request.needs.alone_on
            if room is not None:
                held += room_of(seat, self._seats, room)
        return held

    def _cleared(
        self,
        room: Sequence[Seat],
        program: Program,
        seats: Sequence[Seat],
        *,
        unclaimed: Sequence[Seat],
    ) -> bool:
        """End what waits in a room for work and holds memory, but for one process of ``program`` on
        one of ``seats``; False where a job runs there, or a process starts for one before this.
        """
        if not room or any(s.job or (s.is_starting and s not in unclaimed) for s in room):
            return False
        kept = [s for s in seats if s.worker is not None and s.program == program][:1]
        for seat in room:
            if seat.worker is not None and seat not in kept:
                self._dismiss(seat)
        return True

    def _cannot_start(self) -> bool:
        return self._start_failure is not None

    def _hand_over(self, job_id: JobId, seat: Seat) -> None:
        assert seat.worker is not None
        self._take_up(job_id, seat)
        seat.worker.send(self._jobs[job_id].request.folder)

    def _take_up(self, job_id: JobId, seat: Seat) -> None:
        self._queue.remove(job_id)
        self._jobs[job_id].report = JobReport(status=JobStatus.RUNNING, slot=seat.slot.name)
        seat.job = job_id

    def _start_process(self, program: Program, seats: Sequence[Seat]) -> Seat | None:
        """Start a process on an empty slot, else in the place of an idle one. None: no slot."""
        empty = [seat for seat in seats if seat.worker is None]
        idle = [seat for seat in seats if seat.is_idle]
        try:
            for seat in [*empty, *idle[:1]]:
                self._dismiss(seat)
                worker = seat.start(program)
                if worker is not None:
                    self._selector.register(worker, selectors.EVENT_READ, seat)
                    return seat
        except LauncherError as error:
            self._start_failure = str(error)
        return None


def find_slots(
    *,
    devices: Devices = "auto",
    slots_per_device: int | Literal["auto"] = "auto",
    threads: int = 1,
) -> tuple[Slot, ...]:
    """Look which slots this machine has; see `resolve_devices` for the arguments.

    Raises:
        LauncherUnavailable: if a GPU is named that does not exist.
    """
    gpus = () if devices == "cpu" else find_gpus(open_nvml())
    return resolve_devices(
        devices,
        slots_per_device,
        threads=threads,
        gpus=visible_gpus(gpus, os.environ.get("CUDA_VISIBLE_DEVICES")),
        cores=usable_cores(),
    )


def open_local(
    *,
    devices: Devices = "auto",
    slots_per_device: int | Literal["auto"] = "auto",
    threads: int = 1,
    min_free: float = 0.0,
    log_folder: Path,
) -> LocalLauncher:
    """Open the launcher on the devices of this machine that the study's `resources` ask for.

    Args:
        devices: "auto", "cpu", or indices of GPUs as `nvidia-smi` shows them.
        slots_per_device: Jobs that share a GPU; "auto" is one (on the CPU one for every ``threads``
            cores).
        threads: CPU threads of a job.
        min_free: A GPU with less free memory, in GiB, is not used.
        log_folder: Gets the logs of the workers.

    Raises:
        LauncherUnavailable: if a GPU is named that does not exist.
    """
    slots = find_slots(devices=devices, slots_per_device=slots_per_device, threads=threads)
    nvml = open_nvml() if slots and slots[0].share is not None else None
    return LocalLauncher(
        slots,
        log_folder=log_folder,
        leases=GpuLeases(nvml, min_free=min_free),
    )
