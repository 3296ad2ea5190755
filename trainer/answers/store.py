"""What every store of answers offers."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Prompts = npt.NDArray[np.int64]  # the query, then its shots in their order. Shape: (B, 1 + S)


class Answer(NamedTuple):
    """What is kept of one answer."""

    score: float  # in [0, 1]; float32
    gt_prob: float  # in [0, 1]; float32; NaN where the reader does not tell
    text: str | None = None


class AnswerStore(Protocol):
    """The answers of one workspace, as one process has them open.

    What one process adds is found by all others. The answer that came first stands; one that is
    damaged is none, and the next takes its place. Every method raises AnswersError where answers
    cannot be read or written.
    """

    def look_up(self, reader: str, prompts: Prompts) -> list[Answer | None]:
        """The answers to ``prompts`` of the reader with this digest; None where none is known."""

    def add(self, reader: str, prompts: Prompts, answers: Sequence[Answer]) -> None:
        """Keep answers. One that is there stays, unless it is damaged."""

    def close(self) -> None:
        """Give back what is open; the store is of no use afterwards."""

    def __len__(self) -> int:
        """How many answers there are."""
