"""Corrections of many tests: the chance that any of them claims what is not there."""

import numpy as np

from sweeper.statistics.resampling import Floats, matrix

FLIPS = 10_000


def holm(p_values: Floats) -> Floats:
    """Holm's step-down correction (1979); holds whatever the tests have in common. Shape kept."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected


def max_t(differences: Floats, *, flips: int = FLIPS, seed: int = 0) -> Floats:
    """Corrected two-sided p-values from common sign flips.

    Westfall and Young 1993, step-down with the largest statistic. All settings see the same flips,
    so that what they have in common is used: sharper than Holm where settings answer alike.

    Args:
        differences: From the baseline, by setting and question. Shape: ``(K, Q)``.
        flips: Random ones; the observed one is counted among them.
        seed: Of the flips.

    Returns:
        Shape: ``(K,)``.
    """
    differences = matrix(differences)
    norms = np.sqrt((differences**2).sum(axis=1))
    scaled = differences / np.where(norms > 0.0, norms, 1.0)[:, None]
    observed = np.abs(scaled.sum(axis=1))
    order = np.argsort(-observed, kind="stable")
    generator = np.random.default_rng(seed)
    extreme = np.zeros(len(order))
    for begin in range(0, flips, 500):
        shape = (min(500, flips - begin), differences.shape[1])
        signs = generator.integers(0, 2, shape) * 2.0 - 1.0
        drawn = np.abs(signs @ scaled[order].T)
        largest = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]  # of it and those below
        extreme += (largest >= observed[order] - 1e-9).sum(axis=0)
    corrected = np.empty(len(order))
    corrected[order] = np.maximum.accumulate((1.0 + extreme) / (1.0 + flips))
    return corrected
