"""How near a policy came to choosing otherwise: the gaps between its candidates, and their change.

A choice flips once a candidate's logit overtakes that of the chosen one. Between the start of a
phase and now every gap has changed by so much; in proportion, a step so many times as large would
have flipped the choice. Pure but for the two policies.

Shape legend: Q questions, S shots, K candidates.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from trainer.evaluation_batch import LAID_OUT
from trainer.policy.encoding import Rows
from trainer.policy.policy import MASKED_LOGIT, PointerSelector
from trainer.tasks import RecordedRollouts

FLIPPED = 0.1  # share of the questions that `step_factor` is to flip


class FlipMargins(NamedTuple):
    """What it takes to change choices."""

    margin: float  # median over questions of the smallest gap of a choice at the start, in logits
    moved: float  # median over questions of how far that gap has changed since, in logits
    step_factor: float
    """How many times as far the policy would have to move for a tenth of the questions to be given
    other shots; at most 1 where it has done so, infinite where no gap closes."""


@torch.no_grad()
def flip_margins(
    start: PointerSelector, policy: PointerSelector, rows: Rows, rollouts: RecordedRollouts
) -> FlipMargins:
    """Hold the gaps of the choices of ``start`` against those that ``policy`` gives the same shots.

    As many shots as a rollout has, for the queries that nothing is trained on.

    Args:
        start: As the phase began, in evaluation mode.
        policy: As it is now, in evaluation mode.
        rows: On the policies' device.
        rollouts: Those of the validation; only their questions are looked at.
    """
    steps, parts = rollouts.pointers.shape[1], []
    for begin in range(0, len(rollouts.queries), LAID_OUT):
        part = rollouts.questions[begin : begin + LAID_OUT]
        encoded = zip(rows.encode_parts(start, part), rows.encode_parts(policy, part), strict=True)
        for (_, before), (_, after) in encoded:
            pointers = start.roll_out(before, steps=steps).pointers
            logits = start.step_logits(before, pointers)[:, 0]
            now = policy.step_logits(after, pointers)[:, 0]
            parts.append(torch.stack(margins(logits, now, pointers[:, 0])))
    smallest, moved, factors = torch.cat(parts, dim=1).double()
    needed = factors.sort().values[int(FLIPPED * (len(factors) - 1))]  # quantile() dislikes inf
    return FlipMargins(float(smallest.median()), float(moved.median()), float(needed))


def margins(before: Tensor, now: Tensor, pointers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each question the smallest gap of its choices, its change, and the factor that flips one.

    Args:
        before: Logits of every step at the start. Shape: ``(Q, S, K)``.
        now: Logits of the same steps, after the same shots. Shape: ``(Q, S, K)``.
        pointers: What was chosen at the start, local indices. Shape: ``(Q, S)``.

    Returns:
        Three tensors of shape ``(Q,)``; a factor is infinite where no gap closes.
    """
    chosen = pointers[:, :, None]
    rivals = (before > MASKED_LOGIT).scatter(2, chosen, False)
    gaps = before.gather(2, chosen) - before
    closing = gaps - (now.gather(2, chosen) - now)
    apart = gaps.masked_fill(~rivals, torch.inf).flatten(1)
    factors = torch.where(rivals & (closing > 0.0), gaps / closing, torch.inf)
    nearest = apart.argmin(dim=1, keepdim=True)
    moved = closing.flatten(1).gather(1, nearest)[:, 0].abs()
    return apart.gather(1, nearest)[:, 0], moved, factors.flatten(1).amin(dim=1)
