"""What questions can show, against simulated tests."""

import math

import numpy as np
import pytest
from conftest import Answers

from sweeper.statistics.corrections import max_t, max_t_level
from sweeper.statistics.power import (
    detectable_difference,
    power_to_find,
    questions_needed,
    questions_range,
)
from sweeper.statistics.sign_flip import sign_flip_p_values


def test_the_three_answers_agree() -> None:
    found = detectable_difference(0.3, 800, level=0.01, power=0.9)
    assert power_to_find(found, 0.3, 800, level=0.01) == pytest.approx(0.9)
    assert questions_needed(0.3, found, level=0.01, power=0.9) in (800, 801)
    # (1.960 + 0.842) x 0.3 / sqrt(800 - 3.84) = 0.02979
    assert detectable_difference(0.3, 800) == pytest.approx(0.02979, abs=1e-5)


def test_nothing_takes_for_ever_and_few_questions_show_nothing() -> None:
    assert questions_needed(0.3, 0.0) == math.inf
    assert detectable_difference(0.3, 3) == math.inf  # 1.96^2 = 3.84
    assert power_to_find(0.5, 0.3, 3) == 0.0
    assert power_to_find(0.0, 0.3, 100) == pytest.approx(0.05)
    assert power_to_find(0.1, 0.0, 100) == 1.0
    assert power_to_find(0.0, 0.0, 100) == 0.05


@pytest.mark.parametrize("questions", [30, 400])
def test_the_plain_test_finds_as_often_as_announced(questions: int, answers: Answers) -> None:
    generator = np.random.default_rng(8)
    deviation = 0.3
    lead = detectable_difference(deviation, questions)
    steps = generator.choice([-0.375, 0.0, 0.375], (1500, questions), p=[0.32, 0.36, 0.32])
    shown = sign_flip_p_values(steps * deviation / steps.std() + lead, flips=1500) < 0.05
    assert shown.mean() == pytest.approx(0.8, abs=0.04)


def test_the_corrected_test_finds_as_often_as_announced(answers: Answers) -> None:
    generator = np.random.default_rng(9)
    announced, bonferroni, found = [], [], 0
    for _ in range(200):
        scores = answers(generator, 10, 120)
        scores[1] = np.where(generator.random((120, 4)) < 0.12, 1.0, scores[1])  # half are wrong
        means = scores.mean(axis=2)
        differences = means[1:] - means[0]
        deviation = float(differences[0].std(ddof=1))
        level = max_t_level(differences, flips=600)
        announced.append(power_to_find(0.06, deviation, 120, level=level))
        bonferroni.append(power_to_find(0.06, deviation, 120, level=0.05 / 9))
        found += max_t(differences, flips=600)[0] < 0.05
    # standard error 3 points
    assert 0.5 < np.mean(announced) < 0.95
    assert found / 200 == pytest.approx(np.mean(announced), abs=0.06)
    assert np.mean(bonferroni) < np.mean(announced)


def test_a_quarter_of_a_point_without_scores_by_question_takes_hundreds_to_hundred_thousands() -> (
    None
):
    fewest, most = questions_range(0.5585, 0.56125, parts=4)
    assert 600 < fewest < 800
    assert 400_000 < most < 600_000
