"""Training seeds as a second source of noise."""

import numpy as np
from scipy.stats import t

from sweeper.statistics.resampling import Floats, matrix

LEVEL = 0.95
FEW_SEEDS = 5  # from here on seeds are drawn anew, as questions are
RESAMPLES = 10_000


def seeds_interval(
    scores: Floats, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """Interval of a setting's mean over seeds and questions.

    With five seeds and more by a hierarchical bootstrap (seeds, then questions common to them);
    with fewer by the variance of the seeds' means, plus that of the questions' means, and the
    quantile of Student's t for the seeds (Satterthwaite 1946 would claim more freedom than few
    seeds have).

    Args:
        scores: One row a seed. Shape: ``(N, Q)``.
        level: Share of intervals that hold the mean.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Low and high; None for one seed, which tells nothing of others.
    """
    scores = matrix(scores)
    seeds, questions = scores.shape
    if seeds < 2 or questions < 2:
        return None
    if seeds < FEW_SEEDS:
        mean = float(scores.mean())
        of_seeds = scores.mean(axis=1).var(ddof=1) / seeds
        of_questions = scores.mean(axis=0).var(ddof=1) / questions
        reach = t.ppf((1.0 + level) / 2.0, seeds - 1) * np.sqrt(of_seeds + of_questions)
        return mean - float(reach), mean + float(reach)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for index in range(resamples):
        rows = generator.integers(0, seeds, seeds)
        columns = generator.integers(0, questions, questions)
        means[index] = scores[rows].mean(axis=0)[columns].mean()
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
