"""The GRPO phase: group-relative policy optimisation with a KL term, one epoch at a time.

A generator of epoch statistics, like `rce.py`. Rollouts are `sampled` (a group from the current
policy on fresh pools, rewarded by the reader; the ratio is to the policy that sampled) or
`recorded` (the lab's offline way: one fixed policy is denominator of the ratio and reference of the
KL alike, so the KL is the lab's estimator). Sampled rollouts use Schulman's k3 estimator.

Pools are drawn anew at every visit: with fixed pools the policy learns the pools (measured on
easy_vqa: 70 % in training, 57 % in evaluation).

Shape legend: B queries of a step, G rollouts of a group, K candidates, S shots, N rollouts of all
queries.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trainer.contract import GrpoSpec
from trainer.errors import NotFiniteError
from trainer.groups import batch_of, within_groups
from trainer.policy.encoding import Rows
from trainer.policy.freeze import apply_freeze, projections_are_frozen
from trainer.policy.losses import (
    adapt_kl_beta,
    kl_gradient,
    kl_penalty,
    mean,
    ppo_gradient,
    ppo_terms,
)
from trainer.policy.policy import PointerSelector, rollout_log_probs, step_entropy
from trainer.readers import Reader
from trainer.rollouts.recorded import advantages_of, for_grpo, reward_of
from trainer.seeds import EpochGenerators, epoch_generators
from trainer.tally import Tally
from trainer.tasks import QuestionSet, RecordedRollouts, Task

PARTS_EVERY = 32  # steps between two at which what is dear is measured: a second backward pass
REPLAYED_AT_ONCE = 256  # queries that the reference policy sees at once: bounds memory


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpoPhase:
    """What stays the same through all epochs of one GRPO phase."""

    settings: GrpoSpec
    task: Task
    reader: Reader  # who rewards what is sampled
    embeddings: Tensor  # the task's, on the policy's device. Shape: (M, D)
    recorded: RecordedRollouts | None  # needed for `rollouts: recorded`
    reference: PointerSelector  # frozen anchor of the KL
    shots: Sequence[int]  # numbers of shots whose scores make up a sampled rollout's reward
    seed: int
    phase_index: int
    bf16: bool = False


class _Batch(NamedTuple):
    """Rollouts of one step, with all that does not depend on the weights being trained."""

    questions: QuestionSet
    pointers: Tensor  # local. Shape: (B, G, S)
    rewards: Tensor  # Shape: (B, G)
    advantages: Tensor  # 0 at padding. Shape: (B, G)
    old_log_probs: Tensor  # Shape: (B, G)
    reference_log_probs: Tensor  # Shape: (B, G)
    present: Tensor  # False at padding. Shape: (B, G), bool

    @property
    def shares(self) -> Tensor:
        """Share of each rollout in a mean over queries of means over groups. Shape: ``(B, G)``."""
        return self.present / (self.present.sum(dim=1, keepdim=True) * len(self.present))

    def statistics(self) -> dict[str, Tensor]:
        """Means over the groups of what the weights do not change."""
        first = self.rewards[:, :1]  # padding repeats it
        silent = (self.rewards == first).all(dim=1)
        return {
            "advantage_std": _group_std(self.advantages, self.present).mean(),
            "groups_without_signal": silent.double().mean(),
            "groups_all_wrong": (silent & (first[:, 0] <= 0.0)).double().mean(),
            "reward": mean(self.rewards, self.shares),
        }


class _Step(NamedTuple):
    """What a step trained on and what it saw; its statistics are made at the epoch's end."""

    batch: _Batch
    log_probs: Tensor  # before the step. Shape: (B, G)
    shares: Tensor  # of the batch. Shape: (B, G)
    kl_beta: float


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
        NotFiniteError: at the first step whose gradient is NaN or infinite.

    References:
        Shao et al. 2024, DeepSeekMath (arXiv:2402.03300), section 4.1; the floor under the
        standard deviation, the clamp and the adaptation of kl_beta are the lab's.
    """
    settings, device = phase.settings, phase.embeddings.device
    anchor = _anchor_log_probs(phase)
    rows = Rows(phase.embeddings)
    for epoch in range(first_epoch, settings.epochs + 1):
        generators = epoch_generators(phase.seed, phase.phase_index, epoch, device=device)
        parameters = apply_freeze(policy, settings.freeze, epoch=epoch)
        policy.train().set_dropout(
            projection=settings.dropout, attention=settings.attention_dropout
        )
        if not projections_are_frozen(settings.freeze, epoch=epoch):
            rows = Rows(phase.embeddings)
        elif rows.projected is None:
            rows = Rows(phase.embeddings, policy.project(phase.embeddings))
        tally = Tally()
        order = torch.randperm(_queries(phase), generator=generators.data)
        batches = (
            _sampled(policy, phase, rows, order, generators, tally)
            if anchor is None
            else _replayed(phase, anchor, order, epoch, tally)
        )
        steps: list[_Step] = []
        for number, batch in enumerate(batches, start=1):
            measured = number % PARTS_EVERY == 1
            step, gradients, parts = _step(
                policy, parameters, batch, phase, rows, kl_beta=kl_beta, measured=measured
            )
            norm = float(_norm(gradients))
            if not math.isfinite(norm):
                raise NotFiniteError(
                    f"grpo epoch {epoch}, step {number}: the gradient's norm is {norm}; lower `lr`"
                    f" ({settings.lr:g}) or raise `kl_beta` ({kl_beta:g})"
                )
            clip = settings.max_grad_norm / norm if norm > settings.max_grad_norm else None
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient if clip is None else gradient.mul_(clip)
            optimizer.step()
            steps.append(step)
            tally.add(len(batch.present), gradient_norm=norm, kl_beta_mean=kl_beta, **parts)
            if settings.adaptive_kl:
                kl_beta = adapt_kl_beta(kl_beta, _loss_terms([step], settings)["kl"])
        yield {**tally.means(), **_loss_terms(steps, settings), "kl_beta": kl_beta}


def _queries(phase: GrpoPhase) -> int:
    if phase.settings.rollouts == "sampled":
        return len(phase.task.training_queries)
    return len(_recorded(phase).queries)


def _recorded(phase: GrpoPhase) -> RecordedRollouts:
    assert phase.recorded is not None, "recorded rollouts are made before the phase"
    return phase.recorded


def _sampled(
    policy: PointerSelector,
    phase: GrpoPhase,
    rows: Rows,
    order: Tensor,
    generators: EpochGenerators,
    tally: Tally,
) -> Iterator[_Batch]:
    for chosen in torch.split(order, phase.settings.batch_size):
        batch = _sample(policy, phase, rows, chosen, generators)
        tally.add(len(chosen), **batch.statistics())
        yield batch


@torch.no_grad()
def _sample(
    policy: PointerSelector,
    phase: GrpoPhase,
    rows: Rows,
    chosen: Tensor,
    generators: EpochGenerators,
) -> _Batch:
    """Let the current policy choose a group of shots for each query; the reader rewards them.

    A rollout's reward is the mean score of its prefixes, as the evaluation counts them.
    """
    device, group = phase.embeddings.device, phase.settings.group_size
    queries = phase.task.training_queries[chosen]
    pools = phase.task.draw_pools(queries, generators.data)
    questions = QuestionSet(
        queries=queries, pools=pools, pool_sizes=torch.full((len(pools),), pools.shape[1])
    ).to(device)
    roll_out = policy.eval().roll_out(
        rows.encode(policy, questions),
        steps=max(phase.shots),
        rollouts=group,
        generator=generators.rollouts,
    )
    policy.train()
    shots = questions.pools[:, None].expand(-1, group, -1).gather(2, roll_out.pointers)
    asked = questions.queries.repeat_interleave(group)
    scores = [phase.reader.answer(asked, shots.flatten(0, 1)[:, :s]).score for s in phase.shots]
    rewards = torch.stack(scores).mean(dim=0).view(len(chosen), group)
    reference = phase.reference.step_logits(
        Rows(phase.embeddings).encode(phase.reference, questions), roll_out.pointers
    )
    return _Batch(
        questions,
        roll_out.pointers,
        rewards,
        advantages_of(rewards, phase.settings),
        roll_out.log_probs,
        rollout_log_probs(reference, roll_out.pointers),
        torch.ones_like(rewards, dtype=torch.bool),
    )


def _replayed(
    phase: GrpoPhase, anchor: Tensor, order: Tensor, epoch: int, tally: Tally
) -> Iterator[_Batch]:
    """The recorded rollouts batch by batch, in the first epochs only the best of each query.

    All batches are laid out at once: a step takes slices, which cost a fraction of look-ups.
    """
    recorded = _recorded(phase)
    rollouts, rewards, advantages, kept = for_grpo(recorded, phase.settings, epoch=epoch)
    order = order.to(rewards.device)
    members, present = batch_of(rollouts.offsets, order)
    reference = anchor[kept][members]
    everyone = _Batch(
        rollouts.questions[order],
        rollouts.pointers[members],
        rewards[members],
        torch.where(present, advantages[members], 0.0),
        reference,
        reference,
        present,
    )
    tally.add(len(order), **everyone.statistics(), **_uncut(recorded, phase.settings))
    for part in torch.split(torch.arange(len(order)), phase.settings.batch_size):
        step = slice(int(part[0]), int(part[-1]) + 1)
        widest = int(present[step].sum(dim=1).max())
        questions, *tensors = everyone
        yield _Batch(questions[step], *(tensor[step, :widest] for tensor in tensors))


def _uncut(recorded: RecordedRollouts, settings: GrpoSpec) -> dict[str, Tensor]:
    """Share of the groups without signal before a curriculum cut them."""
    if settings.curriculum is None:
        return {}
    spread = within_groups(
        reward_of(recorded, settings),
        recorded.offsets,
        lambda r: (r.amax(dim=1, keepdim=True) - r.amin(dim=1, keepdim=True)).expand_as(r),
    )
    silent = spread[recorded.offsets[:-1]] == 0.0
    return {"groups_without_signal_uncut": silent.double().mean()}


@torch.no_grad()
def _anchor_log_probs(phase: GrpoPhase) -> Tensor | None:
    """Log-probability of every recorded rollout by the reference; None where they are sampled."""
    if phase.settings.rollouts == "sampled":
        return None
    recorded, rows = _recorded(phase), Rows(phase.embeddings)
    if len(phase.embeddings) < recorded.pools.numel():  # less to project than to look up
        rows = Rows(phase.embeddings, phase.reference.project(phase.embeddings))
    log_probs = torch.empty(len(recorded.pointers), device=phase.embeddings.device)
    everyone = torch.arange(len(recorded.queries), device=log_probs.device)
    for chosen in torch.split(everyone, REPLAYED_AT_ONCE):
        members = batch_of(recorded.offsets, chosen).members
        pointers = recorded.pointers[members]
        encoded = rows.encode(phase.reference, recorded.questions[chosen])
        logits = phase.reference.step_logits(encoded, pointers)
        log_probs[members] = rollout_log_probs(logits, pointers)  # padding repeats: equal values
    return log_probs


def _step(
    policy: PointerSelector,
    parameters: Sequence[torch.nn.Parameter],
    batch: _Batch,
    phase: GrpoPhase,
    rows: Rows,
    *,
    kl_beta: float,
    measured: bool,
) -> tuple[_Step, tuple[Tensor, ...], dict[str, Tensor]]:
    """The gradient of the loss with respect to every trained tensor, before clipping.

    Where the step is ``measured``, that of the KL term is taken once more by itself, so that the
    norms of both terms can be told; it costs a second backward pass and changes nothing.
    """
    settings = phase.settings
    with torch.autocast(phase.embeddings.device.type, torch.bfloat16, enabled=phase.bf16):
        logits = policy.step_logits(rows.encode(policy, batch.questions), batch.pointers)
    log_probs, shares = rollout_log_probs(logits, batch.pointers), batch.shares
    step = _Step(batch, log_probs.detach(), shares, kl_beta)
    by_kl = kl_beta * kl_gradient(
        step.log_probs, batch.reference_log_probs, estimator=_estimator(settings), shares=shares
    )
    by_ppo = ppo_gradient(
        step.log_probs,
        batch.old_log_probs,
        batch.advantages,
        clip_epsilon=settings.clip_epsilon,
        shares=shares,
    )
    if not measured:
        return step, _gradient(log_probs, by_ppo + by_kl, parameters), {}
    of_kl = _gradient(log_probs, by_kl, parameters, keep=True)
    gradients = _gradient(log_probs, by_ppo + by_kl, parameters)
    parts = {
        "gradient_norm_ppo": _norm([g - kl for g, kl in zip(gradients, of_kl, strict=True)]),
        "gradient_norm_kl": _norm(of_kl),
        "entropy": mean(step_entropy(logits.detach()).mean(dim=2), shares),
    }
    return step, gradients, parts


def _loss_terms(steps: Sequence[_Step], settings: GrpoSpec) -> dict[str, float]:
    """The loss and its terms, the mean over the queries of ``steps``."""
    queries = sum(len(step.log_probs) for step in steps)

    def joined(values: Iterable[Tensor]) -> Tensor:
        return torch.cat([value.flatten() for value in values]).double()

    log_probs = joined(step.log_probs for step in steps)
    shares = joined(step.shares * (len(step.shares) / queries) for step in steps)
    ppo = ppo_terms(
        log_probs,
        joined(step.batch.old_log_probs for step in steps),
        joined(step.batch.advantages for step in steps),
        clip_epsilon=settings.clip_epsilon,
        shares=shares,
    )
    reference = joined(step.batch.reference_log_probs for step in steps)
    estimator = _estimator(settings)
    kl = kl_penalty(log_probs, reference, estimator=estimator, shares=shares)
    weights = shares * joined(torch.full_like(step.shares, step.kl_beta) for step in steps)
    kl_loss = kl_penalty(log_probs, reference, estimator=estimator, shares=weights)
    return {
        "loss": float(ppo.loss + kl_loss),
        "ppo_loss": float(ppo.loss),
        "kl_loss": float(kl_loss),
        "kl": float(kl),
        "ratio_mean": float(mean(ppo.ratio, shares)),
        "clip_fraction": float(ppo.clip_fraction),
    }


def _estimator(settings: GrpoSpec) -> Literal["lab", "k3"]:
    return "k3" if settings.rollouts == "sampled" else "lab"


def _gradient(
    log_probs: Tensor,
    by_log_probs: Tensor,
    parameters: Sequence[torch.nn.Parameter],
    *,
    keep: bool = False,
) -> tuple[Tensor, ...]:
    # a gate is not used where one shot is chosen: its gradient is zero, not missing
    return torch.autograd.grad(
        log_probs, parameters, by_log_probs, retain_graph=keep, materialize_grads=True
    )


def _norm(gradients: Sequence[Tensor]) -> Tensor:
    """Norm of all gradients together; torch's own sorts them by device first, at every step."""
    norms = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
    norm: Tensor = torch.linalg.vector_norm(norms)
    return norm


def _group_std(values: Tensor, present: Tensor) -> Tensor:
    """Unbiased standard deviation within each group; ``values`` are 0 at padding. ``(B,)``."""
    sizes = present.sum(dim=1)
    deviations = torch.where(present, values - (values.sum(dim=1) / sizes)[:, None], 0.0)
    return (deviations.square().sum(dim=1) / (sizes - 1)).sqrt()
