"""One training by a program: what it is told, behind what the sweeper asks of a training."""

import hashlib
import json
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sweeper.outcomes import FORMAT, Place
from sweeper.trainers.command.macros import Macros
from sweeper.trainers.command.spec import CommandSpec, to_json
from sweeper.trainers.protocol import Command, Surroundings, Training

JOB_FORMAT = 1
RUN = (sys.executable, "-m", "sweeper.trainers.command", "run")
SERVE = (sys.executable, "-m", "sweeper.trainers.command", "serve")
ENDLESS = 2**31  # steps, of a program that does not say how many it has


@dataclass(frozen=True)
class CommandTraining:
    """A program with one trial's values."""

    spec: CommandSpec
    below: Path  # where its paths begin: the study file's folder
    phases: Sequence[str] = ("train",)
    answers: int = 0

    @property
    def epochs(self) -> int:
        """Steps that it reports, where the study says how many; else one: its end."""
        return int(self.spec.epochs) if self.spec.epochs is not None else 1

    @property
    def end(self) -> Place:
        """Its last step."""
        return Place(0, ENDLESS if self.spec.epochs is None else self.epochs)

    @cached_property
    def key(self) -> str:
        """Of the state that it leads to: all that it is told, and the digests of its inputs."""
        told = {**to_json(self.spec), "inputs": self.inputs}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    @cached_property
    def input_files(self) -> dict[str, Path]:
        """Its input files, by what the study file says of them: a parameter may name one."""
        macros = Macros(params=self.spec.params, own={}, environment=os.environ)
        return {written: self.below / macros.text(written) for written in self.spec.inputs}

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Digests of these; "" of one that cannot be read."""
        return {written: _digest(path) for written, path in self.input_files.items()}

    @property
    def path(self) -> Sequence[str]:
        """One state: nobody else passes through what a program does."""
        return [self.key]

    @property
    def mildness(self) -> tuple[Any, ...]:
        """The shorter one, where the study says how long they are; else they are alike."""
        return (self.epochs,)

    def continues(self, shorter: Training) -> bool:
        """A program begins from its start each time."""
        return False

    def beginning(self) -> "CommandTraining":
        """The whole: a program has no part that all trials share."""
        return self

    def in_full(self) -> "CommandTraining":
        """The same: a finalist has other seeds, and no other questions."""
        return self

    def on_holdout(self) -> "CommandTraining":
        """The same: there are no questions that select nothing."""
        return self

    def may_differ(self, first: Training) -> Collection[str]:
        """Inputs, where they are named by a parameter."""
        assert isinstance(first, CommandTraining), "both are of one study"
        files, others = self.input_files, first.input_files
        return [input_name(written) for written in files if files[written] != others[written]]

    def to_json(self) -> dict[str, object]:
        """What the program is told, macros included."""
        return to_json(self.spec)

    def job(
        self,
        where: Surroundings,
        *,
        controls: Sequence[str] | None = None,
        rival: str | None = None,
    ) -> dict[str, object]:
        """The content of `trial.json`; that of the instrument's check where controls are given."""
        return {
            FORMAT: JOB_FORMAT,
            "spec": {"program": to_json(self.spec), "inputs": self.inputs},
            "below": str(self.below),
            "stages": str(where.stages),
            "device": where.device,
            "controls": None if controls is None else list(controls),
        }

    def command(self) -> Command:
        """`python -m sweeper.trainers.command run FOLDER`, or one that stays for further ones."""
        return Command(argv=RUN, worker=SERVE, threads=self.spec.threads)


def input_name(written: str) -> str:
    """What the environment of a result calls an input."""
    return f"input {written}"


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return ""
