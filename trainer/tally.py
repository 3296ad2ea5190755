"""Means over the steps of an epoch, kept on the device until the epoch ends."""

import torch
from torch import Tensor


class Tally:
    """Weighted means of named scalars, each over the steps at which it was told."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], Tensor] = {}  # of the scalars that came together
        self._weights: dict[tuple[str, ...], float] = {}

    def add(self, weight: float, **values: Tensor | float) -> None:
        """Take in one step of ``weight`` queries; a name always comes with the same others."""
        if not values:
            return
        names = tuple(values)
        numbers = [torch.as_tensor(value, dtype=torch.float64) for value in values.values()]
        device = next((v.device for v in values.values() if isinstance(v, Tensor)), None)
        step = weight * torch.stack([number.detach().to(device) for number in numbers])
        self._sums[names] = self._sums[names] + step if names in self._sums else step
        self._weights[names] = self._weights.get(names, 0.0) + weight

    def means(self) -> dict[str, float]:
        """The mean of every name over all steps that told it."""
        return {
            name: mean
            for names, total in self._sums.items()
            for name, mean in zip(names, (total / self._weights[names]).tolist(), strict=True)
        }
