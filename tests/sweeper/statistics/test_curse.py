"""The corrected score of the best against enumeration, and its bias among equals and others."""

import itertools

import numpy as np
import pytest
from conftest import Answers

from sweeper.statistics.curse import pessimism, score_of_the_best


def test_the_best_on_drawn_questions_is_scored_on_the_others() -> None:
    scores = np.array([[1.0, 0.0, 0.5], [0.25, 0.75, 0.5]])
    told = []
    for draw in itertools.product(range(3), repeat=3):  # all resamples
        out = [q for q in range(3) if q not in draw]
        if out:
            sums = scores[:, list(draw)].sum(axis=1)
            told.append(scores[sums == sums.max()][:, out].mean())
    assert score_of_the_best(scores, resamples=20_000) == pytest.approx(np.mean(told), abs=0.01)


def test_the_order_of_the_settings_does_not_matter(answers: Answers) -> None:
    scores = answers(np.random.default_rng(0), 12, 20).mean(axis=2)  # few questions: many ties
    scores = scores[(-scores.mean(axis=1)).argsort()]
    assert score_of_the_best(scores) == pytest.approx(score_of_the_best(scores[::-1]), abs=1e-12)
    assert pessimism(scores) == pytest.approx(pessimism(scores[::-1]), abs=1e-12)


def test_a_single_setting_is_worth_its_mean(answers: Answers) -> None:
    scores = answers(np.random.default_rng(1), 1, 300).mean(axis=2)
    assert score_of_the_best(scores) == pytest.approx(scores.mean(), abs=0.002)
    assert pessimism(scores) == 0.0
    with pytest.raises(ValueError, match="one question"):
        score_of_the_best(np.ones((2, 1)))
    with pytest.raises(ValueError, match="one question"):
        pessimism(np.ones((2, 1)))


def test_the_best_of_equals_is_worth_what_all_are(answers: Answers) -> None:
    generator = np.random.default_rng(2)
    flattered, corrected = [], []
    for _ in range(100):
        scores = answers(generator, 20, 150).mean(axis=2)
        scores -= scores.mean()
        flattered.append(scores.mean(axis=1).max())
        corrected.append(score_of_the_best(scores, resamples=200))
    assert np.mean(flattered) > 0.015
    assert abs(np.mean(corrected)) < 0.004  # standard error 0.0015


def test_where_settings_differ_it_is_pessimistic_by_no_more_than_it_says(answers: Answers) -> None:
    generator = np.random.default_rng(3)
    lacking, announced = [], []
    leads = np.linspace(0.0, 0.06, 8)
    for _ in range(200):
        scores = answers(generator, 8, 150).mean(axis=2) + leads[:, None]
        truth = 0.5 + leads[scores.mean(axis=1).argmax()]
        common = scores.mean() - 0.5 - leads.mean()  # luck that all settings had
        lacking.append(truth + common - score_of_the_best(scores, resamples=200))
        announced.append(pessimism(scores, resamples=200))
    assert 0.0 < np.mean(lacking) < np.mean(announced) < 0.015
