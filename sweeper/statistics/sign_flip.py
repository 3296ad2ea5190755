"""The paired test of two settings on the same questions."""

import math

import numpy as np
from numpy.typing import NDArray

from sweeper.statistics.resampling import Floats, flipped_sums, matrix

FLIPS = 100_000
_LATTICE = 7200  # holds tenths and thirds averaged over 1-4 numbers of shots, and over 1-5 seeds
_ROUNDING = 1e-6  # of scores kept in single precision
_RESOLUTION = 1e-12  # of the transform: smaller chances are not told apart from it
_REACH = 9.0  # standard deviations: a sum of flips is farther out with a chance below 1e-17


def sign_flip_p(differences: Floats, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p-value of the mean of paired differences being nothing; see the next function.

    Args:
        differences: One a question. Shape: ``(Q,)``.
        flips: Where it is not exact.
        seed: Of the flips.
    """
    return float(sign_flip_p_values(np.asarray(differences)[None], flips=flips, seed=seed)[0])


def sign_flip_p_values(differences: Floats, *, flips: int = FLIPS, seed: int = 0) -> Floats:
    """Two-sided p-values of means of paired differences being nothing, one a row.

    If both settings are as good, the sign of each question's difference is a coin's (Fisher 1935).
    Exact where the differences of a row lie on a lattice, as VQA scores do: the distribution of
    the sum is the convolution of its parts, hence the product of their cosines, turned back by a
    Fourier transform. That is exact to 1e-12, and no p-value is smaller unless all signs are alike.
    Else by random flips, the observed one counted among them; rows without a lattice share them.

    Args:
        differences: By setting and question. Shape: ``(K, Q)``.
        flips: Where it is not exact.
        seed: Of the flips.

    Returns:
        Uncorrected. Shape: ``(K,)``.
    """
    differences = matrix(differences)
    p_values = np.ones(len(differences))
    rough = []
    for index, row in enumerate(differences):
        steps = _steps(row)
        if steps is None:
            rough.append(index)
        else:
            p_values[index] = _exact_p(steps)
    if rough:
        p_values[rough] = _random_p(differences[rough], flips, seed)
    return p_values


def told_p(p: float) -> str:
    """A p-value for people; what lies below the test's resolution is bounded."""
    return f"p <= {p:.2g}" if p <= _RESOLUTION else f"p = {p:.2g}"


def _random_p(differences: Floats, flips: int, seed: int) -> Floats:
    observed = np.abs(differences.sum(axis=1)) - 1e-9 * np.abs(differences).sum(axis=1)
    extreme = sum(
        (np.abs(sums) >= observed).sum(axis=0)
        for sums in flipped_sums(differences, flips, seed=seed)
    )
    return np.asarray((1 + extreme) / (1 + flips), dtype=np.float64)


def _steps(differences: Floats) -> NDArray[np.int64] | None:
    """The differences in whole steps of their lattice; None where they lie on none."""
    scaled = differences * _LATTICE
    whole = np.rint(scaled)
    if np.abs(scaled - whole).max() > _ROUNDING * _LATTICE:
        return None
    steps = whole.astype(np.int64)
    return steps // max(int(np.gcd.reduce(np.abs(steps))), 1)


def _exact_p(steps: NDArray[np.int64]) -> float:
    """Chance that the sum of ``steps`` under random signs is as far from 0 as theirs.

    The sum lives on a ring that is long enough for what wraps around to be nothing.
    """
    sizes, counts = np.unique(np.abs(steps[steps != 0]), return_counts=True)
    observed = abs(int(steps.sum()))
    if observed == 0:
        return 1.0
    total = int((sizes * counts).sum())
    reach = min(total, math.ceil(_REACH * math.sqrt(float((sizes**2 * counts).sum()))))
    if observed == total:  # all signs alike
        return math.ldexp(1.0, 1 - int(counts.sum()))
    if observed > reach:
        return _RESOLUTION
    length = 1 << (2 * reach + 1).bit_length()
    angles = 2.0 * np.pi * np.arange(length // 2 + 1) / length
    transform = np.ones(len(angles))
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        transform *= np.cos(size * angles) ** count
    chances = np.clip(np.fft.irfft(transform, length), 0.0, None)  # of a sum s at index s
    return min(1.0, max(2.0 * float(chances[observed : reach + 1].sum()), _RESOLUTION))
