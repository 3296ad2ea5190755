"""Questions drawn with replacement, as counts: one matrix product gives the means of all settings.

Shape legend: K settings, Q questions, R resamples.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CHUNK = 500  # resamples at once: bounds memory


def question_counts(questions: int, resamples: int, *, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each question is drawn, a chunk of resamples at a time. Shape: ``(r, Q)``."""
    generator = np.random.default_rng(seed)
    share = np.full(questions, 1.0 / questions)
    for begin in range(0, resamples, CHUNK):
        yield generator.multinomial(questions, share, size=min(CHUNK, resamples - begin))


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
