"""The reward of a recorded rollout, from what the reader answered. Pure; the modes are the lab's.

Shape legend: B queries, R recorded rollouts. All functions work elementwise on any shape.
"""

import torch
from torch import Tensor

from trainer.contract import REWARD_MODES

REWARD_CLAMP = 5.0  # largest absolute reward


def recorded_reward(
    mode: str,
    *,
    hard: Tensor,
    soft: Tensor,
    gt_prob: Tensor | None,
    rel: Tensor | None = None,
    hard_weight: float = 1.0,
    soft_weight: float = 1.0,
    rel_weight: float = 0.1,
) -> Tensor:
    """Reward of each rollout; h, s, g, r are its fields, w_h, w_s, w_r the weights.

    ======================================  =====================  ================
    mode                                    where h = 1            where h = 0
    ======================================  =====================  ================
    `hard_plus_soft`                        w_h + w_s s            w_s s
    `hard_plus_soft_v2`, `separated`        2 w_h + w_s s          w_s s
    `hard_only`                             w_h                    0
    `soft_only`                             w_s s                  w_s s
    `hard01_plus_gtprob`                    w_h + w_s g            w_s g
    `hard01_plus_gtprob_separated`          2 w_h + w_s g          w_s g
    `hard_plus_gtprob_plus_rel`             w_h + w_s g            w_s g + w_r r
    ======================================  =====================  ================

    Args:
        mode: one of the table.
        hard: h, 1 where the answer is right, else 0. Shape: ``(B, R)``.
        soft: s, accuracy of the answer, in [0, 1]. Shape: ``(B, R)``.
        gt_prob: g, probability of the right answer, in [0, 1]; None stands for 0.
        rel: r, how related the shots are to the query, in [0, 1]; None stands for 0.
        hard_weight: w_h.
        soft_weight: w_s, also of g.
        rel_weight: w_r.

    Returns:
        Rewards without unit, in [-5, 5]. Shape: ``(B, R)``.

    Raises:
        ValueError: for a mode that is not known.
    """
    if mode not in REWARD_MODES:
        raise ValueError(f"`mode` must be one of {', '.join(REWARD_MODES)}, but got {mode!r}")
    g = torch.zeros_like(soft) if gt_prob is None else gt_prob
    r = torch.zeros_like(soft) if rel is None else rel
    correct, graded, likely = hard_weight * hard, soft_weight * soft, soft_weight * g
    doubled = 2.0 * correct
    rewards = {
        "hard_plus_soft": correct + graded,
        "hard_plus_soft_v2": doubled + graded,
        "separated": doubled + graded,
        "hard_only": correct,
        "soft_only": graded,
        "hard01_plus_gtprob": correct + likely,
        "hard01_plus_gtprob_separated": doubled + likely,
        "hard_plus_gtprob_plus_rel": correct + likely + rel_weight * (1.0 - hard) * r,
    }
    return rewards[mode].clamp(-REWARD_CLAMP, REWARD_CLAMP)
