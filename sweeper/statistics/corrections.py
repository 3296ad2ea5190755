"""Corrections of many tests: the chance that any of them claims what is not there."""

import numpy as np
from scipy.stats import norm

from sweeper.statistics.resampling import Floats, flipped_sums, matrix

FLIPS = 10_000
LEVEL = 0.05


def holm(p_values: Floats) -> Floats:
    """Holm's step-down correction (1979) over all of them; holds whatever the tests share.

    Shape kept.
    """
    p = np.asarray(p_values, dtype=np.float64)
    flat = p.ravel()
    order = np.argsort(flat, kind="stable")
    scaled = flat[order] * np.arange(len(flat), 0, -1)
    corrected = np.empty_like(flat)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected.reshape(p.shape)


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
    scaled = standardised(differences)
    observed = np.abs(scaled.sum(axis=1))
    order = np.argsort(-observed, kind="stable")
    extreme = np.zeros(len(order))
    for sums in flipped_sums(scaled[order], flips, seed=seed):
        drawn = np.abs(sums)
        largest = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]  # of it and those below
        extreme += (largest >= observed[order] - 1e-9).sum(axis=0)
    corrected = np.empty(len(order))
    corrected[order] = np.maximum.accumulate((1.0 + extreme) / (1.0 + flips))
    return corrected


def max_t_level(
    differences: Floats, *, level: float = LEVEL, flips: int = FLIPS, seed: int = 0
) -> float:
    """The level of a single test that the max-T correction of these amounts to.

    Between ``level`` (settings that answer alike) and Bonferroni's share of it (settings that have
    nothing in common). Announce power with it: with Bonferroni's share more is found than said.

    Args:
        differences: From the baseline, by setting and question. Shape: ``(K, Q)``.
        level: Of the corrected tests.
        flips: Random ones.
        seed: Of the flips.

    Returns:
        Two-sided, in (0, 1).
    """
    scaled = standardised(differences)
    largest = [np.abs(sums).max(axis=1) for sums in flipped_sums(scaled, flips, seed=seed)]
    threshold = float(np.quantile(np.concatenate(largest), 1.0 - level))
    return float(2.0 * norm.sf(threshold))


def standardised(differences: Floats) -> Floats:
    """Rows of length 1, for any signs; a row without differences stays 0. Shape: ``(K, Q)``."""
    differences = matrix(differences)
    norms = np.sqrt((differences**2).sum(axis=1))
    return differences / np.where(norms > 0.0, norms, 1.0)[:, None]
