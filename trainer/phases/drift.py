"""How far each tensor has moved since a phase's start; a dead tensor has not. Pure."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor


class TensorDrift(NamedTuple):
    """The change of one tensor."""

    mean_abs: float  # mean absolute difference of its elements
    max_abs: float  # largest absolute difference
    relative_norm: float  # norm of the change over the norm at the start, a fraction; may be inf


def tensor_drift(start: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> dict[str, TensorDrift]:
    """Compare every tensor with what it was at the start; a tensor that did not move has zeros.

    Relative to a tensor that was all zeros at the start (a fresh bias), any change is infinite.

    Args:
        start: tensors at the phase's start, by name.
        now: the same tensors now, on any device.

    Returns:
        The drift by name, in the order of ``start``.

    Raises:
        ValueError: where the two do not hold the same names and shapes; it names them.
    """
    problems = [f"{name} is on one side only" for name in sorted(start.keys() ^ now.keys())]
    problems += [
        f"{name} has shape {tuple(now[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in start.items()
        if name in now and now[name].shape != tensor.shape
    ]
    if problems:
        raise ValueError("cannot compare tensors: " + "; ".join(problems))
    return {name: _drift(tensor, now[name]) for name, tensor in start.items()}


def _drift(start: Tensor, now: Tensor) -> TensorDrift:
    before = start.detach().double().cpu()
    change = now.detach().double().cpu() - before
    distance, length = float(change.norm()), float(before.norm())
    relative = distance / length if length > 0.0 else (math.inf if distance > 0.0 else 0.0)
    return TensorDrift(float(change.abs().mean()), float(change.abs().max()), relative)
