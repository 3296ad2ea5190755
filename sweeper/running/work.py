"""What the engine is given to do: a trial folder, and what the launcher is asked for to do it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeper.launchers.jobs import JobRequest, Needs
from sweeper.trainers import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A trial folder to be worked through."""

    label: str  # for people: "trial 7", "the controls"
    folder: Path
    job: Mapping[str, object]  # the content of its `trial.json`
    command: Command


def request_for(
    folder: Path, command: Command, *, not_on: frozenset[str] = frozenset()
) -> JobRequest:
    """What the launcher is asked for to work through a folder; slots that it is to be kept off."""
    return JobRequest(
        folder=folder.absolute(),
        argv=command.argv,
        worker=command.worker,
        needs=Needs(threads=command.threads, not_on=not_on),
    )
