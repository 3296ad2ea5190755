"""The RCE phase: reward-weighted cross-entropy on recorded rollouts, one epoch at a time.

A generator of epoch statistics; between two epochs its caller may evaluate, save or leave.
Randomness comes from (seed, phase, epoch) alone, so the phase can be entered at any epoch.

Shape legend: B queries, K candidates, R recorded rollouts, S shots.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from trainer.contract import RceSpec
from trainer.errors import NotFiniteError
from trainer.losses import normalise_rewards, rce_loss, temperature_at
from trainer.policy import PointerSelector, rollout_log_probs, step_entropy
from trainer.rewards import recorded_reward
from trainer.seeds import epoch_generators
from trainer.tally import Tally
from trainer.tasks import RecordedRollouts


def rce_epochs(
    policy: PointerSelector,
    optimizer: torch.optim.Optimizer,
    settings: RceSpec,
    rollouts: RecordedRollouts,
    embeddings: Tensor,
    *,
    seed: int,
    phase_index: int,
    first_epoch: int,
) -> Iterator[dict[str, float]]:
    """Train epoch after epoch from ``first_epoch`` and yield each one's statistics.

    Raises:
        NotFiniteError: at the first step whose loss is NaN or infinite.

    References:
        The lab's RCE: softmax of the rewards over a query's rollouts as weights of their
        cross-entropies, the temperature falling linearly over the whole schedule.
    """
    rewards = normalise_rewards(reward_of(rollouts, settings.reward), settings.normalise)
    queries = len(rollouts.queries)
    steps = -(-queries // settings.batch_size)
    for epoch in range(first_epoch, settings.trained_epochs + 1):
        generators = epoch_generators(seed, phase_index, epoch, device=embeddings.device)
        policy.requires_grad_(True).train()
        policy.set_dropout(projection=settings.dropout, attention=settings.attention_dropout)
        tally = Tally()
        order = torch.randperm(queries, generator=generators.data)
        for step, chosen in enumerate(torch.split(order, settings.batch_size)):
            batch = chosen.to(embeddings.device)
            temperature = temperature_at(
                (epoch - 1) * steps + step,
                settings.epochs * steps,
                settings.temperature_start,
                settings.temperature_end,
            )
            pointers = rollouts.pointers[batch]
            logits = policy.step_logits(
                policy.encode(
                    embeddings[rollouts.queries[batch]], embeddings[rollouts.pools[batch]]
                ),
                pointers,
            )
            loss = rce_loss(
                rollout_log_probs(logits, pointers), rewards[batch], temperature=temperature
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = clip_grad_norm_(policy.parameters(), settings.max_grad_norm)
            if not torch.isfinite(loss + norm):
                raise NotFiniteError(
                    f"rce epoch {epoch}, step {step + 1}: the loss is {loss.item()}, the gradient's"
                    f" norm {norm.item()}; lower `lr` ({settings.lr:g})"
                )
            optimizer.step()
            tally.add(
                len(batch),
                loss=loss,
                gradient_norm=norm,
                entropy=step_entropy(logits).mean(),
                temperature=temperature,
            )
        yield tally.means()


def reward_of(rollouts: RecordedRollouts, mode: str) -> Tensor:
    """The reward of every recorded rollout, by the lab's mode. Shape: ``(B, R)``."""
    return recorded_reward(
        mode,
        hard=rollouts.hard,
        soft=rollouts.soft,
        gt_prob=rollouts.gt_prob,
        rel=torch.zeros_like(rollouts.hard),  # the task records no relevance score
    )


@torch.no_grad()
def validation_loss(
    policy: PointerSelector, rollouts: RecordedRollouts, embeddings: Tensor, reward: str
) -> tuple[float, float]:
    """RCE on the validation queries, raw rewards and temperature 1; and how it beats uniform.

    Returns:
        The loss in nats and how many nats it is better than that of a uniform policy, whose loss is
        log K + log(K - 1) + ... over the S steps (8.30 for two shots of 64).
    """
    policy.eval()
    rewards = reward_of(rollouts, reward)
    total = 0.0
    queries, candidates = rollouts.pools.shape
    for batch in torch.split(torch.arange(queries, device=embeddings.device), 256):
        encoded = policy.encode(
            embeddings[rollouts.queries[batch]], embeddings[rollouts.pools[batch]]
        )
        pointers = rollouts.pointers[batch]
        log_probs = rollout_log_probs(policy.step_logits(encoded, pointers), pointers)
        total += float(rce_loss(log_probs, rewards[batch], temperature=1.0)) * len(batch)
    loss = total / queries
    sizes = torch.arange(candidates, candidates - rollouts.pointers.shape[2], -1)
    return loss, float(sizes.double().log().sum()) - loss
