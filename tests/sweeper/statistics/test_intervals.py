"""BCa intervals against SciPy's, and their coverage."""

import numpy as np
import pytest
from conftest import Answers
from scipy import stats

from sweeper.statistics.intervals import bca_intervals


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_are_those_of_scipy(level: float) -> None:
    skewed = np.random.default_rng(0).exponential(1.0, (3, 15))
    ours = bca_intervals(skewed, level=level, resamples=40_000)
    for row, interval in zip(skewed, ours, strict=True):
        theirs = stats.bootstrap(
            (row,), np.mean, n_resamples=40_000, confidence_level=level, random_state=0
        ).confidence_interval
        assert interval == pytest.approx([theirs.low, theirs.high], abs=0.012)


def test_intervals_move_with_the_scores() -> None:
    scores = np.random.default_rng(1).integers(0, 5, (2, 50)) / 4
    low, high = bca_intervals(scores).T
    assert bca_intervals(scores + 3.0) == pytest.approx(np.stack([low, high], axis=1) + 3.0)
    mirrored = bca_intervals(-scores, resamples=40_000)
    assert mirrored == pytest.approx(-np.stack([high, low], axis=1), abs=0.015)


def test_means_level_with_the_observed_one_count_half() -> None:
    # one question of ten: drawn 0, 1, 2 ... times with chances 0.349, 0.387, 0.194 ..., so below
    # the mean with chance 0.349, level with it in 0.387: bias is norm.ppf(0.542), to the right
    scores = np.zeros((1, 10))
    scores[0, 0] = 1.0
    theirs = stats.bootstrap((scores[0],), np.mean, n_resamples=9999, random_state=0)
    assert bca_intervals(scores)[0] == pytest.approx(list(theirs.confidence_interval))


def test_intervals_of_degenerate_scores_are_honest() -> None:
    assert bca_intervals(np.full((1, 9), 0.1)).tolist() == [pytest.approx([0.1, 0.1])]
    assert np.isnan(bca_intervals(np.array([[0.5]]))).all()
    tiny = bca_intervals(1e-6 * np.arange(20.0)[None])[0]  # losses may differ by that little
    assert tiny[0] < 9.5e-6 < tiny[1]


def test_nineteen_of_twenty_intervals_hold_the_mean(answers: Answers) -> None:
    generator = np.random.default_rng(2)
    pool = answers(generator, 1, 4000)[0].mean(axis=1)
    draws = pool[generator.integers(0, len(pool), (1000, 150))]
    low, high = bca_intervals(draws, resamples=1000).T
    # standard error 0.7 points
    assert np.mean((low <= pool.mean()) & (pool.mean() <= high)) == pytest.approx(0.95, abs=0.02)
