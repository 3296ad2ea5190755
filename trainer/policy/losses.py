"""Advantages, losses and schedules of RCE and GRPO. Pure: tensors in, tensors out.

Knows no policy, no data and no optimizer. Ties are broken by file order everywhere, on every
device. Departs from DeepSeekMath in what the lab's code does: a floor under the standard deviation
of a group, advantages clamped, one probability ratio for a whole rollout instead of one a token.

Shape legend: B queries, G or R rollouts of a query.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trainer.contract.phases import Normalisation

Z_SCORE_CLAMP = 3.0  # of `z_score_clamp`; the lab's
EQUAL_REWARDS_STD = 1e-12  # up to here rewards are left as they are; the lab's
KL_HIGH, KL_LOW = 0.1, 0.01  # nats between which kl_beta stays; the lab's
KL_BETA_FACTOR = 1.5
KL_BETA_MIN, KL_BETA_MAX = 1e-3, 10.0


class PpoTerms(NamedTuple):
    """The clipped surrogate and what it was made of."""

    loss: Tensor  # scalar
    ratio: Tensor  # pi / pi_old of each rollout. Shape: (B, G)
    clip_fraction: Tensor  # share of ratios outside the trust region, in [0, 1]; scalar


def group_relative_advantages(
    rewards: Tensor, *, min_std: float = 0.1, clamp: float = 5.0
) -> Tensor:
    """Standardise each rollout's reward against the other rollouts of its query.

    A group whose rewards are all equal carries no signal and gets advantage 0, exactly.

    Args:
        rewards: Reward of each rollout, without unit. Shape: ``(B, G)``, G >= 2.
        min_std: Floor of the standard deviation, in the units of ``rewards``.
        clamp: Largest absolute advantage.

    Returns:
        Advantages without unit, in ``[-clamp, clamp]``. Shape: ``(B, G)``.

    Raises:
        ValueError: if ``rewards`` are not floats of shape (B, G) with G >= 2.

    References:
        Shao et al. 2024, DeepSeekMath (arXiv:2402.03300), section 4.1; the floor and the unbiased
        standard deviation are the lab's.
    """
    centred, std = _standardised(rewards)
    return (centred / std.clamp(min=min_std)).clamp(-clamp, clamp).to(rewards.dtype)


def rank_advantages(rewards: Tensor) -> Tensor:
    """Spread each query's rollouts evenly from 1 (highest reward) to -1 (lowest).

    Ties take different ranks, in file order: a group of equal rewards gets advantages all the same.

    Args:
        rewards: Reward of each rollout. Shape: ``(B, G)``, G >= 2.

    Returns:
        Advantages without unit, in [-1, 1]. Shape: ``(B, G)``.

    Raises:
        ValueError: if ``rewards`` are not floats of shape (B, G) with G >= 2.
    """
    _check_groups(rewards)
    group_size = rewards.shape[1]
    by_rank = 1.0 - 2.0 * torch.arange(group_size, device=rewards.device) / (group_size - 1)
    return torch.empty_like(rewards).scatter_(
        1, top_rollouts(rewards, group_size), by_rank.to(rewards.dtype).expand_as(rewards)
    )


def normalise_rewards(rewards: Tensor, method: Normalisation) -> Tensor:
    """Put the rewards of each query on one scale, for the weights of RCE.

    Args:
        rewards: Reward of each rollout. Shape: ``(B, R)``, R >= 2.
        method: `z_score` (by the unbiased standard deviation; rewards that are all equal are left
            alone), `z_score_clamp` (the same, within [-3, 3]), `rank_normalize` (as
            ``rank_advantages``), `none`.

    Returns:
        Shape: ``(B, R)``.

    Raises:
        ValueError: for another method, or if ``rewards`` are not floats (B, R) with R >= 2.
    """
    if method == "none":
        return rewards
    if method == "rank_normalize":
        return rank_advantages(rewards)
    if method not in ("z_score", "z_score_clamp"):
        raise ValueError(
            f"`method` must be z_score_clamp, z_score, rank_normalize or none, but got {method!r}"
        )
    centred, std = _standardised(rewards)
    scores = torch.where(std > EQUAL_REWARDS_STD, centred / std, rewards.double())
    if method == "z_score_clamp":
        scores = torch.where(
            std > EQUAL_REWARDS_STD, scores.clamp(-Z_SCORE_CLAMP, Z_SCORE_CLAMP), scores
        )
    return scores.to(rewards.dtype)


def rce_loss(log_probs: Tensor, rewards: Tensor, *, temperature: float) -> Tensor:
    """Cross-entropy of recorded rollouts, weighted by their rewards within each query.

    Mean over queries of sum_i w_i * -log pi(rollout i), with w = softmax(rewards / temperature).

    Args:
        log_probs: of whole rollouts, in nats. Shape: ``(B, R)``.
        rewards: raw or normalised; minus infinity where a query has fewer rollouts than R. Shape:
            ``(B, R)``.
        temperature: in the units of ``rewards``, > 0; the lower, the more the best rollout counts.

    Returns:
        Nats a rollout, a scalar.
    """
    weights = (rewards / temperature).softmax(dim=1)
    return -(weights * log_probs).sum(dim=1).mean()


def ppo_terms(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    *,
    clip_epsilon: float,
    shares: Tensor | None = None,
) -> PpoTerms:
    """Clipped surrogate: -mean min(rho * A, clip(rho, 1 - eps, 1 + eps) * A), rho = pi / pi_old.

    Args:
        log_probs: of the policy that is trained, in nats. Shape: ``(B, G)``.
        old_log_probs: of the policy that sampled; of recorded rollouts, of the reference policy.
            Shape: ``(B, G)``.
        advantages: Shape: ``(B, G)``.
        clip_epsilon: half-width of the trust region of the ratio, in (0, 1).
        shares: of each rollout in the mean, summing to 1; None: equal ones. Shape: ``(B, G)``.

    References:
        Schulman et al. 2017, Proximal Policy Optimization (arXiv:1707.06347), equation 7.
    """
    ratio = (log_probs - old_log_probs).exp()
    clipped = ratio.clamp(1.0 - clip_epsilon, 1.0 + clip_epsilon)
    loss = -mean(torch.minimum(ratio * advantages, clipped * advantages), shares)
    outside = (ratio.detach() - 1.0).abs() > clip_epsilon
    return PpoTerms(loss, ratio, mean(outside.to(ratio.dtype), shares))


def ppo_gradient(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    *,
    clip_epsilon: float,
    shares: Tensor,
) -> Tensor:
    """Derivative of the loss of ``ppo_terms`` by ``log_probs``, from the same arguments.

    -rho * A times the share of the mean, or 0 where the ratio has left the trust region on the side
    to which the advantage pushes it. Written out, since autograd's dozen small nodes cost as much
    as the policy's own.

    Returns:
        Shape: ``(B, G)``.
    """
    ratio = (log_probs - old_log_probs).exp()
    pushed = (ratio - 1.0) * advantages.sign()  # how far to that side
    return -ratio * advantages * shares * (pushed <= clip_epsilon)


def kl_penalty(
    log_probs: Tensor,
    reference_log_probs: Tensor,
    *,
    estimator: Literal["lab", "k3"],
    shares: Tensor | None = None,
) -> Tensor:
    """Estimate how far the policy has moved from the reference policy; 0 where they agree.

    With d = log pi - log pi_ref of each rollout:

    * "lab", for recorded rollouts: mean of exp(d) - 1 - d, the estimator of the lab's code. It is
      unbiased for KL(pi_ref || pi) where pi_ref sampled; recorded rollouts come from neither
      policy, so that it is a penalty on their ratios, no more.
    * "k3", for rollouts sampled from pi: mean of exp(-d) - 1 + d, unbiased for KL(pi || pi_ref).
      Its gradient, taken through the log-probabilities alone as GRPO does, is in expectation that
      of KL(pi_ref || pi): a pull to the reference all the same.

    Args:
        log_probs: of the policy that is trained, in nats. Shape: ``(B, G)``.
        reference_log_probs: in nats. Shape: ``(B, G)``.
        estimator: "lab" or "k3".
        shares: as for ``ppo_terms``.

    Returns:
        Nats, at least 0; a scalar.

    Raises:
        ValueError: for another estimator.

    References:
        Schulman 2020, Approximating KL Divergence (http://joschu.net/blog/kl-approx.html).
    """
    exponent = _kl_sign(estimator) * (log_probs - reference_log_probs)
    return mean(exponent.exp() - 1.0 - exponent, shares)


def kl_gradient(
    log_probs: Tensor,
    reference_log_probs: Tensor,
    *,
    estimator: Literal["lab", "k3"],
    shares: Tensor,
) -> Tensor:
    """Derivative of ``kl_penalty`` by ``log_probs``, from the same arguments. Shape: ``(B, G)``."""
    sign = _kl_sign(estimator)
    return sign * torch.expm1(sign * (log_probs - reference_log_probs)) * shares


def mean(values: Tensor, shares: Tensor | None) -> Tensor:
    """The mean of ``values``, each with its share of it; None: equal shares."""
    return values.mean() if shares is None else (values * shares).sum()


def temperature_at(step: int, total: int, start: float, end: float) -> float:
    """Temperature of RCE: falls linearly from ``start`` at step 0 to ``end`` at the last step.

    Args:
        step: zero-based; beyond the schedule the temperature stays at ``end``.
        total: steps of the whole schedule, >= 1; a schedule of one step stays at ``start``.
        start: temperature of the first step.
        end: temperature of the last.
    """
    progress = min(1.0, step / max(1, total - 1))
    return start + (end - start) * progress


def adapt_kl_beta(kl_beta: float, kl: float) -> float:
    """Weight of the KL term after a step: x1.5 where KL > 0.1 nats, /1.5 where KL < 0.01.

    Args:
        kl_beta: weight of the step just taken.
        kl: of that step, in nats.

    Returns:
        The weight of the next step, in [0.001, 10].
    """
    if kl > KL_HIGH:
        kl_beta *= KL_BETA_FACTOR
    elif kl < KL_LOW:
        kl_beta /= KL_BETA_FACTOR
    return min(KL_BETA_MAX, max(KL_BETA_MIN, kl_beta))


def top_rollouts(rewards: Tensor, k: int) -> Tensor:
    """Indices of the ``k`` rollouts of highest reward of each query, best first.

    Args:
        rewards: Shape: ``(B, G)``.
        k: >= 1; all G where it is larger.

    Returns:
        Shape: ``(B, min(k, G))``, int64.
    """
    if k < 1:
        raise ValueError(f"`k` must be >= 1, but got {k}")
    return rewards.sort(dim=1, descending=True, stable=True).indices[:, :k]


def _kl_sign(estimator: str) -> float:
    """Of log pi - log pi_ref in the exponent."""
    if estimator not in ("lab", "k3"):
        raise ValueError(f"`estimator` must be lab or k3, but got {estimator!r}")
    return 1.0 if estimator == "lab" else -1.0


def _standardised(rewards: Tensor) -> tuple[Tensor, Tensor]:
    """Rewards minus their mean, and their unbiased standard deviation, both in float64.

    In float32 the mean of equal rewards may differ from them in the last bit; in float64 it can't.
    """
    _check_groups(rewards)
    exact = rewards.double()
    return exact - exact.mean(dim=1, keepdim=True), exact.std(dim=1, keepdim=True)


def _check_groups(rewards: Tensor) -> None:
    if rewards.ndim != 2 or rewards.shape[1] < 2 or not rewards.is_floating_point():
        raise ValueError(
            "`rewards` must be floats of shape (B, G) with G >= 2, but got"
            f" {rewards.dtype} of shape {tuple(rewards.shape)}"
        )
