"""Groups of different size: the rollouts of all queries in one flat list, and batches of them.

Query b owns the rollouts ``offsets[b]`` to ``offsets[b + 1]``. What is computed within a group is
computed for all groups of one size at once, so that no formula needs to know of padding. Pure.

Shape legend: B queries, N rollouts of all of them, G rollouts of one, b queries of a batch.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """The rollouts of some queries, side by side; groups smaller than the largest are padded."""

    members: Tensor  # into the flat list; padding repeats a group's first. Shape: (b, G), int64
    present: Tensor  # False at padding. Shape: (b, G), bool

    @property
    def shares(self) -> Tensor:
        """Share of each rollout in a mean over queries of means over groups. Shape: ``(b, G)``."""
        sizes = self.present.sum(dim=1, keepdim=True)
        return self.present / (sizes * len(sizes))


def batch_of(offsets: Tensor, chosen: Tensor) -> Batch:
    """Lay the groups of the queries ``chosen`` side by side.

    Args:
        offsets: Shape: ``(B + 1,)``, int64.
        chosen: Queries, by position. Shape: ``(b,)``, int64.
    """
    first = offsets[chosen]
    sizes = offsets[chosen + 1] - first
    place = torch.arange(int(sizes.max()), device=offsets.device)
    present = place < sizes[:, None]
    return Batch(first[:, None] + torch.where(present, place, 0), present)


def within_groups(values: Tensor, offsets: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply ``function`` to the groups, all of one size together.

    Args:
        values: One for each rollout. Shape: ``(N,)``.
        offsets: Shape: ``(B + 1,)``.
        function: ``(b, G)`` to ``(b, G)``; must treat every row alone.

    Returns:
        Shape: ``(N,)``.
    """
    sizes = offsets.diff()
    result = torch.empty_like(values)
    for size in torch.unique(sizes).tolist():
        members = batch_of(offsets, (sizes == size).nonzero()[:, 0]).members
        result[members] = function(values[members])
    return result


def subset(offsets: Tensor, kept: Tensor) -> Tensor:
    """The offsets of the groups once only the rollouts ``kept`` (N,) remain."""
    counts = torch.cat([kept.new_zeros(1, dtype=torch.int64), kept.cumsum(0)])
    return counts[offsets]
