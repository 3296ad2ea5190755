"""Intervals over seeds and questions, against closed forms, and their coverage."""

import numpy as np
import pytest
from conftest import Answers
from scipy.stats import t

from sweeper.statistics.intervals import bca_intervals
from sweeper.statistics.seeds import seeds_difference_interval, seeds_interval


def test_seeds_that_shift_every_question_alike_add_their_own_t() -> None:
    # by question: deviation s over sqrt(Q), by seed: 0.1 over sqrt(3); nothing between them
    questions = np.random.default_rng(0).random(50)
    scores = questions + np.array([[-0.1], [0.0], [0.1]])
    found = seeds_interval(scores)
    of_questions = t.ppf(0.975, 49) ** 2 * questions.var(ddof=1) / 50
    of_seeds = t.ppf(0.975, 2) ** 2 * 0.01 / 3
    reach = (of_questions + of_seeds) ** 0.5
    assert found == pytest.approx((questions.mean() - reach, questions.mean() + reach))


@pytest.mark.parametrize("seeds", [3, 6])
def test_seeds_that_answer_alike_leave_the_noise_of_the_questions(
    seeds: int, answers: Answers
) -> None:
    questions = answers(np.random.default_rng(1), 1, 300).mean(axis=2)
    found = seeds_interval(np.tile(questions, (seeds, 1)))
    assert found == pytest.approx(bca_intervals(questions)[0].tolist(), abs=0.004)


def test_few_and_many_seeds_have_intervals_of_one_width_for_one_variance() -> None:
    generator = np.random.default_rng(2)
    for seeds in (4, 5):
        scores = generator.normal(0.0, 1.0, (seeds, 1)) + generator.normal(0.0, 1.0, (seeds, 400))
        low, high = seeds_interval(scores) or (0.0, 0.0)
        spread = scores.mean(axis=1).std(ddof=1)
        expected = 2.0 * t.ppf(0.975, seeds - 1) * spread / seeds**0.5
        assert high - low == pytest.approx(expected, rel=0.04)


def test_one_seed_tells_nothing_of_others() -> None:
    scores = np.random.default_rng(3).random((4, 20))
    assert seeds_interval(scores[:1]) is None
    assert seeds_interval(scores[:, :1]) is None
    assert seeds_difference_interval(scores, scores[:1]) is None
    assert seeds_interval(np.ones((6, 10))) == (1.0, 1.0)


def test_a_difference_is_that_of_both_means_and_turns_with_them() -> None:
    generator = np.random.default_rng(4)
    first, second = generator.random((3, 60)), generator.random((4, 60)) + 0.2
    low, high = seeds_difference_interval(first, second) or (0.0, 0.0)
    assert (low + high) / 2 == pytest.approx(first.mean() - second.mean())
    assert seeds_difference_interval(second, first) == pytest.approx((-high, -low))
    many = seeds_difference_interval(np.repeat(first, 2, axis=0), np.repeat(second, 2, axis=0))
    assert many is not None
    assert many[0] < first.mean() - second.mean() < many[1]


def test_questions_in_common_make_a_difference_sharper() -> None:
    generator = np.random.default_rng(5)
    difficulty = generator.random(200)
    first, second = (difficulty + generator.normal(0.0, 0.01, (3, 200)) for _ in range(2))
    low, high = seeds_difference_interval(first, second) or (0.0, 0.0)
    apart = seeds_difference_interval(first, second[:, ::-1]) or (0.0, 0.0)
    assert high - low < 0.2 * (apart[1] - apart[0])


@pytest.mark.parametrize(("seeds", "spread"), [(2, 0.02), (3, 0.02), (5, 0.0), (5, 0.06)])
def test_nineteen_of_twenty_intervals_hold_the_mean(
    seeds: int, spread: float, answers: Answers
) -> None:
    generator = np.random.default_rng(6)
    held = []
    for _ in range(400):
        scores = answers(generator, seeds, 150).mean(axis=2)
        scores += generator.normal(0.0, spread, (seeds, 1))
        low, high = seeds_interval(scores, resamples=200) or (1.0, 0.0)
        held.append(low <= 0.5 <= high)
    # standard error 1.1 points
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)


def test_differences_over_seeds_hold_the_truth(answers: Answers) -> None:
    generator = np.random.default_rng(7)
    held = []
    for _ in range(400):
        scores = answers(generator, 8, 150).mean(axis=2)
        scores += generator.normal(0.0, 0.03, (8, 1))
        low, high = seeds_difference_interval(scores[:3], scores[3:]) or (1.0, 0.0)
        held.append(low <= 0.0 <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)
