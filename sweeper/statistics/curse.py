"""What the best of many settings is worth: its own score flatters it, for it was chosen by it."""

import numpy as np

from sweeper.statistics.resampling import Floats, matrix, question_counts

RESAMPLES = 2_000


def score_of_the_best(scores: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """The score to expect of the best setting on questions that did not choose it.

    Bootstrap bias correction (Tsamardinos, Greasidou and Borboudakis 2018): the best on drawn
    questions is scored on those that were not drawn. A little pessimistic where settings truly
    differ, for it chooses on fewer distinct questions than there are.

    Args:
        scores: Shape: ``(K, Q)``, with two questions at least.
        resamples: Of the questions.
        seed: Of the resamples.
    """
    scores = matrix(scores)
    if scores.shape[1] < 2:
        raise ValueError("one question alone cannot both choose and confirm")
    total, drawn = 0.0, 0
    for counts in question_counts(scores.shape[1], resamples, seed=seed):
        left_out = (counts == 0).astype(np.float64)
        known = left_out.sum(axis=1) > 0
        chosen = (counts[known] @ scores.T).argmax(axis=1)
        others = (left_out[known] @ scores.T) / left_out[known].sum(axis=1, keepdims=True)
        total += float(others[np.arange(len(chosen)), chosen].sum())
        drawn += len(chosen)
    return total / drawn
