"""What checkpoints are, in words that need no torch: for programs that must not import it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.errors import InputError
from trainer.lab.checkpoint import read_checkpoint
from trainer.policy.policy import PointerSelector


def describe_checkpoints(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Describe checkpoints of any form, each as JSON; nothing that they name is run.

    Returns:
        In order of ``paths``: ``file, form, phase, epoch`` (one-based)``, kl_beta`` (after
        adaptation)``, variant, width, hidden_dim, layers, parameters, digest, metrics``, None
        where the file does not tell; of a file that cannot be used ``file, problem``.
    """
    return [_described(path) for path in paths]


def _described(path: Path) -> dict[str, Any]:
    try:
        checkpoint = read_checkpoint(path)
    except InputError as error:
        return {"file": str(path), "problem": str(error)}
    policy = PointerSelector.from_state_dict(checkpoint.weights)
    kl_beta = checkpoint.kl_beta
    return {
        "file": str(path),
        "form": checkpoint.form,
        "phase": checkpoint.phase,
        "epoch": checkpoint.epoch,
        "kl_beta": kl_beta if kl_beta is not None and math.isfinite(kl_beta) else None,
        "variant": policy.variant,
        "width": policy.width,
        "hidden_dim": policy.query_proj.out_features,
        "layers": len(policy.attn_norms),
        "parameters": sum(tensor.numel() for tensor in checkpoint.weights.values()),
        "digest": checkpoint.digest,
        "metrics": dict(checkpoint.metrics),
    }
