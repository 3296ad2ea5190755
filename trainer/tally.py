"""Means over the steps of an epoch, kept on the device until the epoch ends."""

import torch
from torch import Tensor


class Tally:
    """Weighted means of named scalars, each over the steps at which it was told."""

    def __init__(self) -> None:
        self._told: dict[str, list[tuple[float, Tensor | float]]] = {}

    def add(self, weight: float, **values: Tensor | float) -> None:
        """Take in one step of ``weight`` queries."""
        for name, value in values.items():
            scalar = value.detach() if isinstance(value, Tensor) else value
            self._told.setdefault(name, []).append((weight, scalar))

    def means(self) -> dict[str, float]:
        """The mean of every name over all steps that told it."""
        means = {}
        for name, told in self._told.items():
            values = torch.stack([torch.as_tensor(value) for _, value in told]).double().cpu()
            weights = torch.tensor([weight for weight, _ in told], dtype=torch.float64)
            means[name] = float((weights * values).sum() / weights.sum())
        return means
