"""Intervals of mean scores and of paired differences."""

import numpy as np
from scipy.stats import norm

from sweeper.statistics.resampling import Floats, matrix, resampled_means

RESAMPLES = 10_000
LEVEL = 0.95
_ROUNDING = 1e-9  # share of a score's size: sums of the same scores in another order


def bca_intervals(
    scores: Floats, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """Bias-corrected and accelerated bootstrap intervals of means over questions.

    Efron 1987, "Better bootstrap confidence intervals"; the acceleration of a mean is known in
    closed form. Pass differences from the baseline for intervals of a difference. An interval knows
    only what was seen: where two settings differ on a handful of questions it is too narrow.

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
    rounding = _ROUNDING * np.abs(scores).max(axis=1)
    centred = scores - means[:, None]
    constant = np.abs(centred).max(axis=1) <= rounding
    squares = np.where(constant, 1.0, (centred**2).sum(axis=1))
    acceleration = (centred**3).sum(axis=1) / (6.0 * squares**1.5)
    drawn = np.sort(resampled_means(scores, resamples, seed=seed), axis=0)
    below = (drawn < means - rounding).mean(axis=0)
    level_with = (np.abs(drawn - means) <= rounding).mean(axis=0)
    share_below = np.clip(below + 0.5 * level_with, 1.0 / resamples, 1.0 - 1.0 / resamples)
    bias = norm.ppf(share_below)
    ends = []
    for share in ((1.0 - level) / 2.0, (1.0 + level) / 2.0):
        shifted = bias + norm.ppf(share)
        place = norm.cdf(bias + shifted / (1.0 - acceleration * shifted))
        row = np.clip((place * resamples).astype(int), 0, resamples - 1)
        ends.append(drawn[row, np.arange(settings)])
    intervals = np.stack(ends, axis=1)
    return np.where(constant[:, None], means[:, None], intervals)
