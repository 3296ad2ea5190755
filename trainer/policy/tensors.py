"""The tensors of a pointer selector by name: groups, first values, what does not fit."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainer.errors import InputError

PROJECTION_NOISE = 0.01  # about the identity, from which query_proj and cand_proj start
GATE_GAIN = 0.1  # the gate starts half open, hardly depending on its input: there it learns fastest


def tensor_group(name: str) -> str:
    """Group of a tensor: `cross_attn_layers.0.in_proj_bias` belongs to `cross_attn_layers`."""
    return name.partition(".")[0]


def check_sizes(width: int, hidden_dim: int, num_layers: int, num_heads: int) -> None:
    """Refuse sizes of which no policy can be built. Raises ValueError that lists them."""
    sizes = (width, hidden_dim, num_layers, num_heads)
    names = ("width", "hidden_dim", "num_layers", "num_heads")
    problems = [
        f"`{name}` must be >= 1, but got {size}"
        for name, size in zip(names, sizes, strict=True)
        if size < 1
    ]
    if not problems and hidden_dim % num_heads:
        problems = [f"`num_heads` {num_heads} must divide `hidden_dim` {hidden_dim}"]
    if problems:
        raise ValueError("; ".join(problems))


def initial_value(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """The value that the tensor ``name`` begins with, drawn on the CPU."""
    group = tensor_group(name)
    if group in ("query_proj", "cand_proj"):
        return torch.eye(shape[0]) + PROJECTION_NOISE * torch.randn(shape, generator=generator)
    if name.endswith("bias"):
        return torch.zeros(shape)
    if group == "attn_norms":
        return torch.ones(shape)
    gain = GATE_GAIN if group == "query_update_gate" else 1.0
    return nn.init.xavier_uniform_(torch.empty(shape), gain=gain, generator=generator)


def hidden_width(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """H, read off the projections. Raises InputError where these are no policy's tensors."""
    shape = shapes.get("query_proj.weight", shapes.get("cand_proj.weight", ()))
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 1:
        found = ", ".join(f"{name} {size}" for name, size in shapes.items()) or "none"
        raise InputError(
            "these are not the tensors of a pointer selector: needs query_proj.weight of shape"
            f" (H, H), but found: {found}"
        )
    return shape[0]


def misfits(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """What keeps ``given`` from being loaded as ``expected``, tensor by tensor."""
    problems = [f"{name} is missing" for name in expected if name not in given]
    for name, tensor in given.items():
        if name not in expected:
            problems.append(f"{name} is not known")
        elif tensor.shape != expected[name].shape:
            problems.append(
                f"{name} has shape {tuple(tensor.shape)} instead of {tuple(expected[name].shape)}"
            )
        elif not tensor.is_floating_point() or not tensor.isfinite().all():
            problems.append(f"{name} holds values that are not finite numbers ({tensor.dtype})")
    return problems
