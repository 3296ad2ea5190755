"""The lab's checkpoints, written, and proved by reading them back as their consumers do.

    <phase>_epoch<N>.pt               the trainer's form; its count of epochs begins at 0
    <phase>_epoch<N>_v2format.ckpt    Lightning's form, which the lab's inference loads

The class that loads the second is gated: a static policy gets a gate that stays open. Neither form
can hold a number of heads, the second no second layer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.errors import InputError, StageError
from trainer.lab_checkpoint import SELECTOR, read_checkpoint
from trainer.policy import PointerSelector

OPEN_GATE = 30.0  # sigmoid(30) is 1 in float32: the query stays what it is
PROBE_QUERIES, PROBE_POOL, PROBE_STEPS = 8, 64, 4
EQUAL_LOGITS = 1e-5  # of logits in [-10, 10]; measured 1e-6


def write_lab_checkpoints(
    folder: Path,
    weights: Mapping[str, Tensor],
    *,
    epoch: int,
    phase: str,
    kl_beta: float | None,
    metrics: Mapping[str, Any],
    num_heads: int,
) -> list[Path]:
    """Write both files and read them back: nothing missing or unexpected, equal logits.

    Args:
        folder: Is made where it is missing.
        weights: of a stage.
        epoch: One-based.
        phase: "rce", "grpo" or "start".
        kl_beta: After the epoch; None where the phase has none.
        metrics: Of the epoch, for the first file.
        num_heads: Of the attention.

    Returns:
        The two paths, the trainer's form first.

    Raises:
        InputError: where the forms cannot hold this policy; nothing is written.
        StageError: where a file, read back, is not the policy; both are removed.
    """
    policy = PointerSelector.from_state_dict(dict(weights), num_heads=num_heads).eval()
    _require_holdable(policy, num_heads)
    plain = {name: tensor.detach().cpu().float().clone() for name, tensor in weights.items()}
    stem = f"{phase}_epoch{epoch}"
    contents = {
        folder / f"{stem}.pt": {
            "epoch": epoch - 1,
            "phase": phase,
            "model_state_dict": plain,
            "kl_beta": kl_beta,
            "metrics": dict(metrics),
        },
        folder / f"{stem}_v2format.ckpt": {
            "epoch": epoch - 1,
            "state_dict": {SELECTOR + name: t for name, t in _gated(plain).items()},
            "hyper_parameters": {},
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for path, content in contents.items():
            part = path.with_name(f"{path.name}.part")
            torch.save(content, part)
            part.replace(path)
            prove(path, policy)
    except StageError:
        for path in contents:
            path.unlink(missing_ok=True)
        raise
    return list(contents)


def _require_holdable(policy: PointerSelector, num_heads: int) -> None:
    layers = len(policy.cross_attn_layers)
    if layers > 1:
        raise InputError(f"the lab's form holds one layer of cross-attention, the policy {layers}")
    if num_heads > 1:
        raise InputError(
            f"the lab's form tells no number of heads and its loader assumes 1, the policy has"
            f" {num_heads}"
        )


def _gated(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with a gate: an open one where the policy has none."""
    if "query_update_gate.weight" in weights:
        return dict(weights)
    width = weights["query_proj.weight"].shape[0]
    return {
        **weights,
        "query_update_gate.weight": torch.zeros(width, 2 * width),
        "query_update_gate.bias": torch.full((width,), OPEN_GATE),
    }


@torch.no_grad()
def prove(path: Path, policy: PointerSelector) -> float:
    """Load a file strictly, compare its logits with the policy's; return the largest difference.

    Raises:
        StageError: where they differ.
    """
    consumer = PointerSelector.from_state_dict(read_checkpoint(path).weights).eval()
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(PROBE_QUERIES, policy.width, generator=generator)
    pools = torch.randn(PROBE_QUERIES, PROBE_POOL, policy.width, generator=generator)
    chosen = policy.roll_out(policy.encode(queries, pools), steps=PROBE_STEPS).pointers
    ours = policy.step_logits(policy.encode(queries, pools), chosen)
    theirs = consumer.step_logits(consumer.encode(queries, pools), chosen)
    difference = float((ours - theirs).abs().max())
    if not difference <= EQUAL_LOGITS:
        raise StageError(
            f"{path}, read back, gives other logits: {difference:.1e} apart; it was removed"
        )
    return difference
