"""The lab's checkpoints, written, and proved by reading them back as their consumers do.

    <phase>_epoch<N>.pt               the trainer's form; its count of epochs begins at 0
    <phase>_epoch<N>_v2format.ckpt    Lightning's form, which the lab's inference loads

The class that loads the second is gated: a static policy gets a gate that stays open. Neither form
can hold a number of heads, the second no second layer.
"""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.contract.spec import CHECKPOINT
from trainer.errors import InputError, JudgeError, StageError
from trainer.lab.checkpoint import SELECTOR, read_checkpoint
from trainer.lab.command import run_command
from trainer.policy.policy import PointerSelector
from trainer.stage_store import POLICY, read_stage

OPEN_GATE = 30.0  # sigmoid(30) is 1 in float32: the query stays what it is
SAID = 2000  # characters of a command's last words that an error repeats
PROBE_QUERIES, PROBE_POOL, PROBE_STEPS = 8, 64, 4
EQUAL_LOGITS = 1e-5  # of logits in [-10, 10]; measured 1.4e-6


def write_lab_checkpoints(
    folder: Path,
    weights: Mapping[str, Tensor],
    *,
    epoch: int,
    phase: str,
    kl_beta: float | None,
    metrics: Mapping[str, Any],
    num_heads: int,
) -> dict[Path, float]:
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
        The two paths, the trainer's form first, each with the largest difference of a logit.

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
    proved: dict[Path, float] = {}
    try:
        for path, content in contents.items():
            part = path.with_name(f"{path.name}.part")
            torch.save(content, part)
            part.replace(path)
            proved[path] = prove(path, policy)
    except StageError:
        _remove(contents)
        raise
    return proved


def export_stage(stage: Path, folder: Path, *, verify_with: str | None) -> dict[Path, float]:
    """Write the stage in the folder ``stage`` in both forms; as ``write_lab_checkpoints``.

    Args:
        stage: A finished one.
        folder: Is made where it is missing.
        verify_with: A command that loads ``{checkpoint}``, the inference form, in the lab's own
            way; it is appended where the command does not name it. None: no such command.

    Raises:
        TrainerError: where the stage cannot be written so, or the command does not end with 0;
            then both files are removed.
    """
    found = read_stage(stage)
    info = found.info
    proved = write_lab_checkpoints(
        folder,
        found.tensors[POLICY],
        epoch=max(1, info["epoch"]),
        phase=info["phase"],
        kl_beta=info.get("kl_beta"),
        metrics=info["metrics"],
        num_heads=info["num_heads"],
    )
    if verify_with is not None:
        try:
            _verify(verify_with, list(proved)[-1])
        except JudgeError:
            _remove(proved)
            raise
    return proved


def _verify(command: str, checkpoint: Path) -> None:
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise JudgeError(f"--verify-with {command!r} is no command: {error}") from error
    if not any(CHECKPOINT in argument for argument in arguments):
        arguments.append(CHECKPOINT)
    filled = [argument.replace(CHECKPOINT, str(checkpoint)) for argument in arguments]
    try:
        ended = run_command(filled)
    except OSError as error:
        raise JudgeError(f"--verify-with: {filled[0]!r} cannot be run: {error.strerror}") from error
    if ended.code != 0:
        raise JudgeError(
            f"--verify-with: {shlex.join(filled)} {ended.how}; the files were removed:\n"
            + ended.complaint[-SAID:]
        )


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


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
