"""Training seeds as a second source of noise, beside the questions.

A score is a mean over N seeds and Q questions, and both might have been others. The variance has
three parts: seeds, questions, and what a seed does to a single question. The third is in the
spread of the questions' means already, so it is taken out of that of the seeds' means. The two
reaches add in squares (Zou and Donner 2008): Student's t with N - 1 for the seeds, with Q - 1 for
the questions. (Tried: t with N - 1 for both covers in 99-100 %; Satterthwaite 1946 covers less than
wanted with two seeds, as it forgets that their spread is hardly known.)
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, t

from sweeper.statistics.resampling import CHUNK, Floats, drawn_counts, matrix

LEVEL = 0.95
FEW_SEEDS = 5  # from here on seeds are drawn anew, as questions are
RESAMPLES = 10_000


def seeds_interval(
    scores: Floats, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """Interval of a setting's mean over seeds and questions.

    With fewer than five seeds from the variance components. With five and more a hierarchical
    bootstrap (seeds, then questions common to them: Owen 2007) gives the shape; its width is that
    of the components, for resampled seeds spread too little, by (N - 1) / N and for want of t
    (Hesterberg 2015, arXiv:1411.5279, section 3.3).

    Args:
        scores: One row a seed; or, for a paired difference of two settings that were trained with
            the same seeds, the difference of their rows. Shape: ``(N, Q)``.
        level: Share of intervals that hold the mean.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Low and high; None for one seed, which tells nothing of others.
    """
    return _interval([matrix(scores)], level=level, resamples=resamples, seed=seed)


def seeds_difference_interval(
    first: Floats,
    second: Floats,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Interval of ``first`` minus ``second``: the same questions, but seeds of their own.

    Where both were trained with the same seeds, what a seed does to both drops out of the rows'
    difference: pass that to ``seeds_interval``.

    Args:
        first: One row a seed. Shape: ``(N, Q)``.
        second: Shape: ``(M, Q)``.
        level: Share of intervals that hold the difference.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Low and high; None where either has one seed only.
    """
    parts = [matrix(first), -matrix(second)]
    return _interval(parts, level=level, resamples=resamples, seed=seed)


def _interval(
    parts: Sequence[Floats], *, level: float, resamples: int, seed: int
) -> tuple[float, float] | None:
    """Of the sum of the parts' means; each has seeds of its own, the questions are common."""
    fewest = min(len(part) for part in parts)
    if fewest < 2 or parts[0].shape[1] < 2:
        return None
    mean = float(sum(part.mean() for part in parts))
    reach = _reach(parts, level)
    if fewest < FEW_SEEDS:
        return mean - reach, mean + reach
    drawn = _drawn_means(parts, resamples, seed) - mean
    deviation = float(drawn.std())
    if deviation == 0.0:
        return mean, mean
    stretch = reach / (deviation * float(norm.ppf((1.0 + level) / 2.0)))
    low, high = np.quantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return mean + stretch * float(low), mean + stretch * float(high)


def _reach(parts: Sequence[Floats], level: float) -> float:
    """Half the width of an interval."""
    share = (1.0 + level) / 2.0
    questions = parts[0].shape[1]
    by_question = np.sum([part.mean(axis=0) for part in parts], axis=0)
    square = t.ppf(share, questions - 1) ** 2 * by_question.var(ddof=1) / questions
    for part in parts:
        seeds = len(part)
        by_seed = part.mean(axis=1, keepdims=True)
        rest = part - by_seed - part.mean(axis=0) + part.mean()
        both = (rest**2).sum() / ((seeds - 1) * (questions - 1)) / questions
        square += t.ppf(share, seeds - 1) ** 2 * max(by_seed.var(ddof=1) - both, 0.0) / seeds
    return float(np.sqrt(square))


def _drawn_means(parts: Sequence[Floats], resamples: int, seed: int) -> Floats:
    """Sums of the parts' means over drawn seeds and questions. Shape: ``(R,)``."""
    generator = np.random.default_rng(seed)
    questions = parts[0].shape[1]
    found = []
    for begin in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - begin)
        sums = np.zeros((size, questions))
        for part in parts:
            seeds = len(part)
            sums += drawn_counts(generator, size, draws=seeds, questions=seeds) @ part / seeds
        weights = drawn_counts(generator, size, draws=questions, questions=questions)
        found.append((sums * weights).sum(axis=1) / questions)
    return np.concatenate(found)
