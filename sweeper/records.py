"""What is known of a trial, as plain values: the common language of store, proposals and report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sweeper.space import Value


class TrialState(Enum):
    """Where a trial stands. A trial left by an interrupted driver stays RUNNING until resumed."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One row of the study."""

    number: int
    params: Mapping[str, Value]  # what the sampler chose: active parameters only
    state: TrialState
    score: float | None = None  # fraction in [0, 1]; of COMPLETE trials
    intermediate: Mapping[int, float] = field(default_factory=dict)  # epoch -> score
    sampler_state: Mapping[str, Any] = field(default_factory=dict)  # Optuna's own notes (CMA-ES)
    notes: Mapping[str, Any] = field(
        default_factory=dict
    )  # JSON: origin, run_id, failure, accuracy
