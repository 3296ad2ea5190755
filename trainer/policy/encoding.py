"""From rows of the embedding matrix to what a policy compares: masks, and projections kept.

Where the projections are frozen their outputs are computed once for all rows, not at every visit.

Shape legend: M rows of the matrix, B queries, K candidates, D width of an embedding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.evaluation_batch import evaluation_batch
from trainer.policy.policy import Encoded, PointerSelector, Projected
from trainer.tasks import QuestionSet


@dataclass(frozen=True, slots=True)
class Rows:
    """The embedding matrix, and what the policy's projections make of it where they are frozen."""

    embeddings: Tensor  # on the policy's device. Shape: (M, D)
    projected: Projected | None = None

    def encode(self, policy: PointerSelector, questions: QuestionSet) -> Encoded:
        """Encode queries and pools, the pools no wider than the largest of them."""
        return self._encode(policy, questions.queries, *_laid_out(questions))

    def encode_parts(
        self, policy: PointerSelector, questions: QuestionSet
    ) -> Iterator[tuple[slice, Encoded]]:
        """Encode for an evaluation, so many at a time as memory is for; yield which these are.

        All are laid out as `encode` would lay them out together, and the parts are of one size but
        for one question: the batch changes no bit of what comes of one (seen on the CPU, where
        products of fewer than four add in another order; no library promises it).
        """
        pools, mask = _laid_out(questions)
        count = -(-len(pools) // evaluation_batch())
        bounds = [len(pools) * number // count for number in range(count + 1)]
        for part in map(slice, bounds, bounds[1:]):
            of_part = None if mask is None else mask[part]
            yield part, self._encode(policy, questions.queries[part], pools[part], of_part)

    def _encode(
        self, policy: PointerSelector, queries: Tensor, pools: Tensor, mask: Tensor | None
    ) -> Encoded:
        if self.projected is not None:
            return policy.encode_projected(self.projected, queries, pools, mask=mask)
        asked = F.embedding(queries, self.embeddings)  # thrice as fast as an index
        return policy.encode(asked, F.embedding(pools, self.embeddings), mask=mask)


def _laid_out(questions: QuestionSet) -> tuple[Tensor, Tensor | None]:
    """Pools side by side, and where they have candidates. Shapes: ``(B, K)``."""
    widest = int(questions.pool_sizes.max())
    return questions.pools[:, :widest], pool_mask(questions.pool_sizes, widest)


def pool_mask(sizes: Tensor, widest: int) -> Tensor | None:
    """True where a pool has a candidate; None where all pools are full. Shape: ``(B, K)``."""
    if int(sizes.min()) == widest:
        return None
    return torch.arange(widest, device=sizes.device) < sizes[:, None]
