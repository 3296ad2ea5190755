"""The lab's checkpoints, read: whatever form, the weights under one set of names.

    trainer      {"epoch": zero-based, "phase", "model_state_dict", "kl_beta", ...}
    bare         the state dict alone
    lightning    {"state_dict": {"lever_lm.pointer_selector.<name>" or "lever_lm.<name>": ...}, ...}
                 beside the image encoder's tensors, which are not read
    safetensors  the weights of a stage

Strict: a tensor that is missing, not known, of another shape or not finite is an error that names
it. Files before 2025-11-27 call the only layer `cross_attn.*` and `attn_norm.*`.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trainer.errors import InputError
from trainer.inert_pickle import load_inert
from trainer.policy.policy import PointerSelector

Form = Literal["trainer", "bare", "lightning", "safetensors"]

LIGHTNING = "lever_lm."
SELECTOR = "lever_lm.pointer_selector."
OLD_NAMES = {"cross_attn.": "cross_attn_layers.0.", "attn_norm.": "attn_norms.0."}
FOREIGN = ("decoder_gru", "step_emb", "div_lambda", "attn_W")  # tensors of the lab's other variants
VARIANTS = ("static", "gated", "v0", "v1", "v2", "")  # what `model_type` may say of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Weights with what the file tells of their training."""

    weights: Mapping[str, Tensor]  # float32, under the names of `PointerSelector`
    form: Form
    epoch: int | None = None  # one-based; the file's own count begins at 0
    phase: str | None = None
    kl_beta: float | None = None  # after adaptation
    metrics: Mapping[str, float] = field(default_factory=dict)  # the numbers among them
    digest: str = ""  # of names, shapes and bytes: the same in every form


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of any form.

    Raises:
        InputError: where the file cannot be read, is of another model variant, or its tensors are
            not those of a pointer selector; it names them.
    """
    form, named, facts = _open(path)
    _refuse_foreign(path, named, facts)
    weights = {name: tensor.float() for name, tensor in _renamed(path, named).items()}
    try:
        PointerSelector.from_state_dict(weights)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    epoch, phase, kl_beta = facts.get("epoch"), facts.get("phase"), facts.get("kl_beta")
    return Checkpoint(
        weights=weights,
        form=form,
        epoch=epoch + 1 if type(epoch) is int and form == "trainer" else None,
        phase=phase if isinstance(phase, str) else None,
        kl_beta=float(kl_beta) if isinstance(kl_beta, int | float) else None,
        metrics=_numbers(facts.get("metrics")),
        digest=weights_digest(weights),
    )


def _numbers(metrics: Any) -> dict[str, float]:
    """Finite numbers under plain names; what else a file holds there is left alone."""
    if not isinstance(metrics, dict):
        return {}
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(name, str) and type(value) in (int, float) and math.isfinite(value)
    }


def _open(path: Path) -> tuple[Form, dict[str, Tensor], Mapping[str, Any]]:
    """The form, the tensors that are the selector's under their names, and the rest of the file."""
    if path.suffix == ".safetensors":
        try:
            return "safetensors", load_file(path), {}
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error
    content = load_inert(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} holds no checkpoint but a {type(content).__name__}")
    if "model_state_dict" in content:
        return "trainer", _tensors(path, content["model_state_dict"]), content
    if "state_dict" in content:
        return "lightning", _selector_of(path, content["state_dict"]), content
    return "bare", _tensors(path, content), {}


def _tensors(path: Path, state_dict: Any) -> dict[str, Tensor]:
    if not isinstance(state_dict, dict) or not state_dict:
        raise InputError(f"{path}: the state dict is no mapping of tensors")
    foreign = [
        str(name)
        for name, value in state_dict.items()
        if not isinstance(name, str) or not isinstance(value, Tensor)
    ]
    if foreign:
        raise InputError(f"{path}: no tensors in the state dict: {', '.join(foreign[:8])}")
    return dict(state_dict)


def _selector_of(path: Path, state_dict: Any) -> dict[str, Tensor]:
    """The tensors below the selector's prefix; the image encoder's are left alone."""
    if not isinstance(state_dict, dict):
        raise InputError(f"{path}: `state_dict` is no mapping of tensors")
    names = [name for name in state_dict if isinstance(name, str)]
    prefix = SELECTOR if any(name.startswith(SELECTOR) for name in names) else LIGHTNING
    found = {
        name.removeprefix(prefix): state_dict[name] for name in names if name.startswith(prefix)
    }
    if not found:
        raise InputError(f"{path}: `state_dict` has no tensor below {SELECTOR} or {LIGHTNING}")
    return _tensors(path, found)


def _refuse_foreign(path: Path, named: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    foreign = [name for name in named if name.startswith(FOREIGN)]
    if foreign:
        raise InputError(
            f"{path} is of another model variant: it has {', '.join(foreign[:4])}; this trainer "
            "has the static and the gated pointer selector"
        )
    variant = facts.get("model_type", "")
    if isinstance(variant, str) and variant not in VARIANTS:
        raise InputError(
            f"{path} is of the model variant {variant!r}; this trainer has static and gated"
        )


def _renamed(path: Path, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under today's names."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in named.items():
        old = next((prefix for prefix in OLD_NAMES if name.startswith(prefix)), None)
        today = name if old is None else OLD_NAMES[old] + name.removeprefix(old)
        if today in renamed:
            raise InputError(f"{path} has {today} twice, under its old and its new name")
        renamed[today] = tensor
    return renamed


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Hash names, shapes and bytes, whatever their order: 32 hexadecimal digits."""
    hasher = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().to("cpu", torch.float32).contiguous()
        hasher.update(f"{name} {tuple(tensor.shape)}".encode())
        hasher.update(tensor.numpy().data)
    return hasher.hexdigest()[:32]
