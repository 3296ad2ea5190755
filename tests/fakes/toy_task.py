"""A task for unit tests: three kinds of rows; a reader that counts shots of the right kind."""

import torch
from torch import Tensor

from trainer.readers import Answers, Calls, Reader
from trainer.tasks import Inputs, QuestionSet, RecordedRollouts

ROWS, WIDTH, POOL, KINDS = 96, 12, 16, 3
KIND_OF_ROW = torch.arange(ROWS) % KINDS


class ToyReader:
    """Right where most shots, the last counting most, are of the query's kind."""

    digest = "toy-reader"
    batch_size = 16
    batch_invariant = True
    worth_storing = True

    def __init__(self) -> None:
        self.calls = Calls()

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        self.calls += Calls(asked=len(queries))
        same = (KIND_OF_ROW[shots] == KIND_OF_ROW[queries][:, None]).float()
        weights = torch.arange(1, shots.shape[1] + 1).float()
        share = (same * weights).sum(dim=1) / weights.sum().clamp(min=1.0)
        return Answers((share > 0.5).float(), share)


class ToyTask:
    """Rows cluster by kind, so that a policy can learn which candidates to choose."""

    data_digest = "toy-data"
    selection_digest = "toy-data"
    training_digest = "toy-training"
    rollouts_are_files = False

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        centres = torch.randn(KINDS, WIDTH, generator=generator)
        noise = torch.randn(ROWS, WIDTH, generator=generator)
        self.embeddings = torch.nn.functional.normalize(centres[KIND_OF_ROW] + 0.8 * noise, dim=1)
        self.training_queries = torch.arange(32)
        self.facts: dict[str, object] = {}

    def questions(self, split: str) -> QuestionSet:
        begin = {"select": 32, "holdout": 64}[split]
        queries = torch.arange(begin, begin + 32)
        generator = torch.Generator().manual_seed(begin)
        pools = self.draw_pools(queries, generator)
        return QuestionSet(queries=queries, pools=pools, pool_sizes=torch.full((32,), POOL))

    def draw_pools(self, queries: Tensor, generator: torch.Generator) -> Tensor:
        weights = torch.rand(len(queries), ROWS, generator=generator)
        weights[torch.arange(len(queries)), queries] = -1.0
        return weights.argsort(dim=1, descending=True)[:, :POOL]

    def record_rollouts(self, split: str, reader: Reader) -> RecordedRollouts:
        queries = torch.arange(32) if split == "train" else torch.arange(64, 80)
        generator = torch.Generator().manual_seed(len(queries))
        pools = self.draw_pools(queries, generator)
        pointers = torch.rand(len(queries), 6, POOL, generator=generator).argsort(dim=2)[:, :, :2]
        shots = pools[:, None].expand(-1, 6, -1).gather(2, pointers)
        answers = reader.answer(queries.repeat_interleave(6), shots.flatten(0, 1))
        return RecordedRollouts(
            queries=queries,
            pools=pools,
            pool_sizes=torch.full((len(queries),), POOL),
            offsets=torch.arange(len(queries) + 1) * 6,
            pointers=pointers.flatten(0, 1),
            hard=answers.score,
            soft=answers.score,
            gt_prob=answers.gt_prob,
            rel=torch.zeros_like(answers.score),
        )


def toy_inputs() -> Inputs:
    """The toy task, and a toy reader that nobody has asked yet."""
    return Inputs(ToyTask(), ToyReader())
