"""The engine: works trial folders off at the launcher, for whoever wants their results.

Search, controls, finals and confirmation start works and are told their epochs and their ends; in
between one call to the launcher serves all of them. A work that needs a stage which another job is
making waits for it without holding a slot. What went wrong is weighed by `failures`. Must not know
trials, scores, MLflow.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import NamedTuple, TypeVar

from sweeper.errors import SweeperError
from sweeper.launchers.jobs import JobReport, JobStatus, Launcher
from sweeper.outcomes import (
    LOG,
    Check,
    Epoch,
    Failure,
    FailureKind,
    FormatError,
    Left,
    Result,
    Waiting,
)
from sweeper.running.failures import Step, classify, next_step
from sweeper.running.open_work import OpenWork
from sweeper.running.overdue import JobWatch
from sweeper.running.slot_health import SlotHealth
from sweeper.running.work import Work
from sweeper.store.trial_folder import (
    ask_to_stop,
    end_of_file,
    forget_ending,
    forget_epochs,
    prepare_job,
    size_of,
)
from sweeper.study.sections import Limits, Retry
from sweeper.trainers import Claims, Trainer

POLL_SECONDS = 0.5
LOG_TAIL = 2000  # bytes

End = Result | Check | Failure | None  # None: it was asked to leave before it had a result
Name = TypeVar("Name")


class Ticket(NamedTuple):
    """Stands for a work that was started."""

    number: int


class EpochsOf(NamedTuple):
    """A work has written epochs."""

    ticket: Ticket
    epochs: Sequence[Epoch]


class EndedAs(NamedTuple):
    """A work has ended, and is forgotten here."""

    ticket: Ticket
    end: End


class Works:
    """The works of one driver."""

    def __init__(
        self,
        launcher: Launcher,
        trainer: Trainer,
        claims: Claims,
        *,
        retry: Retry,
        limits: Limits,
        stopping: Callable[[], bool],
        say: Callable[[str], None],
        require_here: Callable[[], None] = lambda: None,
        attend: Callable[["Works"], None] = lambda works: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin nothing.

        Args:
            launcher: Where jobs run.
            trainer: Reads what they write.
            claims: Say which stages are being made.
            retry: How often each kind of failure is tried.
            limits: How long a job may take, be silent, and take to leave.
            stopping: Whether the driver was asked to stop.
            say: Is told of what is tried again.
            require_here: Raises SweeperError where the folders are not there any more; asked before
                anything is written, and before an end is believed.
            attend: Called at every look for news: others may ask for something meanwhile.
            clock: Seconds.
        """
        self._launcher = launcher
        self._trainer = trainer
        self._claims = claims
        self._most = retry.attempts
        self._limits = limits
        self._stopping = stopping
        self._say = say
        self._require_here = require_here
        self._attend = attend
        self._clock = clock
        self._open: dict[Ticket, OpenWork] = {}
        self._slots = SlotHealth()
        self._numbers = count()

    def start(self, work: Work) -> Ticket:
        """Make the folder ready and submit it, unless its result is there.

        Raises:
            SweeperError: where the folder cannot be written, or a later version has written it.
            LauncherError: where the launcher refuses.
        """
        self._require_here()
        prepare_job(work.folder, work.job)
        ticket = Ticket(next(self._numbers))
        self._open[ticket] = OpenWork(work=work)
        try:
            left = self._trainer.left(work.folder)
        except FormatError as error:
            raise SweeperError(str(error)) from error
        if not isinstance(left, Result | Check):
            self._submit(self._open[ticket])
        return ticket

    def has_free_slot(self) -> bool:
        """Whether one more work would begin at once."""
        slots = {slot.name for slot in self._launcher.slots()}
        at_work = [entry for entry in self._open.values() if entry.waits_for is None]
        return sum(not entry.slot or entry.slot in slots for entry in at_work) < len(slots)

    def at_work(self) -> dict[str, str]:
        """What each slot does that has a job, by its name."""
        return {entry.slot: entry.work.label for entry in self._open.values() if entry.slot}

    def waits(self, ticket: Ticket) -> bool:
        """Whether a work waits for a stage; it holds no slot meanwhile."""
        entry = self._open.get(ticket)
        return entry is not None and entry.waits_for is not None

    def news(self, *, timeout: float = POLL_SECONDS) -> list[EpochsOf | EndedAs]:
        """What has happened since the last time; waits up to ``timeout`` seconds for something.

        Raises:
            SweeperError: where the machine is at fault, or no slot is left: no other work would
                fare better.
            LauncherError: where nothing can run.
        """
        if not self._launcher.slots():
            raise SweeperError(
                "no slot is left to run jobs on. The study stops here and nothing is lost: run it "
                "again where there are some"
            )
        self._attend(self)
        self.resume()
        active = [(t, e) for t, e in self._open.items() if e.waits_for is None]
        ids = [entry.job_id for _, entry in active if entry.job_id is not None]
        found = len(ids) < len(active)
        reports = self._launcher.poll(ids, timeout=0.0 if found else timeout)
        self._require_here()
        news: list[EpochsOf | EndedAs] = []
        for ticket, entry in active:
            report = JobReport(status=JobStatus.COMPLETED)
            if entry.job_id is not None:
                report = reports[entry.job_id]
                entry.slot = report.slot
            news += self._taken_in(ticket, entry, report)
        return news + [EndedAs(ticket, None) for ticket in self._given_up_waiting()]

    def resume(self) -> None:
        """Submit what waited for a stage that is no longer being made, while slots are free."""
        for entry in self._open.values():
            if self._stopping() or not self.has_free_slot():
                return
            if entry.waits_for is None or entry.is_asked_to_stop:
                continue
            if self._claims.is_free(entry.waits_for):
                entry.waits_for = None
                self._submit(entry)

    def ask_to_stop(self, ticket: Ticket) -> None:
        """Ask a work to leave after the epoch in hand."""
        if (entry := self._open.get(ticket)) is not None:
            entry.is_asked_to_stop = True
            self._ask_to_leave(entry)

    def ask_all_to_stop(self) -> None:
        """Ask every work to leave after the epoch in hand."""
        for ticket in self._open:
            self.ask_to_stop(ticket)

    def finish(
        self, tickets: Mapping[Name, Ticket], *, while_waiting: Callable[[], None] = lambda: None
    ) -> dict[Name, End]:
        """Wait until works have ended, and say how each did.

        Args:
            tickets: By names of the caller's own; no other work may be open.
            while_waiting: Called at every look, and once all have ended.
        """
        ends: dict[Ticket, End] = {}
        while any(ticket not in ends for ticket in tickets.values()):
            if self._stopping():
                self.ask_all_to_stop()
            ends |= {entry.ticket: entry.end for entry in self.news() if isinstance(entry, EndedAs)}
            while_waiting()
        return {name: ends[ticket] for name, ticket in tickets.items()}

    def _given_up_waiting(self) -> list[Ticket]:
        """Works that wait for a stage while they, or the driver, are to stop: left at once."""
        left = [
            ticket
            for ticket, entry in self._open.items()
            if entry.waits_for is not None and (entry.is_asked_to_stop or self._stopping())
        ]
        for ticket in left:
            del self._open[ticket]
        return left

    def _submit(self, entry: OpenWork) -> None:
        forget_ending(entry.work.folder)
        entry.log_start = size_of(entry.work.folder / LOG)
        request = entry.terms.request(entry.work)
        entry.job_id, entry.watch, entry.slot = self._launcher.submit(request), JobWatch(), ""

    def _taken_in(
        self, ticket: Ticket, entry: OpenWork, report: JobReport
    ) -> Iterator[EpochsOf | EndedAs]:
        """Read what a work has written; files that make no sense are its own failure."""
        folder = entry.work.folder
        try:
            epochs, entry.offset = self._trainer.news(folder, offset=entry.offset)
            left = self._trainer.left(folder) if report.status.is_terminal else None
        except (OSError, ValueError, FormatError) as error:
            kind = FailureKind.FILES if isinstance(error, OSError) else FailureKind.BAD_RESULT
            message = f"the files in {folder} cannot be used: {error}"
            if entry.job_id is not None:
                self._launcher.cancel(entry.job_id)
            failure = Failure(kind=kind, message=message)
            yield from self._weighed(ticket, entry, failure, slot=report.slot)
            return
        if epochs:
            yield EpochsOf(ticket, epochs)
        if report.status.is_terminal:
            yield from self._settled(ticket, entry, report, left)
        elif report.status is JobStatus.RUNNING:
            yield from self._looked_after(ticket, entry, report, has_epochs=bool(epochs))
        elif entry.is_asked_to_stop:  # queued: no epoch is in hand
            yield from self._cancelled(ticket, entry, report)

    def _looked_after(
        self, ticket: Ticket, entry: OpenWork, report: JobReport, *, has_epochs: bool
    ) -> Iterator[EndedAs]:
        """Ask a job to leave that takes too long or is silent, and kill what does not leave."""
        watch, now = entry.watch, self._clock()
        watch.look(now, log_size=size_of(entry.work.folder / LOG), has_epochs=has_epochs)
        if watch.leave_by is None and (failure := watch.overdue(now, self._limits)) is not None:
            watch.failure = failure
            self._ask_to_leave(entry)
        if watch.leave_by is not None and now >= watch.leave_by:
            yield from self._cancelled(ticket, entry, report)

    def _cancelled(self, ticket: Ticket, entry: OpenWork, report: JobReport) -> Iterator[EndedAs]:
        """Take a job from the launcher before it has ended, and say how its work ends with that."""
        assert entry.job_id is not None, "it has a job"
        self._launcher.cancel(entry.job_id)
        left = self._trainer.left(entry.work.folder)  # it may have been done just then
        yield from self._settled(ticket, entry, replace(report, status=JobStatus.CANCELLED), left)

    def _ask_to_leave(self, entry: OpenWork) -> None:
        ask_to_stop(entry.work.folder)
        if entry.watch.leave_by is None:
            entry.watch.leave_by = self._clock() + self._limits.grace

    def _settled(
        self, ticket: Ticket, entry: OpenWork, report: JobReport, left: Left
    ) -> Iterator[EndedAs]:
        """Say how a work has ended with its job, unless it waits for a stage or is tried again."""
        is_leaving = entry.is_asked_to_stop or self._stopping()
        if isinstance(left, Waiting) and not is_leaving:
            entry.job_id, entry.waits_for, entry.slot = None, left.stage, ""
            return
        log = entry.work.folder / LOG
        tail = end_of_file(log, LOG_TAIL, since=entry.log_start)
        failure = classify(report, left, is_leaving=is_leaving, log=log, log_tail=tail)
        if entry.watch.failure is not None and not isinstance(left, Result | Check):
            failure = None if is_leaving else entry.watch.failure
        if failure is not None:
            yield from self._weighed(ticket, entry, failure, slot=report.slot)
            return
        if left is not None:
            self._slots.did_well(report.slot, ticket)
            self._retire_sick_slots()
        del self._open[ticket]
        yield EndedAs(ticket, left if isinstance(left, Result | Check) else None)

    def _weighed(
        self, ticket: Ticket, entry: OpenWork, failure: Failure, *, slot: str
    ) -> Iterator[EndedAs]:
        """Do what a failure asks for; say so where it is the end of the work."""
        entry.failures[failure.kind] += 1
        step = next_step(failure, attempts=entry.failures[failure.kind], most=self._most)
        if step is Step.HALT:
            raise SweeperError(
                f"{entry.work.label}: {failure.message}. The study stops here and nothing is "
                f"lost: make {entry.work.folder} usable, then run it again"
            )
        self._blame(ticket, failure, slot=slot)
        had, entry.terms = entry.terms, entry.terms.after(failure.kind, slot)
        if step is not Step.GIVE_UP:
            self._say(f"{entry.work.label}: {failure.message}; {entry.terms.again(entry.work)}")
            if failure.kind is FailureKind.BAD_RESULT:  # its epochs are told again, from its stages
                forget_epochs(entry.work.folder)
                entry.offset = 0
            self._submit(entry)
            return
        self._slots.gave_up(ticket)
        del self._open[ticket]
        yield EndedAs(ticket, had.told_of(failure, entry.work))

    def _blame(self, ticket: Ticket, failure: Failure, *, slot: str) -> None:
        """Note a failure that may be the slot's, or its process's; of memory that is gone the slot
        is not to blame, for what ends well alone proves nothing.
        """
        kind = failure.kind
        if slot and (kind.is_slots or kind.is_memory):
            self._launcher.renew(slot)
        if slot and kind.is_slots:
            self._slots.lost(slot, ticket)
        elif kind.is_settings:
            self._slots.did_well(slot, ticket)
        self._retire_sick_slots()

    def _retire_sick_slots(self) -> None:
        """Take out the slots that lose what others do not; never the last."""
        there = [slot.name for slot in self._launcher.slots()]
        for slot, reason in self._slots.sick().items():
            if slot in there and len(there) > 1:
                there.remove(slot)
                self._launcher.retire(slot)
                self._say(f"slot {slot} is taken out: {reason}")
