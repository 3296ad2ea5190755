"""A reader that answers the questions with the shots that a policy chose for them.

Shape legend: Q questions, S shots, C numbers of shots that are scored.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from trainer.contract import Control, EvaluateSpec, TrainSpec
from trainer.errors import InputError
from trainer.readers import Reader
from trainer.scoring.evaluation import Evaluation, accuracy_by_shots, answer_missing
from trainer.scoring.judge import Conditions, Identity, LoadedPolicy
from trainer.scoring.selection import asked_questions, control_shots
from trainer.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderJudge:
    """The accuracy of a reader's answers; see `Judge`."""

    spec: TrainSpec
    task: Task
    reader: Reader
    scores_shots: ClassVar[bool] = True

    def identity(self) -> Identity:
        """The task's questions and the reader."""
        return Identity(data=self.task.data_digest, scorer=self.reader.digest)

    def score(self, loaded: LoadedPolicy, known: Evaluation | None = None) -> Evaluation:
        """Ask for what is not known of these very shots."""
        shots, queries, evaluate = loaded.shots, self._queries(), self.spec.evaluate

        def ask(rest: slice) -> Tensor:
            return score_shots(self.reader, queries[rest], shots[rest], evaluate)

        return answer_missing(shots, known, ask)

    def score_control(self, control: Control, known: Evaluation | None = None) -> Evaluation | None:
        """Ask with the shots of any control; of "nearest" the closest stands next to the query,
        where a reader heeds it most.
        """
        shots, queries = control_shots(control, self.spec.evaluate, self.task), self._queries()

        def ask(rest: slice) -> Tensor:
            nearest_last = [
                shots[rest, :s].flip(1) if control == "nearest" else shots[rest, :s]
                for s in self.spec.evaluate.shots
            ]
            answers = [self.reader.answer(queries[rest], chosen).score for chosen in nearest_last]
            return torch.stack(answers, dim=1)

        return answer_missing(shots, known, ask)

    def accuracy(self, evaluation: Evaluation) -> dict[str, float]:
        """Of the answers with each number of shots."""
        return accuracy_by_shots(evaluation, self.spec.evaluate)

    def answers(self, evaluation: Evaluation) -> int:
        """One for every score; what was recorded costs none."""
        return evaluation.scores.numel() if self.spec.evaluate.reader is None else 0

    def conditions(self) -> Conditions:
        """The questions that select, answered by this reader."""
        questions = self.task.questions("select")
        return Conditions(questions, self.spec.evaluate.shots, self.reader.digest)

    def only(self, count: int) -> "ReaderJudge":
        """See `Judge`."""
        return replace(self, spec=self.spec.only(count))

    def _queries(self) -> Tensor:
        return asked_questions(self.task, self.spec.evaluate).queries


def score_shots(reader: Reader, queries: Tensor, shots: Tensor, spec: EvaluateSpec) -> Tensor:
    """Ask the reader with the first s shots, for every s of ``spec``. Shape: ``(Q, C)``.

    Raises:
        InputError: where the reader knows no answer at all.
    """
    scores = torch.stack([reader.answer(queries, shots[:, :s]).score for s in spec.shots], dim=1)
    if scores.isnan().all():
        raise InputError(
            f"reader: {reader.digest} knows none of the {scores.numel()} answers that are needed: "
            "no chosen shots are among the recorded ones; use `score: validation_loss` instead"
        )
    return scores
