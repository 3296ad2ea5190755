"""From rows of the embedding matrix to what a policy compares: masks, and projections kept.

Where the projections are frozen their outputs are computed once for all rows, not at every visit.

Shape legend: M rows of the matrix, B queries, K candidates, D width of an embedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.policy.policy import Encoded, PointerSelector, Projected
from trainer.tasks import QuestionSet


@dataclass(frozen=True, slots=True)
class Rows:
    """The embedding matrix, and what the policy's projections make of it where they are frozen."""

    embeddings: Tensor  # on the policy's device. Shape: (M, D)
    projected: Projected | None = None

    def encode(self, policy: PointerSelector, questions: QuestionSet) -> Encoded:
        """Encode queries and pools, the pools no wider than the largest of them."""
        widest = int(questions.pool_sizes.max())
        pools, mask = questions.pools[:, :widest], pool_mask(questions.pool_sizes, widest)
        if self.projected is not None:
            return policy.encode_projected(self.projected, questions.queries, pools, mask=mask)
        queries = F.embedding(questions.queries, self.embeddings)  # thrice as fast as an index
        return policy.encode(queries, F.embedding(pools, self.embeddings), mask=mask)


def pool_mask(sizes: Tensor, widest: int) -> Tensor | None:
    """True where a pool has a candidate; None where all pools are full. Shape: ``(B, K)``."""
    if int(sizes.min()) == widest:
        return None
    return torch.arange(widest, device=sizes.device) < sizes[:, None]
