import math
from typing import Any

import pytest
import torch
from fakes.toy_task import POOL, ToyReader, ToyTask

from trainer.contract import RceSpec
from trainer.phases.rce import rce_epochs
from trainer.policy.encoding import Rows
from trainer.policy.policy import PointerSelector
from trainer.rollouts.recorded import raw_reward
from trainer.scoring.validation import uniform_losses, validation_losses


def uniform_policy() -> PointerSelector:
    """Candidates that all look alike: every choice is as likely as any other."""
    policy = PointerSelector(width=12, hidden_dim=16)
    with torch.no_grad():
        policy.cand_proj.weight.zero_()
    return policy


def epochs(policy: PointerSelector, **settings: Any) -> list[dict[str, float]]:
    task = ToyTask()
    spec = RceSpec(batch_size=8, **settings)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=spec.lr, weight_decay=spec.weight_decay)
    return list(
        rce_epochs(
            policy,
            optimizer,
            spec,
            task.record_rollouts("train", ToyReader()),
            task.embeddings,
            seed=0,
            phase_index=0,
            first_epoch=1,
        )
    )


def test_a_uniform_policy_is_no_nat_better_than_uniform() -> None:
    task = ToyTask()
    rollouts = task.record_rollouts("validate", ToyReader())
    losses = validation_losses(
        uniform_policy(), rollouts, Rows(task.embeddings), raw_reward(rollouts, "hard_only")
    )
    # the second step chooses among 15, for the first choice has the logit -100
    assert losses.mean().item() == pytest.approx(math.log(POOL) + math.log(POOL - 1), abs=1e-5)
    assert (uniform_losses(rollouts) - losses).abs().max() < 1e-5


def test_training_lowers_the_loss_and_the_temperature_falls_linearly() -> None:
    policy = PointerSelector(width=12, hidden_dim=16)
    policy.initialise(0)
    statistics = epochs(policy, epochs=3, lr=3e-3)
    losses = [entry["loss"] for entry in statistics]
    assert losses == sorted(losses, reverse=True)
    # the first of 12 steps has 2.0, the last 0.5; the means of steps 0-3, 4-7, 8-11
    means = [2.0 - 1.5 * (first + 1.5) / 11 for first in (0, 4, 8)]
    assert [entry["temperature"] for entry in statistics] == pytest.approx(means)


def test_leaving_early_trains_the_first_epochs_of_the_schedule() -> None:
    whole, early = (PointerSelector(width=12, hidden_dim=16) for _ in range(2))
    assert epochs(early, epochs=3, stop_after=2) == epochs(whole, epochs=3)[:2]
