"""The paired test against enumeration, whole-number convolution and SciPy, and its level."""

import itertools
import math

import numpy as np
import pytest
from conftest import Answers
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweeper.statistics.sign_flip import sign_flip_p, sign_flip_p_values, told_p

VQA = [0.0, 0.3, 0.6, 0.9, 1.0]


@given(st.lists(st.sampled_from([-4, -3, -1, 0, 1, 2, 5]), min_size=1, max_size=9))
def test_the_exact_test_counts_all_flips(tenths: list[int]) -> None:
    differences = np.array(tenths) / 40
    sums = [
        abs(sum(sign * tenth for sign, tenth in zip(signs, tenths, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(tenths))
    ]
    expected = sum(total >= abs(sum(tenths)) for total in sums) / len(sums)
    assert sign_flip_p(differences) == pytest.approx(expected)


@pytest.mark.parametrize("shots", [1, 2, 3, 4])
@pytest.mark.parametrize("scores", [VQA, [0.0, 1 / 3, 2 / 3, 1.0]], ids=["tenths", "thirds"])
def test_means_over_shots_are_tested_exactly(scores: list[float], shots: int) -> None:
    generator = np.random.default_rng(shots)
    drawn = generator.choice(scores, (2, 9, shots)).astype(np.float32).mean(axis=2)
    differences = drawn[0].astype(np.float64) - drawn[1]
    signs = np.array(list(itertools.product((-1, 1), repeat=9)))
    sums = np.abs(signs @ differences)
    expected = float((sums >= abs(differences.sum()) - 1e-5).mean())
    assert sign_flip_p(differences, flips=1) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("lead", "questions"), [(0.05, 150), (0.5, 150), (0.02, 300)])
def test_many_questions_are_convolved_to_the_last_whole_number(lead: float, questions: int) -> None:
    generator = np.random.default_rng(0)
    steps = generator.integers(-40, 41, questions) + round(lead * 40)
    counts = {0: 1}
    for step in steps.tolist():
        later: dict[int, int] = {}
        for total, ways in counts.items():
            for moved in (total + step, total - step):
                later[moved] = later.get(moved, 0) + ways
        counts = later
    observed = abs(int(steps.sum()))
    extreme = sum(ways for total, ways in counts.items() if abs(total) >= observed)
    expected = extreme / (1 << questions)
    assert sign_flip_p(steps / 40) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_a_chance_below_the_resolution_is_bounded_not_invented() -> None:
    # 282 questions gained and 68 lost: 11.4 standard deviations, p about 2e-30 and not 2^-349
    differences = np.repeat([0.25, -0.25], [282, 68])
    assert sign_flip_p(differences) == 1e-12
    assert told_p(sign_flip_p(differences)) == "p <= 1e-12"
    assert told_p(0.04231) == "p = 0.042"


def test_all_signs_alike_leave_the_smallest_chance_there_is() -> None:
    assert sign_flip_p(np.full(60, 0.25)) == pytest.approx(math.ldexp(1.0, -59), rel=1e-12)
    assert sign_flip_p(np.full(200, 0.25)) == pytest.approx(math.ldexp(1.0, -199), rel=1e-12)
    assert sign_flip_p(np.array([0.25, 0.0, 0.25])) == 0.5
    assert sign_flip_p(np.zeros(5)) == 1.0


def test_scores_off_every_lattice_are_tested_by_random_flips() -> None:
    differences = np.random.default_rng(2).normal(0.05, 0.3, 60)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, random_state=0
    )
    assert sign_flip_p(differences, flips=20_000) == pytest.approx(theirs.pvalue, abs=0.02)
    # none of 50 is as far out as all signs alike: (1 + 0) / (1 + 50)
    assert sign_flip_p(differences[:40] + 9.0, flips=50) == pytest.approx(1 / 51)


def test_rows_are_tested_one_by_one(answers: Answers) -> None:
    first, second = answers(np.random.default_rng(3), 2, 70).mean(axis=2)
    exact = first - second
    rough = exact + np.random.default_rng(4).normal(0.0, 1e-3, 70)
    other = rough + 0.03
    together = sign_flip_p_values(np.stack([rough, exact, -exact, other]), flips=3000)
    alone = [sign_flip_p(row, flips=3000) for row in (rough, exact, exact, other)]
    assert together == pytest.approx(alone, abs=1e-12)
    assert together[0] == pytest.approx(together[1], abs=0.06)
    with pytest.raises(ValueError, match="finite"):
        sign_flip_p(np.array([0.1, math.nan]))


def test_the_test_keeps_its_level(answers: Answers) -> None:
    generator = np.random.default_rng(5)
    studies = answers(generator, 1200, 100).mean(axis=2)
    p_values = sign_flip_p_values(studies[::2] - studies[1::2])
    # standard error 0.9 points
    assert (p_values < 0.05).mean() == pytest.approx(0.05, abs=0.02)
