"""Means over the steps of an epoch, kept on the device until the epoch ends."""

from collections import defaultdict

import torch
from torch import Tensor


class Tally:
    """Weighted means of named scalars."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = defaultdict(float)
        self._weight = 0.0

    def add(self, weight: float, **values: Tensor | float) -> None:
        """Take in one step of ``weight`` queries."""
        self._weight += weight
        for name, value in values.items():
            number = value.detach().double() if isinstance(value, torch.Tensor) else value
            self._sums[name] = self._sums[name] + weight * number

    def means(self) -> dict[str, float]:
        """The mean of every name over all that was added."""
        return {name: float(total) / self._weight for name, total in self._sums.items()}
