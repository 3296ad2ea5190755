"""The loss on recorded rollouts that nothing is trained on, query by query, and that of chance.

Shape legend: B queries, N rollouts of all of them, S shots.
"""

import torch
from torch import Tensor

from trainer.encoding import Rows
from trainer.groups import batch_of
from trainer.policy import PointerSelector, rollout_log_probs
from trainer.recorded import padded
from trainer.tasks import RecordedRollouts

VALIDATED_AT_ONCE = 256  # queries: bounds memory


@torch.no_grad()
def validation_losses(
    policy: PointerSelector, rollouts: RecordedRollouts, rows: Rows, rewards: Tensor
) -> Tensor:
    """RCE of every query, with ``rewards`` (N,) as they are and temperature 1. Shape: ``(B,)``."""
    policy.eval()
    losses = []
    everyone = torch.arange(len(rollouts.queries), device=rewards.device)
    for chosen in torch.split(everyone, VALIDATED_AT_ONCE):
        pointers = rollouts.pointers[batch_of(rollouts.offsets, chosen).members]
        encoded = rows.encode(policy, rollouts.questions[chosen])
        log_probs = rollout_log_probs(policy.step_logits(encoded, pointers), pointers)
        weights = padded(rewards, rollouts.offsets, chosen, absent=-torch.inf).softmax(dim=1)
        losses.append(-(weights * log_probs).sum(dim=1))
    return torch.cat(losses)


def uniform_losses(rollouts: RecordedRollouts) -> Tensor:
    """The loss of a policy that chooses by lot: log K + log(K - 1) + ... over the S steps.

    8.30 nats for two shots of 64. Shape: ``(B,)``, float64.
    """
    left = rollouts.pool_sizes[:, None] - torch.arange(
        rollouts.pointers.shape[1], device=rollouts.pool_sizes.device
    )
    return left.double().log().sum(dim=1)
