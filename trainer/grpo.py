"""The GRPO phase: group-relative policy optimisation with a KL term, one epoch at a time.

A generator of epoch statistics, like `rce.py`. Rollouts are `sampled` (a group from the current
policy on fresh pools, rewarded by the reader; the ratio is to the policy that sampled) or
`recorded` (the lab's offline way: one fixed policy is denominator of the ratio and reference of the
KL alike, so the KL is the lab's estimator). Sampled rollouts use Schulman's k3 estimator.

Pools are drawn anew at every visit: with fixed pools the policy learns the pools (measured on
easy_vqa: 70 % in training, 57 % in evaluation).

Shape legend: B queries, G rollouts of a group, K candidates, S shots.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.contract import GrpoSpec
from trainer.errors import NotFiniteError
from trainer.freeze import apply_freeze
from trainer.losses import (
    adapt_kl_beta,
    group_relative_advantages,
    kl_penalty,
    ppo_terms,
    rank_advantages,
    top_rollouts,
)
from trainer.policy import PointerSelector, rollout_log_probs, step_entropy
from trainer.rce import reward_of
from trainer.seeds import EpochGenerators, epoch_generators
from trainer.tally import Tally
from trainer.tasks import RecordedRollouts, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpoPhase:
    """What stays the same through all epochs of one GRPO phase."""

    settings: GrpoSpec
    task: Task
    embeddings: Tensor  # the task's, on the policy's device. Shape: (N, D)
    recorded: RecordedRollouts | None  # needed for `rollouts: recorded`
    reference: PointerSelector  # frozen anchor of the KL
    shots: Sequence[int]  # numbers of shots whose scores make up a sampled rollout's reward
    seed: int
    phase_index: int


class _Batch(NamedTuple):
    """Rollouts of one step, with all that does not depend on the weights being trained."""

    queries: Tensor  # embeddings. Shape: (B, D)
    candidates: Tensor  # embeddings. Shape: (B, K, D)
    pointers: Tensor  # local. Shape: (B, G, S)
    rewards: Tensor  # Shape: (B, G)
    old_log_probs: Tensor  # Shape: (B, G)
    reference_log_probs: Tensor  # Shape: (B, G)


def grpo_epochs(
    policy: PointerSelector,
    optimizer: torch.optim.Optimizer,
    phase: GrpoPhase,
    *,
    kl_beta: float,
    first_epoch: int,
) -> Iterator[dict[str, float]]:
    """Train epoch after epoch from ``first_epoch`` and yield each one's statistics.

    Args:
        policy: The weights to train, in place.
        optimizer: AdamW over all of the policy's tensors; frozen ones get no gradient.
        phase: Settings, data and reference.
        kl_beta: Weight of the KL term at the start of ``first_epoch``; the statistics carry the
            value after each epoch, which differs where `adaptive_kl` is on.
        first_epoch: One-based.

    Raises:
        NotFiniteError: at the first step whose loss is NaN or infinite.

    References:
        Shao et al. 2024, DeepSeekMath (arXiv:2402.03300), section 4.1; the floor under the
        standard deviation, the clamp and the adaptation of kl_beta are the lab's.
    """
    settings = phase.settings
    queries = _training_queries(phase)
    for epoch in range(first_epoch, settings.epochs + 1):
        generators = epoch_generators(
            phase.seed, phase.phase_index, epoch, device=phase.embeddings.device
        )
        parameters = apply_freeze(policy, settings.freeze, epoch=epoch)
        policy.set_dropout(projection=settings.dropout, attention=settings.attention_dropout)
        tally = Tally()
        order = torch.randperm(len(queries), generator=generators.data)
        for step, chosen in enumerate(torch.split(order, settings.batch_size)):
            policy.eval()
            batch = _make_batch(policy, phase, queries[chosen], epoch, generators)
            policy.train()
            values = _gradients(policy, parameters, batch, settings, kl_beta)
            if not torch.isfinite(values["loss"] + values["gradient_norm"]):
                raise NotFiniteError(
                    f"grpo epoch {epoch}, step {step + 1}: the loss is {values['loss'].item()}, "
                    f"the gradient's norm {values['gradient_norm'].item()}; lower `lr` "
                    f"({settings.lr:g}) or raise `kl_beta` ({kl_beta:g})"
                )
            optimizer.step()
            tally.add(len(chosen), kl_beta_mean=kl_beta, **values)
            if settings.adaptive_kl:
                kl_beta = adapt_kl_beta(kl_beta, values["kl"].item())
        yield {**tally.means(), "kl_beta": kl_beta}


def _training_queries(phase: GrpoPhase) -> Tensor:
    """Global ids (sampled) or rows of the recorded rollouts, on the CPU."""
    if phase.settings.rollouts == "sampled":
        return phase.task.training_queries
    assert phase.recorded is not None, "recorded rollouts are made before the phase"
    return torch.arange(len(phase.recorded.queries))


@torch.no_grad()
def _make_batch(
    policy: PointerSelector,
    phase: GrpoPhase,
    chosen: Tensor,
    epoch: int,
    generators: EpochGenerators,
) -> _Batch:
    if phase.settings.rollouts == "sampled":
        return _sample(policy, phase, chosen, generators)
    assert phase.recorded is not None, "recorded rollouts are made before the phase"
    return _replay(phase, phase.recorded, chosen.to(phase.embeddings.device), epoch)


def _sample(
    policy: PointerSelector, phase: GrpoPhase, chosen: Tensor, generators: EpochGenerators
) -> _Batch:
    """Let the current policy choose a group of shots for each query; the reader rewards them.

    A rollout's reward is the mean score of its prefixes, as the evaluation counts them.
    """
    embeddings, group = phase.embeddings, phase.settings.group_size
    pools = phase.task.draw_pools(chosen, generators.data).to(embeddings.device)
    chosen = chosen.to(embeddings.device)
    queries, candidates = embeddings[chosen], embeddings[pools]
    roll_out = policy.roll_out(
        policy.encode(queries, candidates),
        steps=max(phase.shots),
        rollouts=group,
        generator=generators.rollouts,
    )
    shots = pools[:, None].expand(-1, group, -1).gather(2, roll_out.pointers).flatten(0, 1)
    asked = chosen.repeat_interleave(group)
    scores = [phase.task.reader.answer(asked, shots[:, :s]).score for s in phase.shots]
    reference = phase.reference.step_logits(
        phase.reference.encode(queries, candidates), roll_out.pointers
    )
    return _Batch(
        queries,
        candidates,
        roll_out.pointers,
        torch.stack(scores).mean(dim=0).view(len(chosen), group),
        roll_out.log_probs,
        rollout_log_probs(reference, roll_out.pointers),
    )


def _replay(phase: GrpoPhase, recorded: RecordedRollouts, rows: Tensor, epoch: int) -> _Batch:
    """Take the recorded rollouts of some queries, in the first epochs only the best of each."""
    embeddings = phase.embeddings
    rewards, pointers = reward_of(recorded, phase.settings.reward)[rows], recorded.pointers[rows]
    if phase.settings.curriculum:
        stages = phase.settings.curriculum
        best = top_rollouts(rewards, min(stages[min(epoch, len(stages)) - 1], rewards.shape[1]))
        rewards = rewards.gather(1, best)
        pointers = pointers.gather(1, best[:, :, None].expand(-1, -1, pointers.shape[2]))
    queries, candidates = embeddings[recorded.queries[rows]], embeddings[recorded.pools[rows]]
    logits = phase.reference.step_logits(phase.reference.encode(queries, candidates), pointers)
    anchor = rollout_log_probs(logits, pointers)
    return _Batch(queries, candidates, pointers, rewards, anchor, anchor)


def _gradients(
    policy: PointerSelector,
    parameters: Sequence[torch.nn.Parameter],
    batch: _Batch,
    settings: GrpoSpec,
    kl_beta: float,
) -> dict[str, Tensor]:
    """Set every trained tensor's gradient, clipped; return the step's statistics.

    The gradients of the PPO term and of the KL term are taken apart, so that each can be seen.
    """
    if settings.advantage == "rank":
        advantages = rank_advantages(batch.rewards)
    else:
        advantages = group_relative_advantages(
            batch.rewards, min_std=settings.advantage_min_std, clamp=settings.advantage_clamp
        )
    logits = policy.step_logits(policy.encode(batch.queries, batch.candidates), batch.pointers)
    log_probs = rollout_log_probs(logits, batch.pointers)
    ppo = ppo_terms(log_probs, batch.old_log_probs, advantages, clip_epsilon=settings.clip_epsilon)
    kl = kl_penalty(
        log_probs,
        batch.reference_log_probs,
        estimator="k3" if settings.rollouts == "sampled" else "lab",
    )
    # a gate is not used where one shot is chosen: its gradient is zero, not missing
    ppo_gradient = torch.autograd.grad(
        ppo.loss, parameters, retain_graph=True, materialize_grads=True
    )
    kl_gradient = torch.autograd.grad(kl, parameters, materialize_grads=True)
    policy.zero_grad(set_to_none=True)
    for parameter, of_ppo, of_kl in zip(parameters, ppo_gradient, kl_gradient, strict=True):
        parameter.grad = of_ppo + kl_beta * of_kl
    norm = torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
    spread = batch.rewards.amax(dim=1) - batch.rewards.amin(dim=1)
    return {
        "loss": ppo.loss + kl_beta * kl,
        "ppo_loss": ppo.loss,
        "kl_loss": kl_beta * kl,
        "kl": kl,
        "ratio_mean": ppo.ratio.mean(),
        "clip_fraction": ppo.clip_fraction,
        "advantage_std": advantages.std(),
        "groups_without_signal": (spread == 0).double().mean(),  # rank advantages break such ties
        "gradient_norm_ppo": torch.nn.utils.get_total_norm(ppo_gradient),
        "gradient_norm_kl": kl_beta * torch.nn.utils.get_total_norm(kl_gradient),
        "gradient_norm": norm,
        "entropy": step_entropy(logits).mean(),
        "reward": batch.rewards.mean(),
    }
