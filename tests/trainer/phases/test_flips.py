"""Gaps between candidates: by hand, and against a policy that is moved on along the same way."""

import math

import pytest
import torch
from fakes.toy_task import ToyReader, ToyTask

from trainer.phases.flips import FlipMargins, flip_margins, margins
from trainer.policy.encoding import Rows
from trainer.policy.policy import MASKED_LOGIT, PointerSelector


def test_a_gap_that_closed_by_a_third_would_flip_at_thrice_the_step() -> None:
    # chosen 0 with logit 3, rivals 1.5 and 0; now 2.5, 1.5, 0: the gap of 1.5 has closed by 0.5
    before, now = torch.tensor([[[3.0, 1.5, 0.0]]]), torch.tensor([[[2.5, 1.5, 0.0]]])
    smallest, moved, factor = margins(before, now, torch.tensor([[0]]))
    assert (smallest.item(), moved.item(), factor.item()) == (1.5, 0.5, 3.0)


def test_the_rival_that_closes_fastest_counts_not_the_nearest() -> None:
    # the nearest (gap 1) has fallen back by 1; the other (gap 2) has closed by 1: factor 2
    before, now = torch.tensor([[[3.0, 2.0, 1.0]]]), torch.tensor([[[3.0, 1.0, 2.0]]])
    smallest, moved, factor = margins(before, now, torch.tensor([[0]]))
    assert (smallest.item(), moved.item(), factor.item()) == (1.0, 1.0, 2.0)


def test_what_was_chosen_before_is_no_rival() -> None:
    before = torch.tensor([[[3.0, 1.0], [MASKED_LOGIT, 1.0]]])
    now = torch.tensor([[[3.0, 1.0], [MASKED_LOGIT, -200.0]]])
    smallest, _, factor = margins(before, now, torch.tensor([[0, 1]]))
    assert smallest.item() == 2.0
    assert math.isinf(factor.item())


@pytest.fixture
def start() -> PointerSelector:
    policy = PointerSelector(width=12, hidden_dim=16)
    policy.initialise(0)
    return policy.eval()


def moved_by(start: PointerSelector, scale: float) -> PointerSelector:
    generator = torch.Generator().manual_seed(1)
    weights = {
        name: weight + scale * torch.randn(weight.shape, generator=generator)
        for name, weight in start.state_dict().items()
    }
    return PointerSelector.from_state_dict(weights).eval()


def flips(start: PointerSelector, policy: PointerSelector) -> FlipMargins:
    task = ToyTask()
    return flip_margins(
        start, policy, Rows(task.embeddings), task.record_rollouts("train", ToyReader())
    )


def test_a_policy_that_did_not_move_never_flips(start: PointerSelector) -> None:
    found = flips(start, start)
    assert found.margin > 0.0
    assert found.moved == 0.0
    assert math.isinf(found.step_factor)


def test_the_factor_tells_how_far_to_go_until_a_tenth_of_the_choices_flip(
    start: PointerSelector,
) -> None:
    # gaps close by 1 in 12, which is 2e-2 logits; rounding of logits up to 10 leaves 0.2 % of that
    factor = flips(start, moved_by(start, 1e-3)).step_factor
    assert factor > 3.0
    early, before, just, beyond = (
        flips(start, moved_by(start, 1e-3 * share * factor)) for share in (0.4, 0.5, 0.8, 1.3)
    )
    assert before.step_factor == pytest.approx(2.0, rel=0.05)  # in proportion
    assert early.step_factor != pytest.approx(2.0, rel=0.05)  # at 1 / 0.4
    assert just.step_factor > 1.0 > beyond.step_factor
