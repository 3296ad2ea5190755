"""Where queries, candidate pools and rewards come from: what every task offers.

Shape legend: M rows of the embedding matrix, B queries, K candidates, N recorded rollouts of all
queries, S shots, D width of an embedding. A *global id* is a row of the embedding matrix, a *local*
index a position in the query's pool. Pools of different size are padded with row 0 on the right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from trainer.contract import TrainSpec
from trainer.readers import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """Fixed questions with fixed pools, in a fixed random order: a prefix is a sample."""

    queries: Tensor  # global ids. Shape: (B,), int64
    pools: Tensor  # global ids. Shape: (B, K), int64
    pool_sizes: Tensor  # candidates of each. Shape: (B,), int64

    def __getitem__(self, chosen: Tensor | slice) -> "QuestionSet":
        """Some of the questions."""
        return QuestionSet(
            queries=self.queries[chosen],
            pools=self.pools[chosen],
            pool_sizes=self.pool_sizes[chosen],
        )

    def to(self, device: torch.device | str) -> "QuestionSet":
        """The same on another device."""
        return QuestionSet(
            queries=self.queries.to(device),
            pools=self.pools.to(device),
            pool_sizes=self.pool_sizes.to(device),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRollouts:
    """Rollouts with the fields that rewards are made of, the groups of all queries in one list."""

    queries: Tensor  # global ids. Shape: (B,), int64
    pools: Tensor  # global ids. Shape: (B, K), int64
    pool_sizes: Tensor  # Shape: (B,), int64
    offsets: Tensor  # query b owns the rollouts offsets[b] to offsets[b + 1]. Shape: (B + 1,)
    pointers: Tensor  # local indices in the order chosen. Shape: (N, S), int64
    hard: Tensor  # 1.0 where the answer is right. Shape: (N,), float32
    soft: Tensor  # accuracy of the answer, in [0, 1]. Shape: (N,), float32
    gt_prob: Tensor  # probability of the right answer, in [0, 1]. Shape: (N,), float32
    rel: Tensor  # how related the shots are to the query, in [0, 1]. Shape: (N,), float32
    score: Tensor | None = None  # older files: the reward itself, and nothing else. Shape: (N,)

    def tensors(self) -> dict[str, Tensor]:
        """All fields that are there, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def to(self, device: torch.device | str) -> "RecordedRollouts":
        """The same on another device."""
        return RecordedRollouts(**{name: t.to(device) for name, t in self.tensors().items()})

    @property
    def questions(self) -> QuestionSet:
        """The queries with their pools, as questions."""
        return QuestionSet(queries=self.queries, pools=self.pools, pool_sizes=self.pool_sizes)


class Task(Protocol):
    """One data set, without anyone who answers. Built once a worker, shared by its jobs, never
    changed.

    All tensors that it hands out are on the CPU.
    """

    embeddings: Tensor  # Shape: (M, D), float32
    training_queries: Tensor  # global ids. Shape: (B,), int64
    data_digest: str  # of what the evaluation uses
    selection_digest: str  # of what it uses where the judge has questions of its own
    training_digest: str  # of what training uses
    rollouts_are_files: bool  # whether `record_rollouts` reads a file instead of asking
    facts: Mapping[str, Any]  # what reading the data found, for people; JSON

    def questions(self, split: str) -> QuestionSet:
        """The evaluation questions of "select" or "holdout"; InputError where there are none."""

    def draw_pools(self, queries: Tensor, generator: torch.Generator) -> Tensor:
        """Fresh candidate pools for training queries. Shape: ``(B,)`` to ``(B, K)``."""

    def record_rollouts(self, split: str, reader: Reader) -> RecordedRollouts:
        """The recorded rollouts of "train" or "validate": answered by ``reader``, which is asked
        for each once, or read, whoever answered them. Deterministic.
        """


class Inputs(NamedTuple):
    """What a spec is trained with: the data, and who answers questions about it."""

    task: Task
    reader: Reader


def build_task(spec: TrainSpec) -> Task:
    """Load the data that ``spec`` names; InputError where some are missing."""
    if spec.task.name == "easy_vqa":
        from trainer.tasks.easy_vqa import EasyVqa  # costs the decoding of 5,000 images

        return EasyVqa(spec.task)
    from trainer.tasks.files import FilesTask

    return FilesTask(spec.task)


def open_reader(spec: TrainSpec, task: Task, *, device: str = "cpu") -> Reader:
    """Open who answers questions about the rows of ``task``, on ``device``.

    Jobs see the protocol alone: a reader that lives in another process is opened here too, and
    knows the rows by their global ids.

    Args:
        spec: Names the task.
        task: Built of ``spec``.
        device: Where answers are computed.

    Raises:
        InputError: where the reader's weights cannot be used.
    """
    if spec.task.name == "easy_vqa":
        from trainer.tasks.easy_vqa.reader import open_own_reader

        return open_own_reader(task, device=device)
    from trainer.tasks.files.recorded_reader import open_recorded_reader

    return open_recorded_reader(task)


def open_inputs(spec: TrainSpec, device: str) -> Inputs:
    """Load data and reader of ``spec``. Raises InputError."""
    task = build_task(spec)
    return Inputs(task, open_reader(spec, task, device=device))
