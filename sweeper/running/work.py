"""What the engine is given to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeper.trainers import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A trial folder to be worked through."""

    label: str  # for people: "trial 7", "the controls"
    folder: Path
    job: Mapping[str, object]  # the content of its `trial.json`
    command: Command
