"""Who answers: what every reader offers. A reader is frozen and deterministic."""

from typing import NamedTuple, Protocol

from torch import Tensor


class Answers(NamedTuple):
    """What the reader said to (query, shots)."""

    score: Tensor  # accuracy of the answer, in [0, 1]. Shape: (B,), float32
    gt_prob: Tensor  # probability of the right answer, in [0, 1]. Shape: (B,), float32


class Reader(Protocol):
    """A frozen model that answers a query with S demonstrations in its prompt."""

    digest: str
    calls: int  # (query, shots) pairs answered so far

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        """Answer each query with its shots; an answer does not depend on its neighbours.

        Args:
            queries: Global ids. Shape: ``(B,)``.
            shots: Global ids in the order chosen; the last stands next to the query. Shape:
                ``(B, S)``, S in 0-4.
        """
