"""Where queries, candidate pools and rewards come from: what every task offers.

Shape legend: N rows of the embedding matrix, B queries, K candidates, R recorded rollouts, S shots,
D width of an embedding. A *global id* is a row of the embedding matrix, a *local* index a position
in the query's pool.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from trainer.contract import TaskSpec
from trainer.readers import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """Fixed questions with fixed pools, in a fixed random order: a prefix is a sample."""

    queries: Tensor  # global ids. Shape: (B,), int64
    pools: Tensor  # global ids. Shape: (B, K), int64


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRollouts:
    """Rollouts with the fields that rewards are made of."""

    queries: Tensor  # global ids. Shape: (B,), int64
    pools: Tensor  # global ids. Shape: (B, K), int64
    pointers: Tensor  # local indices in the order chosen. Shape: (B, R, S), int64
    hard: Tensor  # 1.0 where the answer is right. Shape: (B, R), float32
    soft: Tensor  # accuracy of the answer, in [0, 1]. Shape: (B, R), float32
    gt_prob: Tensor  # probability of the right answer, in [0, 1]. Shape: (B, R), float32


class Task(Protocol):
    """One data set with its reader. Built once a worker, shared by its jobs, never changed.

    All tensors that it hands out are on the CPU; the reader answers on the device of the queries.
    """

    embeddings: Tensor  # Shape: (N, D), float32
    training_queries: Tensor  # global ids. Shape: (B,), int64
    data_digest: str
    reader: Reader

    def questions(self, split: str) -> QuestionSet:
        """The evaluation questions of "select" or "holdout", 800 each."""

    def draw_pools(self, queries: Tensor, generator: torch.Generator) -> Tensor:
        """Fresh candidate pools for training queries. Shape: ``(B,)`` to ``(B, K)``."""

    def record_rollouts(self, split: str) -> RecordedRollouts:
        """Ask the behaviour policy and the reader, for "train" or "validate". Deterministic."""


def build_task(spec: TaskSpec, *, device: str = "cpu") -> Task:
    """Load the task that ``spec`` names onto ``device``; InputError where data is missing."""
    from trainer.tasks.easy_vqa import EasyVqa  # costs the decoding of 5,000 images

    return EasyVqa(spec, device=device)
