"""An NVML of made-up cards, for the tests of devices, leases and launcher."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

GIB = 2**30


class CardError(Exception):
    """As NVMLError."""


@dataclass
class Card:
    pids: Sequence[int] = ()
    total: int = 8 * GIB
    free: int = 8 * GIB
    tells_memory: bool = True
    answers: bool = True


@dataclass
class Cards:
    """Cards with the UUIDs GPU-a, GPU-b, ..."""

    cards: Sequence[Card]
    NVMLError: type[Exception] = field(default=CardError)

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if not self.cards[index].answers:
            raise CardError
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{'abc'[handle]}"

    def nvmlDeviceGetName(self, handle: int) -> str:
        return "H100"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        if not self.cards[handle].tells_memory:
            raise CardError
        return self.cards[handle]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> Sequence[Any]:
        return [type("Process", (), {"pid": pid}) for pid in self.cards[handle].pids]
