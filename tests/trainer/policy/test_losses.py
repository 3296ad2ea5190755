"""Losses of RCE and GRPO: sums by hand, then laws, then torch's own functions."""

import math
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from trainer.contract.phases import Normalisation
from trainer.policy.losses import (
    adapt_kl_beta,
    group_relative_advantages,
    kl_gradient,
    kl_penalty,
    normalise_rewards,
    ppo_gradient,
    ppo_terms,
    rank_advantages,
    rce_loss,
    temperature_at,
    top_rollouts,
)


def close(actual: Tensor, expected: list[list[float]] | list[float] | float) -> None:
    torch.testing.assert_close(
        actual, torch.tensor(expected, dtype=actual.dtype), atol=1e-6, rtol=1e-6
    )


def random_rewards() -> Tensor:
    return torch.rand(5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


# ---- advantages


def test_advantages_of_two_rollouts_are_plus_minus_one_over_root_two() -> None:
    # mean 0.5, unbiased std sqrt(0.5), so (0 - 0.5) / sqrt(0.5) = -0.70711
    close(group_relative_advantages(torch.tensor([[0.0, 1.0]])), [[-(0.5**0.5), 0.5**0.5]])


def test_a_small_spread_is_divided_by_the_floor() -> None:
    # std of (0.50, 0.52) is 0.0141 < 0.1, so (0.50 - 0.51) / 0.1 = -0.1
    close(group_relative_advantages(torch.tensor([[0.50, 0.52]])), [[-0.1, 0.1]])
    close(group_relative_advantages(torch.tensor([[0.50, 0.52]]), min_std=0.02), [[-0.5, 0.5]])


def test_advantages_are_clamped() -> None:
    # one of 40 differs: (1 - 1/40) / sqrt(1/40) = 6.16
    rewards = torch.zeros(1, 40)
    rewards[0, 3] = 1.0
    assert group_relative_advantages(rewards)[0, 3] == 5.0
    assert group_relative_advantages(rewards, clamp=2.0)[0, 3] == 2.0
    assert group_relative_advantages(rewards, clamp=9.0)[0, 3] == pytest.approx(6.1664, abs=1e-3)


@pytest.mark.parametrize("reward", [0.1, 1 / 3, 1.7, 4.9])
@pytest.mark.parametrize("group_size", [3, 7, 16])
def test_advantages_are_zero_when_every_rollout_scores_the_same(
    reward: float, group_size: int
) -> None:
    assert not group_relative_advantages(torch.full((2, group_size), reward)).any()


@pytest.mark.parametrize("offset", [-3.0, 0.0, 7.0])
def test_advantages_ignore_a_constant_added_to_every_reward(offset: float) -> None:
    rewards = random_rewards()
    torch.testing.assert_close(
        group_relative_advantages(rewards + offset), group_relative_advantages(rewards)
    )


@pytest.mark.parametrize("function", [group_relative_advantages, rank_advantages])
def test_advantages_follow_a_permutation_of_the_rollouts(function: object) -> None:
    assert callable(function)
    rewards, order = random_rewards(), torch.tensor([5, 2, 7, 0, 1, 6, 3, 4])
    torch.testing.assert_close(function(rewards[:, order]), function(rewards)[:, order])


@pytest.mark.parametrize("function", [group_relative_advantages, rank_advantages])
def test_advantages_of_a_query_ignore_the_other_queries(function: object) -> None:
    assert callable(function)
    rewards = random_rewards()
    assert torch.equal(function(rewards)[2:3], function(rewards[2:3]))


def test_ranks_fall_from_one_to_minus_one() -> None:
    close(rank_advantages(torch.tensor([[0.3, 9.0, -1.0]])), [[0.0, 1.0, -1.0]])


def test_equal_rewards_are_ranked_in_file_order() -> None:
    # order 2, 3 | 0, 4 | 1 -> 1, 0.5 | 0, -0.5 | -1
    close(rank_advantages(torch.tensor([[1.0, 0.5, 1.5, 1.5, 1.0]])), [[0.0, -1.0, 1.0, 0.5, -0.5]])


@pytest.mark.parametrize("rewards", [torch.zeros(3), torch.zeros(2, 1), torch.zeros(2, 2).long()])
@pytest.mark.parametrize("function", [group_relative_advantages, rank_advantages])
def test_a_group_of_one_rollout_has_no_advantage(function: object, rewards: Tensor) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match=r"`rewards` must be floats of shape \(B, G\)"):
        function(rewards)


# ---- normalised rewards


def test_z_scores_use_the_unbiased_deviation() -> None:
    # mean 1, unbiased std 1
    close(normalise_rewards(torch.tensor([[0.0, 1.0, 2.0]]), "z_score"), [[-1.0, 0.0, 1.0]])


def test_only_the_clamped_z_score_is_clamped() -> None:
    rewards = torch.zeros(1, 16)
    rewards[0, 0] = 1.0  # (1 - 1/16) / sqrt(1/16) = 3.75
    assert normalise_rewards(rewards, "z_score")[0, 0] == pytest.approx(3.75)
    assert normalise_rewards(rewards, "z_score_clamp")[0, 0] == 3.0


@pytest.mark.parametrize("method", ["z_score", "z_score_clamp"])
def test_equal_rewards_are_left_alone(method: Normalisation) -> None:
    rewards = torch.tensor([[4.7, 4.7, 4.7], [0.1, 0.1, 0.1], [0.0, 1.0, 2.0]])
    normalised = normalise_rewards(rewards, method)
    assert torch.equal(normalised[:2], rewards[:2])
    close(normalised[2], [-1.0, 0.0, 1.0])


def test_ranks_as_rewards_are_the_rank_advantages() -> None:
    rewards = random_rewards()
    assert torch.equal(normalise_rewards(rewards, "rank_normalize"), rank_advantages(rewards))


def test_rewards_may_stay_raw() -> None:
    rewards = random_rewards()
    assert torch.equal(normalise_rewards(rewards, "none"), rewards)


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ValueError, match="rank_normalize or none, but got 'minmax'"):
        normalise_rewards(random_rewards(), "minmax")  # type: ignore[arg-type]


# ---- RCE


def test_rce_weighs_rollouts_by_the_softmax_of_their_rewards() -> None:
    log_probs = torch.tensor([[-1.0, -3.0], [-2.0, -2.0]])
    rewards = torch.tensor([[math.log(3.0), 0.0], [5.0, -5.0]])
    # query 1: weights 3/4, 1/4 -> 0.75 + 0.75 = 1.5; query 2: 2; mean 1.75
    close(rce_loss(log_probs, rewards, temperature=1.0), 1.75)


def test_a_high_temperature_weighs_all_rollouts_alike_and_a_low_one_the_best() -> None:
    log_probs, rewards = -10.0 * random_rewards(), random_rewards().flip(1)
    close(
        rce_loss(log_probs, rewards, temperature=1e9) - -log_probs.mean(),
        0.0,
    )
    best = log_probs.gather(1, rewards.argmax(dim=1, keepdim=True))
    close(rce_loss(log_probs, rewards, temperature=1e-4) - -best.mean(), 0.0)


def test_rce_ignores_a_constant_added_to_the_rewards_of_a_query() -> None:
    log_probs, rewards = -random_rewards(), random_rewards().flip(0)
    shifted = rewards + torch.arange(5.0, dtype=torch.float64)[:, None]
    torch.testing.assert_close(
        rce_loss(log_probs, shifted, temperature=0.7),
        rce_loss(log_probs, rewards, temperature=0.7),
    )


def test_rce_with_one_sure_rollout_is_torchs_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 6, generator=generator)
    targets = torch.tensor([1, 5, 0, 3])
    log_probs = logits.log_softmax(dim=1)  # every candidate is a rollout of one step
    rewards = 1e4 * F.one_hot(targets, 6).float()
    torch.testing.assert_close(
        rce_loss(log_probs, rewards, temperature=1.0), F.cross_entropy(logits, targets)
    )


# ---- GRPO


def test_the_surrogate_takes_the_pessimistic_side_of_the_clip() -> None:
    ratio = torch.tensor([[1.5, 1.5, 0.5, 0.5, 1.1]])
    advantages = torch.tensor([[1.0, -1.0, 1.0, -1.0, 2.0]])
    terms = ppo_terms(ratio.log(), torch.zeros(1, 5), advantages, clip_epsilon=0.2)
    # min(rA, clip(r)A): 1.2, -1.5, 0.5, -0.8, 2.2 -> sum 1.6, mean 0.32
    close(terms.loss, -0.32)
    close(terms.ratio, [[1.5, 1.5, 0.5, 0.5, 1.1]])
    close(terms.clip_fraction, 0.8)


def test_a_clipped_rollout_gives_no_gradient_and_any_other_its_advantage() -> None:
    log_probs = torch.tensor([[0.0, math.log(1.5)]], requires_grad=True)
    terms = ppo_terms(log_probs, torch.zeros(1, 2), torch.tensor([[3.0, 1.0]]), clip_epsilon=0.2)
    terms.loss.backward()  # type: ignore[no-untyped-call]
    # d(-mean(rho A))/d log pi = -rho A / 2
    assert log_probs.grad is not None
    close(log_probs.grad, [[-1.5, 0.0]])


def test_at_the_old_policy_the_surrogate_is_minus_the_mean_advantage() -> None:
    log_probs, advantages = -random_rewards(), random_rewards().flip(1)
    terms = ppo_terms(log_probs, log_probs, advantages, clip_epsilon=0.2)
    assert torch.equal(terms.ratio, torch.ones(5, 8, dtype=torch.float64))
    assert terms.clip_fraction == 0.0
    torch.testing.assert_close(terms.loss, -advantages.mean())


def test_both_estimators_of_the_kl_by_hand() -> None:
    log_probs, reference = torch.tensor([[math.log(2.0), 0.0]]), torch.zeros(1, 2)
    # ratio 2: lab 2 - 1 - log 2, k3 1/2 - 1 + log 2; the equal rollout adds 0 to the mean
    close(kl_penalty(log_probs, reference, estimator="lab"), (1 - math.log(2.0)) / 2)
    close(kl_penalty(log_probs, reference, estimator="k3"), (math.log(2.0) - 0.5) / 2)


def test_k3_is_unbiased_for_the_kl_to_the_reference_and_lab_for_the_other_way() -> None:
    generator = torch.Generator().manual_seed(0)
    policy, reference = torch.randn(2, 6, generator=generator, dtype=torch.float64).log_softmax(1)
    to_reference = (policy.exp() * (policy - reference)).sum()
    to_policy = (reference.exp() * (reference - policy)).sum()
    k3 = torch.stack([kl_penalty(policy[k], reference[k], estimator="k3") for k in range(6)])
    lab = torch.stack([kl_penalty(policy[k], reference[k], estimator="lab") for k in range(6)])
    torch.testing.assert_close((policy.exp() * k3).sum(), to_reference)
    torch.testing.assert_close((reference.exp() * lab).sum(), to_policy)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.sampled_from(["lab", "k3"]))
def test_the_kl_penalty_is_never_negative_and_zero_for_equal_policies(
    log_ratios: list[float], estimator: str
) -> None:
    reference = torch.full((1, len(log_ratios)), -3.0, dtype=torch.float64)
    log_probs = reference + torch.tensor([log_ratios], dtype=torch.float64)
    assert kl_penalty(log_probs, reference, estimator=estimator) >= -1e-12  # type: ignore[arg-type]
    assert kl_penalty(reference, reference, estimator=estimator) == 0.0  # type: ignore[arg-type]


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(ValueError, match="must be lab or k3, but got 'k1'"):
        kl_penalty(torch.zeros(1, 2), torch.zeros(1, 2), estimator="k1")  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-3, 3), st.floats(-5, 5), st.floats(0.01, 1)), min_size=1, max_size=8
    ),
    st.sampled_from(["lab", "k3"]),
)
def test_the_written_out_gradients_are_those_of_the_losses(
    rollouts: list[tuple[float, float, float]], estimator: Literal["lab", "k3"]
) -> None:
    moved, advantages, shares = torch.tensor([rollouts], dtype=torch.float64).unbind(dim=2)
    old = torch.full_like(moved, -4.0)
    log_probs = (old + moved).requires_grad_()
    ppo = ppo_terms(log_probs, old, advantages, clip_epsilon=0.2, shares=shares)
    kl = kl_penalty(log_probs, old, estimator=estimator, shares=shares)
    of_ppo, of_kl = torch.autograd.grad(ppo.loss, log_probs), torch.autograd.grad(kl, log_probs)
    now = log_probs.detach()
    by_ppo = ppo_gradient(now, old, advantages, clip_epsilon=0.2, shares=shares)
    torch.testing.assert_close(by_ppo, of_ppo[0])
    torch.testing.assert_close(kl_gradient(now, old, estimator=estimator, shares=shares), of_kl[0])


# ---- schedules


@pytest.mark.parametrize(
    ("step", "total", "expected"),
    [(0, 10, 2.0), (3, 10, 1.5), (9, 10, 0.5), (12, 10, 0.5), (0, 1, 2.0), (1, 2, 0.5)],
)
def test_the_temperature_falls_linearly_and_reaches_its_end_at_the_last_step(
    step: int, total: int, expected: float
) -> None:
    assert temperature_at(step, total, 2.0, 0.5) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kl_beta", "kl", "expected"),
    [
        (0.1, 0.2, 0.15),
        (0.1, 0.1, 0.1),
        (0.1, 0.01, 0.1),
        (0.15, 0.001, 0.1),
        (9.0, 0.2, 10.0),
        (0.0012, 0.001, 0.001),
        (0.1, math.nan, 0.1),
    ],
)
def test_kl_beta_follows_the_kl_within_its_bounds(
    kl_beta: float, kl: float, expected: float
) -> None:
    assert adapt_kl_beta(kl_beta, kl) == pytest.approx(expected)


# ---- curriculum


def test_the_best_rollouts_come_first_and_ties_in_file_order() -> None:
    rewards = torch.tensor([[1.0, 0.5, 2.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    assert top_rollouts(rewards, 3).tolist() == [[2, 3, 0], [0, 1, 2]]


def test_ties_stay_in_file_order_in_large_groups() -> None:
    rewards = (torch.arange(1000) % 2).float()[None]  # a sort that is not stable shuffles these
    assert top_rollouts(rewards, 500)[0].tolist() == list(range(1, 1000, 2))


def test_asking_for_more_rollouts_than_there_are_gives_all() -> None:
    assert top_rollouts(torch.tensor([[1.0, 2.0]]), 5).tolist() == [[1, 0]]


def test_asking_for_no_rollout_is_refused() -> None:
    with pytest.raises(ValueError, match="`k` must be >= 1, but got 0"):
        top_rollouts(torch.zeros(1, 2), 0)
