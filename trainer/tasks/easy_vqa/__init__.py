"""The embedded task: rendered shapes and questions about them; `reader.py` opens who answers.

Rows 0-2399 are the pool, of train images 2000-3999: candidates are drawn from it, its first 1,600
are the training queries, the next 400 the validation queries. The 800 rows after it are the
questions of "select" (test images 0-499), the last 800 those of "holdout" (test images 500-999). So
the reader's pre-training (train images 0-1999), the policy's training and both evaluations see
different images. Kinds of question take turns in every part. All draws are seeded by constants: no
spec changes them.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.contract import EasyVqaSpec
from trainer.errors import InputError
from trainer.readers import Reader
from trainer.readers.in_context import PretrainedModel, load_model
from trainer.tasks import QuestionSet, RecordedRollouts
from trainer.tasks.easy_vqa.data import (
    ANSWERS,
    Rows,
    Split,
    concatenate_rows,
    package_data,
    sample_rows,
    word_matrix,
)
from trainer.tasks.easy_vqa.embeddings import embed_rows

POOL_ROWS = 2400
TRAINING_QUERIES = 1600
VALIDATION_QUERIES = 400
QUESTIONS = 800  # of each evaluation split
POOL_SIZE = 64
ROLLOUTS, RECORDED_SHOTS = 16, 2  # of the behaviour policy, for each query
NEAREST = 12  # candidates that half of the behaviour policy's rollouts choose from
SPLITS = {  # evaluation split -> first row
    "select": POOL_ROWS,
    "holdout": POOL_ROWS + QUESTIONS,
}
ROLLOUT_QUERIES = {
    "train": range(TRAINING_QUERIES),
    "validate": range(TRAINING_QUERIES, TRAINING_QUERIES + VALIDATION_QUERIES),
}
PARTS: tuple[tuple[Split, range, int], ...] = (  # images and number of rows, one below the other
    ("train", range(2000, 4000), POOL_ROWS),
    ("test", range(500), QUESTIONS),
    ("test", range(500, 1000), QUESTIONS),
)
SEEDS = {"rows": 20, "select": 21, "holdout": 22, "train": 23, "validate": 24}
WEIGHTS = Path(__file__).with_name("reader.safetensors")


class EasyVqa:
    """The task `easy_vqa`; see `Task`.

    Args:
        spec: Says how many of the training queries are used.
        data: Folder of the questions and images; default: that of the installed package.
        weights: The reader's; they say which words of a question count.

    Raises:
        InputError: if data or weights are missing, damaged or do not fit each other.
    """

    rollouts_are_files = False

    def __init__(
        self,
        spec: EasyVqaSpec,
        *,
        data: Path | None = None,
        weights: Path = WEIGHTS,
    ) -> None:
        self.weights = weights
        vocabulary = load_reader_model(weights).vocabulary
        root = package_data() if data is None else data
        self.rows = rows = _load_rows(root)
        self.words = words = word_matrix(rows.texts, vocabulary)
        self.answers = rows.answers
        self.image_of_row = rows.image_of_row
        self.embeddings = embed_rows(rows.images, rows.image_of_row, words, fit_rows=POOL_ROWS)
        self.training_queries = torch.arange(spec.training_queries)
        self._questions = {
            split: self._ask(range(first, first + QUESTIONS), SEEDS[split])
            for split, first in SPLITS.items()
        }
        self.data_digest = _digest(
            f"{SEEDS} {ROLLOUT_QUERIES} {ROLLOUTS} {RECORDED_SHOTS} {NEAREST}",
            rows.images,
            rows.image_of_row,
            rows.answers,
            words,
            self.embeddings,
            *(part.pools for part in self._questions.values()),
        )
        self.selection_digest = self.data_digest
        self.training_digest = f"{self.data_digest}-{spec.training_queries}"
        self.facts: Mapping[str, Any] = {}
        self._recorded: dict[tuple[str, str], RecordedRollouts] = {}  # by split and reader

    def questions(self, split: str) -> QuestionSet:
        """The evaluation questions of "select" or "holdout", 800 each."""
        return self._questions[split]

    def draw_pools(self, queries: Tensor, generator: torch.Generator) -> Tensor:
        """Draw 64 distinct pool rows a query, none about the query's image, in random order.

        Args:
            queries: Global ids. Shape: ``(B,)``.
            generator: A generator of the CPU.

        Returns:
            Global ids. Shape: ``(B, 64)``, int64.
        """
        keys = torch.rand(len(queries), POOL_ROWS, generator=generator)
        own = self.image_of_row[queries, None] == self.image_of_row[:POOL_ROWS]
        return keys.masked_fill_(own, -1.0).topk(POOL_SIZE, dim=1).indices

    def record_rollouts(self, split: str, reader: Reader) -> RecordedRollouts:
        """Let the behaviour policy choose and ``reader`` answer, for "train" or "validate".

        Every second rollout takes two random candidates, the others two random ones of the twelve
        that are nearest to the query. Fewer training queries get the rollouts they have among all.
        """
        key = (split, reader.digest)
        if key not in self._recorded:
            self._recorded[key] = self._record(split, reader)
        return self._recorded[key]

    def _record(self, split: str, reader: Reader) -> RecordedRollouts:
        generator = torch.Generator().manual_seed(SEEDS[split])
        queries = torch.tensor(ROLLOUT_QUERIES[split])
        pools = self.draw_pools(queries, generator)
        pointers = self._behave(queries, pools, generator)
        if split == "train":
            used = len(self.training_queries)
            queries, pools, pointers = queries[:used], pools[:used], pointers[:used]
        shots = pools[:, None].expand(-1, ROLLOUTS, -1).gather(2, pointers)
        answers = reader.answer(
            queries.repeat_interleave(ROLLOUTS), shots.reshape(-1, RECORDED_SHOTS)
        )
        return RecordedRollouts(
            queries=queries,
            pools=pools,
            pool_sizes=_full(pools),
            offsets=torch.arange(len(queries) + 1) * ROLLOUTS,
            pointers=pointers.flatten(0, 1),
            hard=answers.score,  # one right answer a question: right or wrong is all there is
            soft=answers.score.clone(),
            gt_prob=answers.gt_prob,
            rel=torch.zeros_like(answers.score),
        )

    def _ask(self, rows: range, seed: int) -> QuestionSet:
        queries, generator = torch.tensor(rows), torch.Generator().manual_seed(seed)
        pools = self.draw_pools(queries, generator)
        return QuestionSet(queries=queries, pools=pools, pool_sizes=_full(pools))

    def _behave(self, queries: Tensor, pools: Tensor, generator: torch.Generator) -> Tensor:
        """Choose distinct candidates at random. Shape: ``(B,)``, ``(B, K)`` to ``(B, R, S)``."""
        near = (self.embeddings[pools] @ self.embeddings[queries, :, None])[..., 0]
        far = torch.ones_like(near).scatter(1, near.topk(NEAREST, dim=1).indices, 0.0).bool()
        keys = torch.rand(len(queries), ROLLOUTS, POOL_SIZE, generator=generator)
        keys[:, 1::2].masked_fill_(far[:, None], -1.0)
        return keys.topk(RECORDED_SHOTS, dim=2).indices


def _full(pools: Tensor) -> Tensor:
    return torch.full((len(pools),), pools.shape[1])


def _load_rows(root: Path) -> Rows:
    generator = torch.Generator().manual_seed(SEEDS["rows"])
    return concatenate_rows(
        [
            sample_rows(root, split, images=images, count=count, generator=generator)
            for split, images, count in PARTS
        ]
    )


def load_reader_model(weights: Path) -> PretrainedModel:
    """Read the weights. Raises InputError if they are damaged or answer other questions."""
    pretrained = load_model(weights)
    if pretrained.answers != ANSWERS:
        raise InputError(
            f"{weights}: the reader answers {pretrained.answers}, the task has {ANSWERS}; "
            "build it again: python -m trainer.tasks.easy_vqa.build"
        )
    return pretrained


def _digest(settings: str, *tensors: Tensor) -> str:
    """Hash settings, shapes and bytes: 32 hexadecimal digits."""
    hasher = hashlib.sha256(settings.encode())
    for tensor in tensors:
        hasher.update(str((tuple(tensor.shape), tensor.dtype)).encode())
        hasher.update(tensor.contiguous().numpy().tobytes())
    return hasher.hexdigest()[:32]
