"""Epochs as a trainer tells them."""

from typing import Any

from sweeper.outcomes import Epoch


def epoch_of(
    number: int, *, phase: str = "grpo", phase_index: int = 1, stage: str = "", **metrics: Any
) -> Epoch:
    """An epoch of the last phase with these numbers, ended at second 1000 and so many."""
    return Epoch.model_validate(
        {
            "phase": phase,
            "phase_index": phase_index,
            "epoch": number,
            "stage": stage or f"key{number}",
            "metrics": metrics,
            "timing": {"ended": 1000.0 + number},
        }
    )
