"""Compares the trainer's mathematics with numbers that the lab's own code computed on small inputs.

Decides nothing about training: it runs policy, losses, schedules and rewards on the inputs of a
reference file and reports, for each quantity, the largest deviation |a - b| / max(1, |b|).

Shape legend: B queries, G rollouts, S shots, K candidates, D width of an embedding.

    python -m trainer check-reference FILE
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.errors import InputError
from trainer.lab.reference_file import GrpoEntry, ReferenceFile, read_reference
from trainer.policy.losses import (
    PpoTerms,
    adapt_kl_beta,
    group_relative_advantages,
    kl_gradient,
    kl_penalty,
    ppo_gradient,
    ppo_terms,
    rank_advantages,
    rce_loss,
    temperature_at,
    top_rollouts,
)
from trainer.policy.policy import Encoded, PointerSelector, rollout_log_probs
from trainer.rollouts.rewards import recorded_reward

TOLERANCE = 1e-4  # float32 through softmax at temperature 0.1 leaves about 1e-6

Number = Tensor | float


class Deviation(NamedTuple):
    """How far one quantity is from the reference."""

    quantity: str
    largest: float  # of |a - b| / max(1, |b|) over all its elements and entries; NaN counts as inf

    @property
    def within_tolerance(self) -> bool:
        """Whether it may be called equal."""
        return self.largest <= TOLERANCE


def check_reference(path: Path) -> list[Deviation]:
    """Compute every quantity of the reference file anew and compare.

    Args:
        path: a reference file, of any sizes, layers, heads and variant.

    Returns:
        One deviation a quantity, in the file's order.

    Raises:
        InputError: where the file is missing, is not JSON, lacks keys or contradicts itself.
    """
    file = read_reference(path)
    try:
        policy = PointerSelector.from_state_dict(
            file.state_dict, num_heads=file.config.num_heads
        ).eval()
        reference = PointerSelector.from_state_dict(
            file.reference_state_dict, num_heads=file.config.num_heads
        ).eval()
        policy.encode(file.query, file.candidates)
        reference.encode(file.query, file.candidates)
    except (InputError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    largest: dict[str, float] = {}
    for quantity, computed, expected in _comparisons(file, policy, reference):
        largest[quantity] = max(largest.get(quantity, 0.0), _deviation(computed, expected))
    return [Deviation(quantity, value) for quantity, value in largest.items()]


def within_tolerance(deviations: Sequence[Deviation]) -> bool:
    """Whether every quantity may be called equal."""
    return all(deviation.within_tolerance for deviation in deviations)


def deviation_table(deviations: Sequence[Deviation]) -> str:
    """One line a quantity, those beyond the tolerance marked, and a verdict."""
    width = max((len(deviation.quantity) for deviation in deviations), default=0)
    lines = [f"{'quantity':{width}}  largest |a-b| / max(1, |b|)"]
    for quantity, largest in deviations:
        mark = "" if largest <= TOLERANCE else "  ABOVE TOLERANCE"
        lines.append(f"{quantity:{width}}  {largest:.2e}{mark}")
    failed = sum(not deviation.within_tolerance for deviation in deviations)
    verdict = f"{failed} of {len(deviations)} quantities deviate by more than {TOLERANCE:.0e}"
    return "\n".join([*lines, verdict])


def _deviation(computed: Number, expected: Number) -> float:
    a = torch.as_tensor(computed).detach().double()
    b = torch.as_tensor(expected).double()
    deviations = (a - b).abs() / b.abs().clamp(min=1.0)
    return float(deviations.nan_to_num(nan=torch.inf).max())


_Comparison = tuple[str, Number, Number]


def _comparisons(
    file: ReferenceFile, policy: PointerSelector, reference: PointerSelector
) -> Iterator[_Comparison]:
    yield from _selections(file, policy)
    with torch.no_grad():
        reference_log_probs = _log_probs(file, reference)
    yield "log-probabilities of the policy", _log_probs(file, policy), file.log_probs
    yield (
        "log-probabilities of the reference policy",
        reference_log_probs,
        file.reference_log_probs,
    )
    yield "advantages, z-score", group_relative_advantages(file.rewards), file.advantages_zscore
    yield "advantages, rank", rank_advantages(file.rewards), file.advantages_rank
    for rce in file.rce:
        loss = rce_loss(_log_probs(file, policy), file.rewards, temperature=rce.temperature)
        yield "RCE loss", loss, rce.loss
        yield from _gradient_norms("RCE gradient norms", policy, loss, rce.grad_norms)
    for grpo in file.grpo:
        yield from _grpo(file, grpo, policy, reference_log_probs)
    yield from _schedules(file)
    yield from _rewards(file)


def _selections(file: ReferenceFile, policy: PointerSelector) -> Iterator[_Comparison]:
    encoded = _encode(file, policy)
    taught = policy.step_logits(encoded, file.pointers[:, :1])[:, 0]
    yield "logits, teacher-forced", taught, file.teacher_forced_logits_of_pointer_0
    chosen = policy.roll_out(encoded, steps=file.greedy_selection.shape[1]).pointers
    yield "selections, greedy", chosen[:, 0], file.greedy_selection
    yield "logits, greedy", policy.step_logits(encoded, chosen)[:, 0], file.greedy_logits


def _encode(file: ReferenceFile, policy: PointerSelector) -> Encoded:
    return policy.encode(file.query, file.candidates)


def _log_probs(file: ReferenceFile, policy: PointerSelector) -> Tensor:
    logits = policy.step_logits(_encode(file, policy), file.pointers)
    return rollout_log_probs(logits, file.pointers)


def _gradient_norms(
    quantity: str,
    policy: PointerSelector,
    output: Tensor,
    expected: Mapping[str, float],
    *,
    by_output: Tensor | None = None,
) -> Iterator[_Comparison]:
    """Of a loss, or of what has the derivative ``by_output`` with respect to ``output``.

    A tensor that the file leaves out had no gradient.
    """
    parameters = dict(policy.named_parameters())
    gradients = torch.autograd.grad(
        output, list(parameters.values()), by_output, materialize_grads=True
    )
    norms = {name: grad.norm() for name, grad in zip(parameters, gradients, strict=True)}
    for name in (*norms, *(expected.keys() - norms.keys())):
        yield quantity, norms.get(name, torch.nan), expected.get(name, 0.0)


def _grpo(
    file: ReferenceFile, entry: GrpoEntry, policy: PointerSelector, reference_log_probs: Tensor
) -> Iterator[_Comparison]:
    """The lab's way: one fixed policy is denominator of the ratio and reference of the KL."""
    group_size = file.rewards.shape[1]
    used = top_rollouts(file.rewards, entry.top_k or group_size)
    advantages = group_relative_advantages(file.rewards.gather(1, used))
    log_probs = _log_probs(file, policy).gather(1, used)
    anchor = reference_log_probs.gather(1, used)
    ppo = ppo_terms(log_probs, anchor, advantages, clip_epsilon=entry.clip_epsilon)
    kl = kl_penalty(log_probs, anchor, estimator="lab")
    loss = ppo.loss + entry.kl_beta * kl
    yield "GRPO loss", loss, entry.loss
    yield from _grpo_terms(entry, ppo, kl, advantages)
    shares = torch.full_like(log_probs, 1.0 / log_probs.numel())
    by_ppo = ppo_gradient(
        log_probs, anchor, advantages, clip_epsilon=entry.clip_epsilon, shares=shares
    )
    by_kl = entry.kl_beta * kl_gradient(log_probs, anchor, estimator="lab", shares=shares)
    yield from _gradient_norms(
        "GRPO gradient norms", policy, log_probs, entry.grad_norms, by_output=by_ppo + by_kl
    )


def _grpo_terms(
    entry: GrpoEntry, ppo: PpoTerms, kl: Tensor, advantages: Tensor
) -> Iterator[_Comparison]:
    yield "GRPO PPO term", ppo.loss, entry.ppo_loss
    yield "GRPO KL term", entry.kl_beta * kl, entry.kl_loss
    yield "GRPO KL", kl, entry.kl
    yield "GRPO mean ratio", ppo.ratio.mean(), entry.mean_ratio
    yield "GRPO mean advantage", advantages.mean(), entry.mean_advantage
    yield "GRPO advantage standard deviation", advantages.std(), entry.std_advantage
    yield "GRPO largest advantage", advantages.abs().max(), entry.max_advantage


def _schedules(file: ReferenceFile) -> Iterator[_Comparison]:
    for point in file.temperature_schedule:
        value = temperature_at(point.step, point.total, point.start, point.end)
        yield "temperature schedule", value, point.value
    for step in file.adaptive_kl_beta:
        yield "adaptive kl_beta", adapt_kl_beta(step.beta, step.kl), step.value


def _rewards(file: ReferenceFile) -> Iterator[_Comparison]:
    for example in file.reward_modes:
        rollout = example.candidate
        reward = recorded_reward(
            example.mode,
            hard=torch.tensor(rollout.vqa_correct),
            soft=torch.tensor(rollout.vqa_acc_score),
            gt_prob=torch.tensor(rollout.vqa_gt_prob or 0.0),
            rel=torch.tensor(rollout.vqa_rel_score or 0.0),
        )
        yield "reward modes", reward, example.reward
