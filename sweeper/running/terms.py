"""On which terms the next job of a work runs, after what befell those before it. Pure.

What may be a slot's fault is done on another one. What ran out of memory is done alone, and once
more alone with a smaller evaluation batch, as far as the trainer offers that: what it computes
depends on neither.
"""

from dataclasses import dataclass, replace

from sweeper.launchers.jobs import JobRequest, Needs, Room
from sweeper.outcomes import Failure, FailureKind
from sweeper.running.work import Work

_PLACES: dict[Room, str] = {"device": "its device", "host": "this host"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Where a job may run, and how much memory it is to make do with."""

    lost_on: frozenset[str] = frozenset()  # slots that may have been to blame
    alone_on: Room | None = None
    is_sparing: bool = False

    def after(self, kind: FailureKind, slot: str) -> "Terms":
        """The terms of the next job, once one has failed on ``slot`` ("" where nobody knows)."""
        terms = self
        if slot and (kind.is_slots or kind.is_memory):
            terms = replace(terms, lost_on=terms.lost_on | {slot})
        if kind.is_memory:
            is_hosts = kind is FailureKind.OUT_OF_HOST_MEMORY or self.alone_on == "host"
            terms = replace(
                terms,
                alone_on="host" if is_hosts else "device",
                is_sparing=self.alone_on is not None,
            )
        return terms

    def said(self, work: Work) -> str:
        """How a job has its memory, for people; empty where it is as any other."""
        if self.alone_on is None:
            return ""
        sparing = self.is_sparing and work.command.sparing
        batch = " and with a smaller evaluation batch" if sparing else ""
        return f"alone on {_PLACES[self.alone_on]}{batch}"

    def again(self, work: Work) -> str:
        """That it is tried again, and how, for people."""
        return ", ".join(filter(None, ("tried again", self.said(work))))

    def told_of(self, failure: Failure, work: Work) -> Failure:
        """A failure that is the end of a work; one of memory says what was done against it."""
        how = self.said(work) if failure.kind.is_memory else ""
        told = f"{failure.message}; this was {how}" if how else failure.message
        return failure.model_copy(update={"message": told})

    def request(self, work: Work) -> JobRequest:
        """What the launcher is asked for to work through the folder of ``work``."""
        command = work.command
        options = command.sparing if self.is_sparing else ()
        return JobRequest(
            folder=work.folder.absolute(),
            argv=(*command.argv, *options),
            worker=None if command.worker is None else (*command.worker, *options),
            needs=Needs(threads=command.threads, not_on=self.lost_on, alone_on=self.alone_on),
        )
