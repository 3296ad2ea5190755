"""Statistics against closed forms, enumeration and SciPy, and their error rates."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sweeper.statistics.best import differing_share, identical_groups, may_be_best
from sweeper.statistics.corrections import holm, max_t
from sweeper.statistics.curse import score_of_the_best
from sweeper.statistics.intervals import bca_intervals
from sweeper.statistics.power import detectable_difference, questions_needed, questions_range
from sweeper.statistics.resampling import resampled_means
from sweeper.statistics.seeds import seeds_interval
from sweeper.statistics.sign_flip import sign_flip_p


def answers(rng: np.random.Generator, settings: int, questions: int) -> NDArray[np.float64]:
    """Right or wrong by four numbers of shots; settings answer most questions alike."""
    difficulty = rng.beta(0.6, 0.6, (1, questions, 1))
    common = rng.random((1, questions, 4))
    own = rng.random((settings, questions, 4))
    shared = rng.random((settings, questions, 4)) < 0.7
    return np.asarray((np.where(shared, common, own) < difficulty).mean(axis=2))


def test_bca_intervals_are_those_of_scipy() -> None:
    scores = answers(np.random.default_rng(0), 3, 120)
    ours = bca_intervals(scores, resamples=20_000)
    for row, interval in zip(scores, ours, strict=True):
        theirs = stats.bootstrap((row,), np.mean, n_resamples=20_000, random_state=0)
        low, high = theirs.confidence_interval
        assert interval == pytest.approx([low, high], abs=0.004)


def test_intervals_of_degenerate_scores_are_honest() -> None:
    assert bca_intervals(np.full((1, 9), 0.5)).tolist() == [[0.5, 0.5]]
    assert np.isnan(bca_intervals(np.array([[0.5]]))).all()
    with pytest.raises(ValueError, match="finite"):
        bca_intervals(np.array([[0.5, np.nan]]))
    with pytest.raises(ValueError, match="settings by questions"):
        resampled_means(np.zeros((2, 0)), 10, seed=0)


def test_intervals_cover() -> None:
    rng = np.random.default_rng(1)
    pool = answers(rng, 1, 4000)[0]
    draws = pool[rng.integers(0, len(pool), (400, 150))]
    low, high = bca_intervals(draws, resamples=2000).T
    covered = ((low <= pool.mean()) & (pool.mean() <= high)).mean()
    assert 0.92 <= covered <= 0.98


@given(st.lists(st.sampled_from([-4, -3, -1, 0, 1, 2, 5]), min_size=1, max_size=9))
def test_the_exact_test_counts_all_flips(tenths: list[int]) -> None:
    differences = np.array(tenths) / 40
    sums = [
        abs(sum(sign * tenth for sign, tenth in zip(signs, tenths, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(tenths))
    ]
    expected = sum(total >= abs(sum(tenths)) for total in sums) / len(sums)
    assert sign_flip_p(differences) == pytest.approx(expected)


def test_scores_off_every_lattice_are_tested_by_random_flips() -> None:
    rng = np.random.default_rng(2)
    differences = rng.normal(0.05, 0.3, 60)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, random_state=0
    )
    assert sign_flip_p(differences, flips=20_000) == pytest.approx(theirs.pvalue, abs=0.02)
    assert sign_flip_p(np.zeros(5)) == 1.0
    assert sign_flip_p(np.float32([1 / 3, 0.1, 0.3]).astype(float)) == 0.25


def test_the_test_keeps_its_level() -> None:
    rng = np.random.default_rng(3)
    claims = 0
    for _ in range(300):
        first, second = answers(rng, 2, 100)
        claims += sign_flip_p(first - second) < 0.05
    assert claims <= 300 * 0.05 + 12


def test_holm_is_the_textbook_one() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.6, 0.9])).tolist() == [1.0, 1.0]


def test_max_t_of_one_setting_is_the_plain_test_and_of_copies_costs_nothing() -> None:
    first, second = answers(np.random.default_rng(4), 2, 80)
    difference = first - second
    plain = sign_flip_p(difference)
    assert max_t(difference[None])[0] == pytest.approx(plain, abs=0.02)
    copies = max_t(np.tile(difference, (20, 1)))
    assert copies == pytest.approx(plain, abs=0.02)
    assert max_t(np.zeros((2, 10))).tolist() == [1.0, 1.0]


def test_a_winner_among_equals_is_seldom_claimed() -> None:
    rng = np.random.default_rng(5)
    claims = 0
    for _ in range(100):
        scores = answers(rng, 12, 80)
        claims += (max_t(scores[1:] - scores[0], flips=600) < 0.05).any()
    assert claims <= 12


def test_the_truly_best_is_hardly_ever_left_out() -> None:
    rng = np.random.default_rng(6)
    kept, left_out = 0, 0
    for _ in range(60):
        scores = answers(rng, 8, 150)
        scores[1:] *= np.linspace(1.0, 0.7, 7)[:, None]
        stays = may_be_best(scores, resamples=400)
        kept += stays[:2].any()
        left_out += (~stays).sum()
    assert kept >= 55
    assert left_out > 60
    assert may_be_best(np.ones((3, 5))).all()


def test_identical_rows_are_found_with_the_share_on_which_others_differ() -> None:
    rows = np.array([[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3, 4], [0, 2, 3, 5]])
    assert identical_groups(rows) == [[0, 2]]
    share = differing_share(rows)
    assert share[0].tolist() == [0.0, 0.25, 0.0, 0.5]
    assert (share == share.T).all()


def test_the_best_of_equals_is_worth_what_all_are() -> None:
    rng = np.random.default_rng(7)
    flattered, corrected = [], []
    for _ in range(60):
        scores = answers(rng, 20, 200)
        scores -= scores.mean()
        flattered.append(scores.mean(axis=1).max())
        corrected.append(score_of_the_best(scores, resamples=200))
    assert np.mean(flattered) > 0.015
    assert abs(np.mean(corrected)) < 0.006
    with pytest.raises(ValueError, match="one question"):
        score_of_the_best(np.ones((2, 1)))


def test_power_is_that_of_the_paired_t_test() -> None:
    found = detectable_difference(0.3, 800)
    assert questions_needed(0.3, found) in (800, 801)
    assert questions_needed(0.3, 0.0) == math.inf
    rng = np.random.default_rng(8)
    shown = [stats.ttest_1samp(rng.normal(found, 0.3, 800), 0.0).pvalue < 0.05 for _ in range(600)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.05)


def test_a_quarter_of_a_point_without_scores_by_question_takes_hundreds_to_hundred_thousands() -> (
    None
):
    fewest, most = questions_range(0.5585, 0.56125, shots=4)
    assert 600 < fewest < 800
    assert 400_000 < most < 600_000


def test_seeds_widen_an_interval() -> None:
    rng = np.random.default_rng(9)
    questions = answers(rng, 1, 300)
    for count in (3, 6):
        alike = questions + np.zeros((count, 1))
        apart = questions + rng.normal(0.0, 0.05, (count, 1))
        narrow, wide = (seeds_interval(rows, resamples=500) for rows in (alike, apart))
        assert narrow is not None
        assert wide is not None
        assert wide[1] - wide[0] > narrow[1] - narrow[0]
    assert seeds_interval(questions) is None
