"""Corrections against a textbook, their laws, and how often they let chance through."""

import itertools

import numpy as np
import pytest
from conftest import Answers
from scipy.stats import norm

from sweeper.statistics.corrections import holm, max_t, max_t_level
from sweeper.statistics.sign_flip import sign_flip_p, sign_flip_p_values


def test_holm_is_the_textbook_one() -> None:
    # smallest x 3, next x 2, largest x 1, never below the one before
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.6, 0.9])).tolist() == [1.0, 1.0]


def test_holm_of_a_table_counts_all_its_cells() -> None:
    table = np.array([[0.01, 0.2], [0.04, 0.03]])
    assert holm(table).tolist() == holm(table.ravel()).reshape(2, 2).tolist()
    assert holm(table)[0, 0] == pytest.approx(0.04)


def test_max_t_counts_flips_of_all_settings_together() -> None:
    # statistics: sums over lengths 1, 1 and 1; all 2^4 flips listed
    differences = np.array([[3.0, 1.0, 2.0, -1.0], [1.0, 1.0, 0.0, 1.0], [-1.0, 1.0, 1.0, 0.0]])
    scaled = differences / np.linalg.norm(differences, axis=1, keepdims=True)
    flipped = np.abs(np.array(list(itertools.product((-1, 1), repeat=4))) @ scaled.T)
    observed = np.abs(scaled.sum(axis=1))  # 1.29, 1.73, 0.58
    first = (flipped.max(axis=1) >= observed[1] - 1e-9).mean()
    second = (flipped[:, [0, 2]].max(axis=1) >= observed[0] - 1e-9).mean()
    third = (flipped[:, 2] >= observed[2] - 1e-9).mean()
    expected = [max(first, second), first, max(first, second, third)]
    assert max_t(differences, flips=20_000) == pytest.approx(expected, abs=0.015)


def test_max_t_never_ranks_a_lesser_statistic_higher() -> None:
    # statistics 4 / 2 and 12 / sqrt(40) = 1.90, whose chances alone are 0.125 and 0.08
    differences = np.zeros((2, 40))
    differences[0, :4] = 1.0
    differences[1] = np.where(np.arange(40) < 26, 1.0, -1.0)
    corrected = max_t(differences)
    assert sign_flip_p(differences[1]) < 0.09
    assert corrected[0] > 0.13
    assert corrected[1] == corrected[0]


def test_max_t_of_one_setting_is_the_plain_test_and_copies_cost_nothing(answers: Answers) -> None:
    first, second = answers(np.random.default_rng(4), 2, 80).mean(axis=2)
    plain = sign_flip_p(first - second)
    assert max_t((first - second)[None])[0] == pytest.approx(plain, abs=0.015)
    copies = max_t(np.tile(first - second, (20, 1)))
    assert copies == pytest.approx(np.full(20, plain), abs=0.015)
    assert max_t(np.zeros((2, 10))).tolist() == [1.0, 1.0]


def test_the_level_lies_between_none_and_bonferronis(answers: Answers) -> None:
    scores = answers(np.random.default_rng(6), 21, 300).mean(axis=2)
    differences = scores[1:] - scores[0]
    assert max_t_level(differences[:1]) == pytest.approx(0.05, abs=0.006)
    assert max_t_level(np.tile(differences[0], (20, 1))) == pytest.approx(0.05, abs=0.006)
    assert 0.05 / 20 < max_t_level(differences) < 0.012
    apart = np.random.default_rng(7).choice([-0.25, 0.25], (20, 300))
    assert max_t_level(apart) == pytest.approx(0.05 / 20, rel=0.25)


def test_a_difference_at_that_level_is_one_that_max_t_just_finds(answers: Answers) -> None:
    generator = np.random.default_rng(8)
    scores = answers(generator, 16, 400).mean(axis=2)
    differences = scores[1:] - scores[0]
    level = max_t_level(differences)
    for lead, found in ((0.97, False), (1.03, True)):
        differences[0] = lead_of(differences[0], level, lead)
        assert bool(max_t(differences)[0] < 0.05) is found


def lead_of(row: np.ndarray, level: float, factor: float) -> np.ndarray:
    """The row, moved so that its statistic is the threshold of ``level`` times ``factor``."""
    threshold = factor * norm.ppf(1.0 - level / 2.0) / np.sqrt(len(row))
    centred = row - row.mean()
    return centred + centred.std() * threshold / np.sqrt(1.0 - threshold**2)


def test_a_winner_among_equals_is_seldom_claimed_but_not_never(answers: Answers) -> None:
    generator = np.random.default_rng(5)
    plain, by_holm, by_max_t = 0, 0, 0
    for _ in range(250):
        scores = answers(generator, 12, 80).mean(axis=2)
        differences = scores[1:] - scores[0]
        p_values = sign_flip_p_values(differences)
        plain += (p_values < 0.05).any()
        by_holm += (holm(p_values) < 0.05).any()
        by_max_t += (max_t(differences, flips=600) < 0.05).any()
    assert plain > 50  # of 250: what the corrections are for
    # two-sided level 5 % is 12.5 with a standard error of 3.4
    assert 3 <= by_max_t <= 22
    assert by_holm <= by_max_t + 2
