"""The verdict for every number of shots: the same tests, corrected for having looked at all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeper.statistics.best import ERROR_RATE, may_be_best
from sweeper.statistics.corrections import holm, max_t
from sweeper.statistics.intervals import difference_intervals
from sweeper.statistics.resampling import Floats
from sweeper.statistics.sign_flip import sign_flip_p_values


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPart:
    """Every setting beside the baseline, one column a number of shots. Shapes ``(K, C)``."""

    difference: Floats  # from the baseline; the baseline's own row is 0
    low: Floats  # of its interval, uncorrected
    high: Floats
    p: Floats  # sign-flip test, uncorrected; 1 for the baseline
    p_holm: Floats  # corrected over settings and numbers of shots
    p_max_t: Floats
    may_be_best: NDArray[np.bool_]  # cannot be told from the best with that number of shots


def by_part(scores: Floats, baseline: int) -> ByPart:
    """Compare settings with the baseline for each number of shots.

    The corrections count settings x numbers of shots as one family, so "better with two shots" is
    claimed of a study without differences as seldom as "better". All numbers of shots see the same
    flips of a question, as they belong together.

    Args:
        scores: Higher is better. Shape: ``(K, Q, C)``.
        baseline: Its row.
    """
    scores = np.asarray(scores, dtype=np.float64)
    settings, _, parts = scores.shape
    differences = np.moveaxis(scores - scores[baseline], 2, 1)  # (K, C, Q)
    others = np.arange(settings) != baseline
    rows = differences[others].reshape(-1, differences.shape[2])
    p, p_holm, p_max_t = (np.ones((settings, parts)) for _ in range(3))
    if len(rows):
        p[others] = sign_flip_p_values(rows).reshape(-1, parts)
        p_holm[others] = holm(p[others])
        p_max_t[others] = max_t(rows).reshape(-1, parts)
    intervals = difference_intervals(differences.reshape(settings * parts, -1)).reshape(
        settings, parts, 2
    )
    stays = [may_be_best(scores[:, :, c], error_rate=ERROR_RATE / parts) for c in range(parts)]
    return ByPart(
        difference=differences.mean(axis=2),
        low=intervals[..., 0],
        high=intervals[..., 1],
        p=p,
        p_holm=p_holm,
        p_max_t=p_max_t,
        may_be_best=np.stack(stays, axis=1),
    )
