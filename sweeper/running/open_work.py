"""A work in the engine, as long as it has not ended."""

from collections import Counter
from dataclasses import dataclass, field

from sweeper.launchers.jobs import JobId
from sweeper.outcomes import FailureKind
from sweeper.running.overdue import JobWatch
from sweeper.running.terms import Terms
from sweeper.running.work import Work


@dataclass(slots=True, kw_only=True)
class OpenWork:
    """What the engine knows of one work."""

    work: Work
    job_id: JobId | None = None  # None: its result was found, or it waits
    waits_for: str | None = None  # the stage that another job is making
    failures: Counter[FailureKind] = field(default_factory=Counter)  # of its jobs so far
    terms: Terms = field(default_factory=Terms)  # of its next job
    offset: int = 0  # bytes of its epochs that were read
    log_start: int = 0  # bytes of its log that earlier jobs wrote
    watch: JobWatch = field(default_factory=JobWatch)  # of its job
    slot: str = ""  # that its job runs on; "" where it waits for one
    is_asked_to_stop: bool = False
