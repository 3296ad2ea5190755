"""Rewards of recorded rollouts: every mode by hand."""

import pytest
import torch

from trainer.contract import REWARD_MODES
from trainer.rollouts.rewards import recorded_reward

RIGHT, WRONG = (1.0, 0.9, 0.7, 0.8), (0.0, 0.3, 0.2, 0.5)  # hard, soft, gt, rel


def reward(mode: str, *rollouts: tuple[float, ...], **weights: float) -> list[float]:
    hard, soft, gt_prob, rel = torch.tensor(rollouts, dtype=torch.float64).T
    rewards = recorded_reward(mode, hard=hard, soft=soft, gt_prob=gt_prob, rel=rel, **weights)
    return [float(value) for value in rewards]


@pytest.mark.parametrize(
    ("mode", "right", "wrong"),
    [
        ("hard_plus_soft", 1.9, 0.3),
        ("hard_plus_soft_v2", 2.9, 0.3),
        ("separated", 2.9, 0.3),
        ("hard_only", 1.0, 0.0),
        ("soft_only", 0.9, 0.3),
        ("hard01_plus_gtprob", 1.7, 0.2),
        ("hard01_plus_gtprob_separated", 2.7, 0.2),
        ("hard_plus_gtprob_plus_rel", 1.7, 0.25),  # 0.2 + 0.1 * 0.5, relevance only where wrong
    ],
)
def test_the_modes_of_the_lab(mode: str, right: float, wrong: float) -> None:
    assert reward(mode, RIGHT, WRONG) == pytest.approx([right, wrong])


def test_weights_scale_their_fields() -> None:
    # 2 x 0.5 x 1 + 2 x 0.9 and 2 x 0.3
    assert reward("separated", RIGHT, WRONG, hard_weight=0.5, soft_weight=2.0) == pytest.approx(
        [2.8, 0.6]
    )
    # the soft weight also scales the probability: 3 x 0.2 + 0.4 x 0.5
    assert reward(
        "hard_plus_gtprob_plus_rel", WRONG, soft_weight=3.0, rel_weight=0.4
    ) == pytest.approx([0.8])


def test_rewards_are_clamped() -> None:
    assert reward("hard_only", RIGHT, hard_weight=9.0) == [5.0]
    assert reward("hard_only", RIGHT, hard_weight=-9.0) == [-5.0]


@pytest.mark.parametrize("mode", REWARD_MODES)
def test_a_missing_field_counts_as_zero(mode: str) -> None:
    hard, soft, zero = torch.tensor([1.0, 0.0]), torch.tensor([0.9, 0.3]), torch.zeros(2)
    assert torch.equal(
        recorded_reward(mode, hard=hard, soft=soft, gt_prob=None, rel=None),
        recorded_reward(mode, hard=hard, soft=soft, gt_prob=zero, rel=zero),
    )


def test_an_unknown_mode_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"one of hard_plus_soft, .* but got 'legacy'"):
        reward("legacy", RIGHT)
