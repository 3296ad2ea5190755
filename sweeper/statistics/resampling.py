"""Questions drawn with replacement, and signs flipped: the two ways to draw a study anew.

Drawn as counts and signs, so that one matrix product serves all settings, which are thereby drawn
in common. Shape legend: K settings, Q questions, R resamples, F flips.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CHUNK = 500  # resamples at once: bounds memory


def question_counts(questions: int, resamples: int, *, seed: int) -> Iterator[Floats]:
    """How often each question is drawn, a chunk of resamples at a time. Shape: ``(r, Q)``."""
    generator = np.random.default_rng(seed)
    for begin in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - begin)
        yield drawn_counts(generator, size, draws=questions, questions=questions)


def drawn_counts(
    generator: np.random.Generator, size: int, *, draws: int, questions: int
) -> Floats:
    """How often each question is among ``draws`` of them. Shape: ``(size, Q)``."""
    places = generator.integers(0, questions, (size, draws))
    places += questions * np.arange(size)[:, None]
    counts = np.bincount(places.ravel(), minlength=size * questions)
    return counts.reshape(size, questions).astype(np.float64)


def resampled_means(scores: Floats, resamples: int, *, seed: int) -> Floats:
    """Mean scores of all settings on the same resamples.

    Args:
        scores: Shape: ``(K, Q)``.
        resamples: R.
        seed: Of the draws.

    Returns:
        Shape: ``(R, K)``.
    """
    scores = matrix(scores)
    questions = scores.shape[1]
    parts = [
        counts @ scores.T / questions for counts in question_counts(questions, resamples, seed=seed)
    ]
    return np.concatenate(parts)


def flipped_sums(differences: Floats, flips: int, *, seed: int) -> Iterator[Floats]:
    """Sums over questions under random signs that all rows have in common.

    Args:
        differences: Shape: ``(K, Q)``.
        flips: F.
        seed: Of the signs.

    Yields:
        A chunk of flips at a time. Shape: ``(f, K)``.
    """
    generator = np.random.default_rng(seed)
    questions = differences.shape[1]
    columns = np.ascontiguousarray(differences.T)
    for begin in range(0, flips, CHUNK):
        size = min(CHUNK, flips - begin)
        bits = np.frombuffer(generator.bytes(size * (-(-questions // 8))), dtype=np.uint8)
        signs = np.unpackbits(bits.reshape(size, -1), axis=1, count=questions) * 2.0 - 1.0
        yield signs @ columns


def matrix(scores: Floats) -> Floats:
    """The scores as a matrix of settings and questions.

    Raises:
        ValueError: where there is no question, or a score that is not finite.
    """
    found = np.asarray(scores, dtype=np.float64)
    if found.ndim != 2 or found.shape[1] == 0:
        raise ValueError(f"scores must be settings by questions, but their shape is {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError("scores must be finite; leave questions without a score out")
    return found
