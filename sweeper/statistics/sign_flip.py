"""The paired test of two settings on the same questions."""

import math

import numpy as np
from numpy.typing import NDArray

from sweeper.statistics.resampling import Floats

FLIPS = 100_000
_LATTICE = 120  # scores of tenths or thirds, averaged over 1, 2, 3 or 4 numbers of shots
_ROUNDING = 2e-5  # of scores kept in single precision


def sign_flip_p(differences: Floats, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p-value of the mean of paired differences being nothing.

    If both settings are as good, the sign of each question's difference is a coin's (Fisher 1935).
    Exact where the differences lie on a lattice, as VQA scores do: the distribution of the sum is
    the product of the cosines of its parts, turned back by a Fourier transform. Else by random
    flips, the observed one counted among them.

    Args:
        differences: One a question. Shape: ``(Q,)``.
        flips: Where it is not exact.
        seed: Of the flips.
    """
    differences = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(differences).all():
        raise ValueError("differences must be finite; leave questions without a score out")
    steps = _steps(differences)
    if steps is not None:
        return _exact_p(steps)
    generator = np.random.default_rng(seed)
    observed = abs(differences.sum())
    extreme = 0
    for begin in range(0, flips, 1000):
        signs = generator.integers(0, 2, (min(1000, flips - begin), len(differences))) * 2 - 1
        extreme += int((np.abs(signs @ differences) >= observed - 1e-9).sum())
    return (1 + extreme) / (1 + flips)


def _steps(differences: Floats) -> NDArray[np.int64] | None:
    """The differences in whole steps of their lattice; None where they lie on none."""
    scaled = differences * _LATTICE
    whole = np.rint(scaled)
    if len(scaled) and np.abs(scaled - whole).max() > _ROUNDING * _LATTICE:
        return None
    steps = whole.astype(np.int64)
    divisor = int(np.gcd.reduce(np.abs(steps))) if len(steps) else 0
    return steps // max(divisor, 1)


def _exact_p(steps: NDArray[np.int64]) -> float:
    sizes, counts = np.unique(np.abs(steps[steps != 0]), return_counts=True)
    if len(sizes) == 0:
        return 1.0
    total = int((sizes * counts).sum())
    length = 1 << (2 * total + 1).bit_length()
    angles = 2.0 * np.pi * np.arange(length // 2 + 1) / length
    transform = np.ones(len(angles))
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        transform *= np.cos(size * angles) ** count
    chances = np.clip(np.fft.irfft(transform, length), 0.0, None)  # of a sum s at index s
    observed = abs(int(steps.sum()))
    tail = chances[observed : total + 1].sum()
    p = 2.0 * float(tail) if observed else 1.0
    smallest = math.ldexp(1.0, 1 - int(counts.sum()))  # all signs alike
    return min(1.0, max(p, smallest))
