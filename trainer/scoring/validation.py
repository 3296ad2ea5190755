"""The loss on recorded rollouts that nothing is trained on, query by query, and that of chance.

Shape legend: B queries, N rollouts of all of them, b queries of a part, G rollouts of one, S shots.
"""

import torch
from torch import Tensor

from trainer.evaluation_batch import LAID_OUT
from trainer.groups import batch_of
from trainer.policy.encoding import Rows
from trainer.policy.losses import kl_penalty
from trainer.policy.policy import PointerSelector, rollout_log_probs
from trainer.rollouts.recorded import padded
from trainer.tasks import RecordedRollouts


@torch.no_grad()
def validation_losses(
    policy: PointerSelector, rollouts: RecordedRollouts, rows: Rows, rewards: Tensor
) -> Tensor:
    """RCE of every query, with ``rewards`` (N,) as they are and temperature 1. Shape: ``(B,)``."""
    losses = []
    for chosen in _parts(rollouts):
        log_probs = _log_probs(policy, rollouts, rows, chosen)
        weights = padded(rewards, rollouts.offsets, chosen, absent=-torch.inf).softmax(dim=1)
        losses.append(-(weights * log_probs).sum(dim=1))
    return torch.cat(losses)


@torch.no_grad()
def validation_kl(
    policy: PointerSelector, reference: PointerSelector, rollouts: RecordedRollouts, rows: Rows
) -> Tensor:
    """The lab's estimate of the KL to ``reference`` on these rollouts, without dropout: a scalar.

    Beside the KL of the training, which sees the policy with its dropout, it tells how much of that
    is distance and how much noise.
    """
    parts = []
    for chosen in _parts(rollouts):
        batch = batch_of(rollouts.offsets, chosen)
        now, then = (_log_probs(p, rollouts, rows, chosen) for p in (policy, reference))
        kl = kl_penalty(now.double(), then.double(), estimator="lab", shares=batch.shares)
        parts.append(kl * len(chosen))
    return torch.stack(parts).sum() / len(rollouts.queries)


def _parts(rollouts: RecordedRollouts) -> tuple[Tensor, ...]:
    everyone = torch.arange(len(rollouts.queries), device=rollouts.offsets.device)
    return torch.split(everyone, LAID_OUT)


def _log_probs(
    policy: PointerSelector, rollouts: RecordedRollouts, rows: Rows, chosen: Tensor
) -> Tensor:
    """Of every rollout of the queries ``chosen``, without dropout. Shape: ``(b, G)``."""
    pointers = rollouts.pointers[batch_of(rollouts.offsets, chosen).members]
    parts = rows.encode_parts(policy.eval(), rollouts.questions[chosen])
    return torch.cat(
        [
            rollout_log_probs(policy.step_logits(encoded, pointers[place]), pointers[place])
            for place, encoded in parts
        ]
    )


def uniform_losses(rollouts: RecordedRollouts) -> Tensor:
    """The loss of a policy that chooses by lot: log K + log(K - 1) + ... over the S steps.

    8.30 nats for two shots of 64. Shape: ``(B,)``, float64.
    """
    left = rollouts.pool_sizes[:, None] - torch.arange(
        rollouts.pointers.shape[1], device=rollouts.pool_sizes.device
    )
    return left.double().log().sum(dim=1)
