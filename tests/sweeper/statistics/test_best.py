"""Who may be the best, against the verdict's own test; rows that are one and the same."""

import numpy as np
import pytest
from conftest import Answers

from sweeper.statistics.best import (
    differing_share,
    identical_groups,
    may_be_best,
    within_one_standard_error,
)
from sweeper.statistics.corrections import max_t


def test_a_setting_is_left_out_where_max_t_finds_another_one_better(answers: Answers) -> None:
    generator = np.random.default_rng(0)
    outcomes = set()
    for _ in range(12):
        scores = answers(generator, 7, 120).mean(axis=2)
        scores += generator.normal(0.0, 0.05, (7, 1))
        for setting, stays in enumerate(may_be_best(scores, flips=2000)):
            differences = np.delete(scores, setting, axis=0) - scores[setting]
            better = differences.mean(axis=1) > 0
            found = (max_t(differences, flips=2000)[better] < 0.05).any()
            sharp = abs(max_t(differences, flips=2000).min() - 0.05) > 0.012  # flips of its own
            assert bool(stays) is not bool(found) or not sharp
            outcomes.add(bool(stays))
    assert outcomes == {True, False}


def test_the_highest_stays_and_so_does_what_equals_it() -> None:
    scores = np.random.default_rng(1).random((4, 90))
    scores[2] = scores[0]
    scores[3] = scores[0] - 0.2
    scores[0] += 0.0
    stays = may_be_best(scores)
    assert stays[scores.mean(axis=1).argmax()]
    assert stays[0] == stays[2]
    assert not stays[3]  # behind on every question
    assert may_be_best(np.ones((3, 5))).all()
    assert may_be_best(np.array([[0.0], [1.0]])).all()  # one question tells nothing


def test_a_truly_best_one_is_hardly_ever_left_out(answers: Answers) -> None:
    generator = np.random.default_rng(2)
    equals = [may_be_best(answers(generator, 8, 100).mean(axis=2), flips=400) for _ in range(150)]
    # one side of 5 %: 2.5 % for any one of the equals, far more for all of them together
    assert 0.003 < 1.0 - np.mean(equals) < 0.03
    assert np.mean([stays[0] for stays in equals]) > 0.95


def test_one_standard_error_is_that_of_the_paired_difference() -> None:
    # behind by 1/4 on one, two of four questions: means 1/16, 1/8; errors 1/16, 0.0722
    scores = np.ones((3, 4))
    scores[1, 0] -= 0.25
    scores[2, :2] -= 0.25
    assert within_one_standard_error(scores).tolist() == [True, True, False]
    assert within_one_standard_error(scores + np.arange(4)).tolist() == [True, True, False]
    assert within_one_standard_error(np.array([[0.0], [1.0]])).all()


def test_identical_rows_are_found_with_the_share_on_which_others_differ() -> None:
    rows = np.array([[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3, 4], [0, 2, 3, 5]])
    assert identical_groups(rows) == [[0, 2]]
    share = differing_share(rows)
    assert share[0].tolist() == [0.0, 0.25, 0.0, 0.5]
    assert (share == share.T).all()
    by_part = np.stack([rows, rows[::-1]], axis=2)
    assert differing_share(by_part)[0, 1] == pytest.approx(0.5)
    assert differing_share(by_part)[0, 2] == pytest.approx(0.25)
