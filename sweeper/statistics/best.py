"""Which settings may be the best, and which are one and the same."""

import numpy as np
from numpy.typing import NDArray

from sweeper.statistics.resampling import Floats, matrix, resampled_means

RESAMPLES = 2_000
ERROR_RATE = 0.05


def may_be_best(
    scores: Floats,
    *,
    error_rate: float = ERROR_RATE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> NDArray[np.bool_]:
    """The settings that cannot be told from the best one.

    A setting is left out where others are ahead of it by more than the largest lead that chance
    gives any of them (Shimodaira and Hasegawa 1999, with standardised differences). The truly best
    stays in with probability 1 - ``error_rate``, however many settings there are.

    Args:
        scores: Shape: ``(K, Q)``.
        error_rate: In (0, 1).
        resamples: Of the questions.
        seed: Of the resamples.

    Returns:
        Shape: ``(K,)``.
    """
    scores = matrix(scores)
    means = scores.mean(axis=1)
    drawn = resampled_means(scores, resamples, seed=seed) - means
    stays = np.ones(len(means), dtype=bool)
    for setting in range(len(means)):
        leads = drawn - drawn[:, [setting]]
        deviation = leads.std(axis=0)
        others = deviation > 1e-12
        if not others.any():
            continue
        scale = deviation[others]
        threshold = np.quantile((leads[:, others] / scale).max(axis=1), 1.0 - error_rate)
        stays[setting] = ((means[others] - means[setting]) / scale).max() <= threshold
    return stays


def identical_groups(rows: NDArray[np.generic]) -> list[list[int]]:
    """Indices of rows that are equal everywhere, in groups of two and more.

    Args:
        rows: Selections or scores by setting. Shape: ``(K, ...)``.
    """
    groups: dict[bytes, list[int]] = {}
    for index, row in enumerate(np.ascontiguousarray(rows)):
        groups.setdefault(row.tobytes(), []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def differing_share(rows: NDArray[np.generic]) -> Floats:
    """Share of questions on which two settings differ.

    Args:
        rows: Selections or scores by setting. Shape: ``(K, Q, ...)``.

    Returns:
        Shape: ``(K, K)``.
    """
    flat = rows.reshape(*rows.shape[:2], -1)
    return np.stack([(flat != row).any(axis=2).mean(axis=1) for row in flat])
