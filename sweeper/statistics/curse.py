"""What the best of many settings is worth: its own score flatters it, for it was chosen by it."""

from collections.abc import Iterator

import numpy as np

from sweeper.statistics.resampling import CHUNK, Floats, drawn_counts, matrix

RESAMPLES = 2_000
_TIE = 1e-9


def score_of_the_best(scores: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """The score to expect of the best setting on questions that did not choose it.

    Bootstrap bias correction (Tsamardinos, Greasidou and Borboudakis 2018): the best on drawn
    questions is scored on those that were not drawn. Never optimistic in expectation; pessimistic
    where settings truly differ, for it chooses on fewer distinct questions than there are (63 %):
    see ``pessimism``. Settings that are level on the drawn questions count alike, in whatever order
    they come.

    Args:
        scores: Higher is better. Shape: ``(K, Q)``, with two questions at least.
        resamples: Of the questions.
        seed: Of the resamples.
    """
    scores = _enough(scores)
    parts = [_chosen(scores, full, out) for _, full, out in _draws(scores, resamples, seed)]
    return float(np.concatenate(parts).mean())


def pessimism(scores: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """About how much too low ``score_of_the_best`` is; the best one's own score is an upper end.

    The mean of a resample strays from the truth as that of half the questions does: once when the
    questions were drawn, once when they were drawn again. Had a third of them been drawn, it would
    stray as that of a quarter does. What choosing gains from a quarter to a half can be measured
    (both choices are scored on the same questions, which chose neither), and stands for what it
    would gain from a half to all. Our own estimate, within a quarter of a point on real answers
    of 20 settings to 200 questions (`benchmarks/README.md`).

    Args:
        scores: Higher is better. Shape: ``(K, Q)``, with two questions at least.
        resamples: Of the questions.
        seed: Of the resamples.

    Returns:
        In the units of the scores, at least 0.
    """
    scores = _enough(scores)
    gained = [
        _chosen(scores, full, out) - _chosen(scores, third, out)
        for third, full, out in _draws(scores, resamples, seed)
    ]
    return max(float(np.concatenate(gained).mean()), 0.0)


def _draws(scores: Floats, resamples: int, seed: int) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Counts of a third of the draws, of all of them, and what was left out. Shapes ``(r, Q)``."""
    questions = scores.shape[1]
    third = max(round(questions / 3), 1)
    generator = np.random.default_rng(seed)
    for begin in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - begin)
        few = drawn_counts(generator, size, draws=third, questions=questions)
        rest = drawn_counts(generator, size, draws=questions - third, questions=questions)
        out = (few + rest == 0).astype(np.float64)
        known = out.any(axis=1)
        yield few[known], (few + rest)[known], out[known]


def _chosen(scores: Floats, counts: Floats, out: Floats) -> Floats:
    """Scores on the questions left out, of what is best by ``counts``. Shape: ``(r,)``."""
    sums = counts @ scores.T
    size = np.abs(scores).max() * counts.sum(axis=1, keepdims=True)
    best = sums >= sums.max(axis=1, keepdims=True) - _TIE * size
    others = (out @ scores.T) / out.sum(axis=1, keepdims=True)
    return np.asarray((others * best).sum(axis=1) / best.sum(axis=1))


def _enough(scores: Floats) -> Floats:
    scores = matrix(scores)
    if scores.shape[1] < 2:
        raise ValueError("one question alone cannot both choose and confirm")
    return scores
