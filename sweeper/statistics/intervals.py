"""Intervals of mean scores and of paired differences."""

import numpy as np
from scipy.stats import norm

from sweeper.statistics.resampling import Floats, matrix, resampled_means

RESAMPLES = 10_000
LEVEL = 0.95


def bca_intervals(
    scores: Floats, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """Bias-corrected and accelerated bootstrap intervals of means over questions.

    Efron 1987, "Better bootstrap confidence intervals"; the acceleration of a mean is known in
    closed form. Pass differences from the baseline for intervals of a difference.

    Args:
        scores: Shape: ``(K, Q)``.
        level: Share of intervals that hold the mean.
        resamples: Of the questions.
        seed: Of the resamples.

    Returns:
        Low and high; the mean twice where all questions have one score, and NaN where there is one
        question only. Shape: ``(K, 2)``.
    """
    scores = matrix(scores)
    settings, questions = scores.shape
    means = scores.mean(axis=1)
    if questions == 1:
        return np.full((settings, 2), np.nan)
    drawn = np.sort(resampled_means(scores, resamples, seed=seed), axis=0)
    centred = scores - means[:, None]
    squares = (centred**2).sum(axis=1)
    constant = np.isclose(squares, 0.0)
    acceleration = (centred**3).sum(axis=1) / (6.0 * np.where(constant, 1.0, squares) ** 1.5)
    below = (drawn < means).mean(axis=0) + 0.5 * np.isclose(drawn, means, atol=1e-12).mean(axis=0)
    bias = norm.ppf(np.clip(below, 1.0 / resamples, 1.0 - 1.0 / resamples))
    ends = []
    for share in ((1.0 - level) / 2.0, (1.0 + level) / 2.0):
        shifted = bias + norm.ppf(share)
        place = norm.cdf(bias + shifted / (1.0 - acceleration * shifted))
        row = np.clip((place * resamples).astype(int), 0, resamples - 1)
        ends.append(drawn[row, np.arange(settings)])
    intervals = np.stack(ends, axis=1)
    return np.where(constant[:, None], means[:, None], intervals)
