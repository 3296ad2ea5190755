"""Recorded rollouts with their rewards, in the form in which a phase trains on them.

Rewards, advantages and which rollouts are used depend on no weights: they are computed once, for
all queries together.

Shape legend: B queries, N rollouts of all of them, b queries of a batch, G rollouts of one.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.contract import GrpoSpec, RceSpec
from trainer.errors import InputError
from trainer.groups import batch_of, subset, within_groups
from trainer.policy.losses import (
    group_relative_advantages,
    normalise_rewards,
    rank_advantages,
    top_rollouts,
)
from trainer.rollouts.rewards import recorded_reward
from trainer.tasks import RecordedRollouts

PER_ROLLOUT = ("pointers", "hard", "soft", "gt_prob", "rel", "score")  # fields of RecordedRollouts


def reward_of(rollouts: RecordedRollouts, settings: RceSpec | GrpoSpec) -> Tensor:
    """The reward of every recorded rollout. Shape: ``(N,)``. Raises InputError as `raw_reward`."""
    weights = settings.reward_weights
    return raw_reward(
        rollouts,
        settings.reward,
        hard_weight=weights.hard,
        soft_weight=weights.soft,
        rel_weight=weights.rel,
    )


def raw_reward(rollouts: RecordedRollouts, mode: str, **weights: float) -> Tensor:
    """The reward of every recorded rollout by ``mode`` and its weights. Shape: ``(N,)``.

    Raises:
        InputError: where the rollouts do not hold what the mode is made of.
    """
    if (rollouts.score is not None) != (mode == "score"):
        wanted = "score" if rollouts.score is not None else "one made of hard, soft, gt_prob, rel"
        raise InputError(
            f"`reward: {mode}` does not fit these rollouts, which record"
            f" {'a score alone' if rollouts.score is not None else 'no score of their own'}; use"
            f" {wanted}"
        )
    if rollouts.score is not None:
        return rollouts.score
    return recorded_reward(
        mode,
        hard=rollouts.hard,
        soft=rollouts.soft,
        gt_prob=rollouts.gt_prob,
        rel=rollouts.rel,
        **weights,
    )


class Weighted(NamedTuple):
    """Recorded rollouts, each with its reward and with a weight made of it."""

    rollouts: RecordedRollouts
    rewards: Tensor  # as recorded. Shape: (N,)
    values: Tensor  # RCE: normalised rewards; GRPO: advantages. Shape: (N,)
    kept: Tensor  # which of all recorded rollouts these are. Shape: (all of them,), bool


def for_rce(rollouts: RecordedRollouts, settings: RceSpec) -> Weighted:
    """The rollouts that RCE uses, with their normalised rewards."""
    used, rewards, kept = best_of(rollouts, reward_of(rollouts, settings), settings.top)
    if settings.top == 1:  # one rollout is all there is to imitate
        return Weighted(used, rewards, rewards, kept)
    values = within_groups(
        rewards, used.offsets, lambda r: normalise_rewards(r, settings.normalise)
    )
    return Weighted(used, rewards, values, kept)


def for_grpo(rollouts: RecordedRollouts, settings: GrpoSpec, *, epoch: int) -> Weighted:
    """The rollouts that GRPO uses in ``epoch`` (one-based), with their advantages."""
    stages = settings.curriculum
    top = None if stages is None else stages[min(epoch, len(stages)) - 1]
    used, rewards, kept = best_of(rollouts, reward_of(rollouts, settings), top)
    values = within_groups(rewards, used.offsets, lambda r: advantages_of(r, settings))
    return Weighted(used, rewards, values, kept)


def advantages_of(rewards: Tensor, settings: GrpoSpec) -> Tensor:
    """Advantages within groups of one size. Shape: ``(b, G)`` to ``(b, G)``."""
    if settings.advantage == "rank":
        return rank_advantages(rewards)
    return group_relative_advantages(
        rewards, min_std=settings.advantage_min_std, clamp=settings.advantage_clamp
    )


def best_of(
    rollouts: RecordedRollouts, rewards: Tensor, top: int | None
) -> tuple[RecordedRollouts, Tensor, Tensor]:
    """Keep the ``top`` rollouts of highest reward of each query, in file order; None keeps all.

    Returns:
        The rollouts kept, their rewards, and which they are: True for each that is kept.
    """
    if top is None:
        return rollouts, rewards, torch.ones_like(rewards, dtype=torch.bool)
    kept = within_groups(rewards, rollouts.offsets, lambda r: _is_among_best(r, top)).bool()
    each = rollouts.tensors()
    fields = {name: each[name][kept] for name in PER_ROLLOUT if name in each}
    used = replace(rollouts, **fields, offsets=subset(rollouts.offsets, kept))
    return used, rewards[kept], kept


def _is_among_best(rewards: Tensor, top: int) -> Tensor:
    return torch.zeros_like(rewards).scatter_(1, top_rollouts(rewards, top), 1.0)


def padded(values: Tensor, offsets: Tensor, chosen: Tensor, *, absent: float) -> Tensor:
    """The groups of the queries ``chosen`` side by side, ``absent`` at padding. ``(b, G)``."""
    batch = batch_of(offsets, chosen)
    return torch.where(batch.present, values[batch.members], absent)
