"""One training of the pointer selector: its spec, behind what the sweeper asks of it."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sweeper.outcomes import Place
from sweeper.trainers.builtin.mildness import mildness
from sweeper.trainers.protocol import Command, Surroundings, Training
from trainer.contract import (
    AnswersPlace,
    Environment,
    Job,
    StageRef,
    TrainSpec,
    digest,
    stage_chain,
    start_of_last_phase,
)

RUN = (sys.executable, "-m", "trainer", "run")
SERVE = (sys.executable, "-m", "trainer", "serve")
SPARING = ("--evaluation-batch", "32")  # an eighth of the usual one


@dataclass(frozen=True)
class BuiltinTraining:
    """A spec of `trainer.contract`."""

    spec: TrainSpec

    @property
    def phases(self) -> Sequence[str]:
        """Kinds of its phases, in order: `rce`, `grpo`."""
        return [entry.kind for entry in self.spec.phases]

    @property
    def epochs(self) -> int:
        """Epochs of the last phase."""
        return self.spec.phases[-1].settings.trained_epochs

    @property
    def end(self) -> Place:
        """The last epoch of its last phase."""
        return Place(len(self.spec.phases) - 1, self.epochs)

    @cached_property
    def chain(self) -> tuple[StageRef, ...]:
        """Its stages, with paths in place of digests: only equality of keys matters."""
        environment = Environment(
            torch="",
            device="",
            data="",
            training=digest(self.spec.task.model_dump(mode="json")),
            start=self.spec.start or "",
            reader="",
        )
        return stage_chain(self.spec, environment)

    @property
    def path(self) -> Sequence[str]:
        """Keys of its stages in order, the untrained start first."""
        return [ref.key for ref in self.chain]

    @property
    def mildness(self) -> tuple[Any, ...]:
        """See `mildness`."""
        return mildness(self.spec)

    @property
    def answers(self) -> int:
        """Answers of the reader that one evaluation takes."""
        return self.spec.evaluate.answers

    def continues(self, shorter: Training) -> bool:
        """Seen from the stages: a schedule that depends on the number of epochs gives other ones
        from the first epoch on.
        """
        assert isinstance(shorter, BuiltinTraining), "both are of one study"
        few, more = shorter.chain, self.chain
        return more[: len(few)] == few and few[-1].phase_index == more[-1].phase_index

    def beginning(self) -> "BuiltinTraining":
        """Up to the start of the last phase."""
        return BuiltinTraining(start_of_last_phase(self.spec))

    def in_full(self) -> "BuiltinTraining":
        """The same on all questions of a finalist."""
        return self._scored(self.spec.evaluate.in_full())

    def on_holdout(self) -> "BuiltinTraining":
        """The same on the held-out questions."""
        return self._scored(self.spec.evaluate.model_copy(update={"split": "holdout"}))

    def _scored(self, evaluate: object) -> "BuiltinTraining":
        return BuiltinTraining(self.spec.model_copy(update={"evaluate": evaluate}))

    def may_differ(self, first: Training) -> Collection[str]:
        """Training data and start, where its spec names others."""
        assert isinstance(first, BuiltinTraining), "both are of one study"
        others = {"training": self.spec.task != first.spec.task}
        others["start"] = self.spec.start != first.spec.start
        return {name for name, differs in others.items() if differs}

    def to_json(self) -> dict[str, object]:
        """The spec as `trial.json` holds it."""
        return self.spec.to_json()

    def job(
        self,
        where: Surroundings,
        *,
        controls: Sequence[str] | None = None,
        rival: str | None = None,
    ) -> dict[str, object]:
        """The content of `trial.json`."""
        answers = None if where.answers is None else AnswersPlace(*where.answers)  # type: ignore[arg-type]
        job = Job(
            spec=self.spec,
            stages=where.stages,
            answers=answers,
            device=where.device,
            controls=None if controls is None else tuple(controls),  # type: ignore[arg-type]
            best=rival,
        )
        return job.to_json()

    def command(self) -> Command:
        """`python -m trainer run FOLDER`, or the warm worker."""
        return Command(argv=RUN, worker=SERVE, threads=self.spec.threads, sparing=SPARING)
