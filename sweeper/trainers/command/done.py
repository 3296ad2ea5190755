"""The steps of a trial that have ended well, and what they had printed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from sweeper.outcomes import FORMAT, read_json, write_json_atomic
from sweeper.trainers.command.process import kept

STEPS = "steps.json"
STEPS_FORMAT = 1


class Ran(NamedTuple):
    """A step, and the bytes of the trial's log that it printed."""

    name: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Done:
    """What need not be run again, for one job."""

    job: str  # its digest
    steps: tuple[Ran, ...] = ()

    def __contains__(self, name: str) -> bool:
        return any(step.name == name for step in self.steps)

    def and_also(self, step: Ran) -> "Done":
        """The same with one more."""
        return replace(self, steps=(*self.steps, step))

    def write(self, folder: Path) -> None:
        """Keep it in the trial's folder."""
        steps = [step._asdict() for step in self.steps]
        write_json_atomic(folder / STEPS, {FORMAT: STEPS_FORMAT, "job": self.job, "steps": steps})

    def printed(self, log: Path) -> Iterator[bytes]:
        """The lines that its steps printed, as far as they are kept."""
        at = 0
        for line in kept(log):
            if any(step.begin <= at < step.end for step in self.steps):
                yield line
            at += len(line)


def read_done(folder: Path, job: str) -> Done:
    """What the folder says; nothing where it says so of another job than ``job``."""
    content = read_json(folder / STEPS) or {}
    if content.get("job") != job:
        return Done(job)
    return Done(job, tuple(Ran(**step) for step in content["steps"]))
