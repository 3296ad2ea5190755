"""Which settings may be the best, and which are one and the same."""

import math

import numpy as np
from numpy.typing import NDArray

from sweeper.statistics.corrections import FLIPS
from sweeper.statistics.resampling import Floats, flipped_sums, matrix

ERROR_RATE = 0.05
_TIE = 1e-4  # between standardised sums that were added up in single precision


def may_be_best(
    scores: Floats, *, error_rate: float = ERROR_RATE, flips: int = FLIPS, seed: int = 0
) -> NDArray[np.bool_]:
    """The settings that cannot be told from the best one.

    Multiple comparisons with the best (Hsu 1981): a setting is left out where max-T, with that
    setting as the baseline, finds another one better. So a baseline is left out where the verdict
    finds it beaten, and not else. As that test has two sides and only one leaves out, the truly
    best stays in with a probability of about 1 - ``error_rate`` / 2, however many settings there
    are. (Resamples instead of flips would leave out too many where questions are few.)

    Args:
        scores: Higher is better. Shape: ``(K, Q)``.
        error_rate: Of the two-sided test, in (0, 1).
        flips: Of the signs of the questions; all settings see the same.
        seed: Of the flips.

    Returns:
        The highest is always among them. Shape: ``(K,)``.
    """
    scores = matrix(scores)
    centred = scores - scores.mean(axis=0)  # what all have in common drops out of differences
    drawn = np.concatenate(list(flipped_sums(centred, flips, seed=seed))).astype(np.float32)
    sums = centred.sum(axis=1)
    certain = math.sqrt(2.0 * math.log(2.0 * len(sums) / error_rate))  # Hoeffding 1963
    stays = np.ones(len(sums), dtype=bool)
    for setting, row in enumerate(centred):
        lengths = np.sqrt(((centred - row) ** 2).sum(axis=1))
        rivals = np.flatnonzero(lengths > 1e-9)
        leads = (sums[rivals] - sums[setting]) / lengths[rivals]
        if not len(rivals):
            continue
        chances = (  # that of the foremost rival alone is quick, and the smaller one
            _chance(drawn, setting, some, lengths=lengths, lead=leads.max())
            for some in (rivals[[leads.argmax()]], rivals)
        )
        stays[setting] = next(chances) >= error_rate or (
            leads.max() < certain and next(chances) >= error_rate
        )
    return stays


def _chance(
    drawn: NDArray[np.float32],
    setting: int,
    rivals: NDArray[np.intp],
    *,
    lengths: Floats,
    lead: float,
) -> float:
    """How often any of the rivals is as far from the setting under random signs."""
    moved = drawn[:, rivals] - drawn[:, [setting]]
    moved /= lengths[rivals].astype(np.float32)
    extreme = int((np.abs(moved).max(axis=1) >= lead - _TIE).sum())
    return (1 + extreme) / (1 + len(drawn))


def within_one_standard_error(scores: Floats) -> NDArray[np.bool_]:
    """The settings whose distance from the highest is at most the standard error of that distance.

    The rule of Breiman, Friedman, Olshen and Stone (1984, section 3.4.3), who take the standard
    error of the best score itself. Here all settings answered the same questions, so the error of
    the paired difference is known, and it is the smaller one.

    Args:
        scores: Higher is better. Shape: ``(K, Q)``.

    Returns:
        Shape: ``(K,)``.
    """
    scores = matrix(scores)
    if scores.shape[1] == 1:
        return np.ones(len(scores), dtype=bool)
    behind = scores[scores.mean(axis=1).argmax()] - scores
    errors = behind.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
    return np.asarray(behind.mean(axis=1) <= errors + 1e-12)


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
