"""What a judge said of one policy, question by question.

Shape legend: Q questions, S shots, C numbers of shots that are scored.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.contract import EvaluateSpec


class Evaluation(NamedTuple):
    """Scores by question and number of shots, kept whole."""

    shots: Tensor  # global ids in the order chosen. Shape: (Q, S), int64
    scores: Tensor
    """Fractions in [0, 1], NaN where nobody knows; of a command that tells only means one row; of
    a loss nats, one column. Shape: (Q, C), float32"""
    questions: Tensor  # how many were scored. Shape: (), int64

    @property
    def score(self) -> float:
        """The score of a trial: the mean over numbers of shots of the means over questions."""
        return float(self.scores.double().nanmean(dim=0).mean())

    def first(self, count: int) -> "Evaluation":
        """The scores of the first ``count`` questions, of an evaluation that has one of each."""
        scores = self.scores[:count]
        return Evaluation(self.shots[:count], scores, torch.tensor(len(scores)))

    @property
    def known(self) -> float:
        """Share of (question, number of shots) that has a score, in [0, 1]."""
        return float((~self.scores.isnan()).double().mean())


def accuracy_by_shots(evaluation: Evaluation, spec: EvaluateSpec) -> dict[str, float]:
    """Mean score by number of shots, of scores that have a column for each."""
    means = evaluation.scores.double().nanmean(dim=0).tolist()
    return {str(count): mean for count, mean in zip(spec.shots, means, strict=True)}


def answered(shots: Tensor, scores: Tensor) -> Evaluation:
    """An evaluation with a score for every question."""
    return Evaluation(shots, scores, torch.tensor(len(scores)))


def answer_missing(
    shots: Tensor, known: Evaluation | None, ask: Callable[[slice], Tensor]
) -> Evaluation:
    """Take the scores that are known of the very same shots, and ask for the rest.

    Args:
        shots: Chosen just now, of every question. Shape: ``(Q, S)``.
        known: Scores of shots for the first questions, perhaps of more than Q.
        ask: Scores the questions of a slice.
    """
    if known is not None:
        known = known.first(len(shots))
    if known is None or not torch.equal(known.shots, shots[: len(known.shots)]):
        return answered(shots, ask(slice(None)))
    done = len(known.scores)
    scores = [known.scores] + ([ask(slice(done, None))] if done < len(shots) else [])
    return answered(shots, torch.cat(scores))
