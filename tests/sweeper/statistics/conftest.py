"""Simulated answers, in which settings have much in common, as real ones do."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

Answers = Callable[..., NDArray[np.float64]]


@pytest.fixture
def answers() -> Answers:
    """Right or wrong by four numbers of shots, as good for every setting. Shape: (K, Q, 4)."""

    def draw(generator: np.random.Generator, settings: int, questions: int) -> NDArray[np.float64]:
        difficulty = generator.beta(0.6, 0.6, (1, questions, 1))
        common = generator.random((1, questions, 4))
        own = generator.random((settings, questions, 4))
        shared = generator.random((settings, questions, 4)) < 0.7
        return np.asarray(np.where(shared, common, own) < difficulty, dtype=np.float64)

    return draw
