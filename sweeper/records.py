"""What is known of a trial, as plain values: the common language of store, proposals and report."""

import math
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
    """One row of the study: a proposal, or a shorter training that one has scored on its way."""

    number: int  # of the proposal
    params: Mapping[str, Value]  # what the sampler chose: active parameters only
    state: TrialState
    prefix: int | None = None  # epochs of the shorter training; None: the proposal itself
    score: float | None = None  # fraction in [0, 1]; of COMPLETE trials
    intermediate: Mapping[int, float] = field(default_factory=dict)  # epoch -> score
    sampler_state: Mapping[str, Any] = field(default_factory=dict)  # Optuna's own notes (CMA-ES)
    notes: Mapping[str, Any] = field(
        default_factory=dict
    )  # JSON: origin, run_id, failure, accuracy

    @property
    def name(self) -> int | str:
        """What people call it: 7, or 7@2 for what trial 7 had scored after two epochs."""
        return self.number if self.prefix is None else f"{self.number}@{self.prefix}"

    @property
    def order(self) -> tuple[int, float]:
        """Where it stands among all rows: after its own shorter trainings."""
        return self.number, math.inf if self.prefix is None else self.prefix
