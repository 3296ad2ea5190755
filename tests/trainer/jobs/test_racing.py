"""The bound that races are decided by."""

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.jobs.racing import BLOCK, ERROR_RATE, upper_bound

QUESTIONS = 800


def population(rng: np.random.Generator, *, behind: float) -> NDArray[np.float64]:
    """Differences as readers give them: most are nothing, the others quarters; mean -behind."""
    differing = rng.random(QUESTIONS) < 0.3
    steps = rng.choice([-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0], QUESTIONS)
    values = np.where(differing, steps, 0.0)
    shifted = np.clip(values - values.mean() - behind, -1.0, 1.0)
    return np.asarray(rng.permutation(shifted))


def questions_asked(differences: NDArray[np.float64]) -> int:
    for asked in range(BLOCK, QUESTIONS, BLOCK):
        if upper_bound(differences[:asked].tolist(), QUESTIONS) < 0.0:
            return asked
    return QUESTIONS


def test_a_trial_as_good_as_the_best_is_hardly_ever_lost() -> None:
    rng = np.random.default_rng(0)
    lost = sum(questions_asked(population(rng, behind=-1e-3)) < QUESTIONS for _ in range(100))
    assert lost <= 100 * ERROR_RATE


def test_five_points_behind_are_seen_after_half_of_the_questions() -> None:
    rng = np.random.default_rng(1)
    asked = [questions_asked(population(rng, behind=0.05)) for _ in range(40)]
    assert 160 <= np.median(asked) <= 480


@pytest.mark.parametrize("total", [1, 2, 5, 800])
def test_the_bound_holds_for_any_number_of_questions(total: int) -> None:
    assert upper_bound([], total) == 1.0
    worst = upper_bound([-1.0] * total, total)
    assert -1.0 <= worst <= 1.0
    assert upper_bound([1.0] * total, total) == 1.0
    assert worst == min(upper_bound([-1.0] * n, total) for n in range(total + 1))


def test_an_answer_that_speaks_for_the_trial_never_lowers_the_bound() -> None:
    rng = np.random.default_rng(2)
    before = population(rng, behind=0.1)[:200].tolist()
    assert upper_bound([*before, -1.0], QUESTIONS) <= upper_bound([*before, 1.0], QUESTIONS)
