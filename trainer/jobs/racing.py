"""Races: a trial that can no longer be the best is asked no further questions.

Its scores are compared with those of the best trial so far, question by question in one fixed
random order. After each block of questions an upper bound of the mean difference over *all*
questions is looked at; below nothing, the trial is out. The bound holds at every look at once, so
that looking often costs nothing of its error rate.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from trainer.contract import StageRef
from trainer.jobs.training import Training
from trainer.scoring.evaluate import evaluate_stage
from trainer.scoring.evaluation import Evaluation

BLOCK = 40  # questions between two looks
ERROR_RATE = 0.05  # share of trials at least as good as the best that a race may lose
_LARGEST_BET = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfRace:
    """A trial that is out of its race."""

    evaluation: Evaluation  # of the questions that were asked
    total: int  # questions there are
    upper: float  # bound of the mean difference from the best, a negative fraction


def race(training: Training, ref: StageRef, best: Evaluation) -> OutOfRace | None:
    """Score a stage a block of questions at a time, as long as it may be as good as ``best``.

    What is known of the stage already is looked at in the same blocks: whether a trial is raced out
    depends on the answers alone.
    """
    total = min(training.spec.evaluate.asked, len(best.scores))
    known = question_means(best)
    for asked in range(BLOCK, total, BLOCK):
        judge = training.judge.only(asked)
        part = evaluate_stage(
            training.store, ref.key, judge, training.environment, load=training.load
        )
        differences = question_means(part) - known[:asked]
        upper = upper_bound(differences.tolist(), total)
        if upper < 0.0:
            return OutOfRace(evaluation=part, total=total, upper=upper)
    return None


def question_means(evaluation: Evaluation) -> Tensor:
    """Mean over the numbers of shots, in float64. Shape: ``(Q,)``."""
    return evaluation.scores.double().mean(dim=1)


def upper_bound(
    differences: Iterable[float], total: int, *, error_rate: float = ERROR_RATE
) -> float:
    """Bound the mean of ``total`` differences by the first of them, drawn without replacement.

    An empirical Bernstein confidence sequence (Waudby-Smith and Ramdas 2020, "Confidence sequences
    for sampling without replacement", theorem 3, one-sided): with probability 1 - ``error_rate``
    the mean lies below the bound after every number of differences. Bets are sized for a decision
    at half of ``total``.

    Args:
        differences: Each in [-1, 1], in random order.
        total: How many there are in all.
        error_rate: In (0, 1).

    Returns:
        The smallest bound so far, at most 1.
    """
    budget = math.log(1.0 / error_rate)
    lowest = 0.0  # bound from below of the mean of (1 - difference) / 2, which lies in [0, 1]
    seen = squares = gain = weight = penalty = 0.0
    for drawn, difference in enumerate(differences):
        value = (1.0 - difference) / 2.0
        mean = (0.5 + seen) / (drawn + 1)
        variance = (0.25 + squares) / (drawn + 1)
        bet = min(math.sqrt(2.0 * budget / (variance * max(total / 2.0, 1.0))), _LARGEST_BET)
        left = total - drawn
        gain += bet * (value + seen / left)
        weight += bet * (1.0 + drawn / left)
        penalty += (-math.log1p(-bet) - bet) * (value - mean) ** 2
        lowest = max(lowest, (gain - budget - penalty) / weight)
        seen += value
        squares += (value - (0.5 + seen) / (drawn + 2)) ** 2
    return 1.0 - 2.0 * lowest
