"""Who answers: what every reader offers. A reader is frozen and deterministic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor


class Answers(NamedTuple):
    """What the reader said to (query, shots)."""

    score: Tensor  # accuracy of the answer, in [0, 1]. Shape: (B,), float32
    gt_prob: Tensor  # probability of the right answer, in [0, 1]. Shape: (B,), float32
    texts: Sequence[str] | None = None  # what it said word for word, of a reader that tells


@dataclass(frozen=True, slots=True)
class Calls:
    """How many answers were needed, by where they came from."""

    asked: int = 0  # of the reader itself
    store: int = 0  # known from before
    equal: int = 0  # the same query with the same shots, further down in one batch

    def __add__(self, other: "Calls") -> "Calls":
        return Calls(self.asked + other.asked, self.store + other.store, self.equal + other.equal)

    def __sub__(self, other: "Calls") -> "Calls":
        return Calls(self.asked - other.asked, self.store - other.store, self.equal - other.equal)

    @property
    def needed(self) -> int:
        """What asking for every answer would have cost."""
        return self.asked + self.store + self.equal


Settle = Callable[[Tensor, Calls], Calls]
"""How a call counts: of the prompts that are needed (the query, then its shots; on the CPU. Shape:
``(B, 1 + S)``) and what becomes of them as things stand."""


class Reader(Protocol):
    """A frozen model that answers a query with S demonstrations in its prompt."""

    digest: str
    batch_size: int  # prompts that it reads at a time
    batch_invariant: bool  # whether an answer is the same whatever stands beside it in a batch
    worth_storing: bool  # whether looking an answer up is much cheaper than asking for it

    @property
    def calls(self) -> Calls:
        """What has been needed so far."""

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        """Answer each query with its shots.

        Args:
            queries: Global ids. Shape: ``(B,)``.
            shots: Global ids in the order chosen; the last stands next to the query. Shape:
                ``(B, S)``, S in 0-4.
        """
