"""BCa intervals against SciPy's, and their coverage."""

import numpy as np
import pytest
from conftest import Answers
from scipy import stats

from sweeper.statistics.intervals import bca_intervals, difference_intervals


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


def test_two_imagined_questions_widen_the_interval_where_few_differ() -> None:
    differences = np.zeros((2, 200))
    differences[0, :4] = [0.25, 0.25, 0.25, -0.25]
    differences[1] = np.random.default_rng(3).choice([-0.25, 0.5], 200)
    few, many = difference_intervals(differences)
    plain_few, plain_many = bca_intervals(differences)
    # six questions of 0.25 instead of four: wider by about the root of 6/4
    assert np.ptp(few) / np.ptp(plain_few) == pytest.approx(1.5**0.5, abs=0.12)
    assert few[0] < 0.0 < few[1]
    assert many == pytest.approx(plain_many, rel=0.06)
    assert difference_intervals(np.zeros((1, 9))).tolist() == [[0.0, 0.0]]
    assert np.isnan(difference_intervals(np.array([[0.5]]))).all()


def test_a_difference_on_few_questions_is_covered() -> None:
    generator = np.random.default_rng(4)
    steps = generator.choice([-0.25, 0.0, 0.25, 0.5], (1000, 150), p=[0.015, 0.96, 0.02, 0.005])
    truth = 0.25 * (0.02 - 0.015) + 0.5 * 0.005
    covered = {}
    for intervals in (bca_intervals, difference_intervals):
        low, high = intervals(steps, resamples=1000).T
        covered[intervals] = np.mean((low <= truth) & (truth <= high))
    # standard error 0.7 points; of six questions that differ nothing covers in quite 95 %
    assert covered[difference_intervals] == pytest.approx(0.93, abs=0.025)
    assert covered[bca_intervals] < 0.9


def test_the_imagined_questions_are_as_large_as_the_others_that_differ() -> None:
    differences = np.array([[0.1, 0.7, -0.1, 0.7, 0.0, 0.0, 0.0, 0.0]])
    # root mean square of the four: sqrt((0.01 + 0.49 + 0.01 + 0.49) / 4) = 0.5
    among = np.array([[*differences[0], 0.5, -0.5]])
    expected = bca_intervals(among) * 10 / 8  # a mean over ten, of eight
    assert difference_intervals(differences) == pytest.approx(expected)
