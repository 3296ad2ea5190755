"""What is known of a trial, as plain values: the common language of store, proposals and report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal, TypedDict

from pydantic import AliasChoices, Field

from sweeper.outcomes import Calls, Epoch, Failure, FailureKind, RacedOut, Stored
from sweeper.space import Value

Origin = Literal["trained", "extended", "cached", "shared prefix", "imported"]
Proposed = Literal["baseline", "enqueued", "sampled", "shared prefix"]


CALLS_KEY: Literal["reader_calls"] = "reader_calls"  # of the calls that answers cost, in every file
CALLS = CALLS_KEY.replace("_", " ")  # the same for people
_CALLS = AliasChoices("calls", CALLS_KEY)
CANCELLED = "cancelled"  # the reason of a trial that someone has cancelled
_OF_THE_SETTING = {FailureKind.NOT_FINITE.value}  # whenever and wherever it is trained


class TrialState(Enum):
    """Where a trial stands. A trial left by an interrupted driver stays RUNNING until resumed."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class SeedScore(Stored):
    """What one training seed gave."""

    seed: int
    score: float | None = None  # as measured: see `scales`
    accuracy: dict[str, float] = Field(default_factory=dict)  # by part of the score
    stage: str | None = None
    evaluation: str | None = None  # key of its scores by question


class Final(Stored):
    """What further seeds and questions gave a finalist; a score of its own, beside the search's."""

    score: float
    accuracy: dict[str, float]
    questions: int
    spread: float | None = None  # standard deviation over the seeds; None of one seed
    seeds: tuple[SeedScore, ...] = ()
    calls: Calls = Field(default=Calls(), validation_alias=_CALLS, serialization_alias=CALLS_KEY)
    epochs_trained: int = 0

    def to_json(self) -> dict[str, object]:
        """It all, as the study's attribute holds it."""
        return self.model_dump(mode="json", by_alias=True)


class Notes(Stored):
    """What is written beside a trial's parameters and score, as far as it is known."""

    values: dict[str, Value] = Field(default_factory=dict)
    """Of all parameters; inactive ones have their `otherwise`."""
    proposed: str = ""  # see `Proposed`
    origin: str = ""  # see `Origin`
    source: int | str | None = None  # the trial that answered it, or where it was measured
    repeat: int = 0  # how often the same setting was spent before
    run_id: str | None = None  # in MLflow
    accuracy: dict[str, float] = Field(default_factory=dict)  # by part of the score
    stage: str | None = None  # key of its last stage
    evaluation: str | None = None  # key of its scores by question
    device: str = ""  # kind of device that trained it
    epochs_trained: int | None = None
    calls: Calls | None = Field(
        default=None, validation_alias=_CALLS, serialization_alias=CALLS_KEY
    )
    seconds: float | None = None
    failure: str | None = None  # see `FailureKind`; of a trial that failed
    reason: str = ""
    seeds: tuple[SeedScore, ...] = ()  # where each setting is trained with several
    spread: float | None = None  # standard deviation of their scores
    raced_out: RacedOut | None = None
    stopped_at: tuple[int, int] | None = None
    """Phase index and epoch at which it was stopped early; later ones, trained before the job saw
    the request, do not count."""

    def to_json(self) -> dict[str, object]:
        """What of it is known, as a row holds it."""
        return self.model_dump(mode="json", exclude_defaults=True, by_alias=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One row of the study: a proposal, or a shorter training that one has scored on its way."""

    number: int  # of the proposal
    params: Mapping[str, Value]  # what the sampler chose: active parameters only
    state: TrialState
    prefix: int | None = None  # epochs of the shorter training; None: the proposal itself
    score: float | None = None  # fraction in [0, 1]; of COMPLETE trials
    intermediate: Mapping[int, float] = field(default_factory=dict)  # epoch -> score
    sampler_state: Mapping[str, object] = field(default_factory=dict)  # Optuna's own notes (CMA-ES)
    notes: Notes = field(default_factory=Notes)
    final: Final | None = None
    final_failure: Failure | None = None  # why there is none, though one was tried

    @property
    def name(self) -> int | str:
        """What people call it: 7, or 7@2 for what trial 7 had scored after two epochs."""
        return self.number if self.prefix is None else f"{self.number}@{self.prefix}"

    @property
    def order(self) -> tuple[int, float]:
        """Where it stands among all rows: after its own shorter trainings."""
        return self.number, math.inf if self.prefix is None else self.prefix

    @property
    def failed_by_setting(self) -> bool:
        """Whether it failed through its own setting, which then is worse than every result."""
        return self.state is TrialState.FAILED and self.notes.failure in _OF_THE_SETTING

    @property
    def is_cancelled(self) -> bool:
        """Whether it was pruned because someone has cancelled it."""
        return self.state is TrialState.PRUNED and self.notes.reason == CANCELLED

    @property
    def values(self) -> Mapping[str, Value]:
        """What was used: the setting, completed by fixed and inactive parameters."""
        return self.notes.values or self.params

    def with_run(self, run_id: str) -> "TrialRecord":
        """The same with this run in MLflow; "" is none."""
        return replace(self, notes=self.notes.model_copy(update={"run_id": run_id or None}))

    @property
    def source(self) -> int:
        """The trial whose folder holds its epochs: its own, or that which answered it."""
        source = self.number if self.notes.source is None else self.notes.source
        return int(str(source).partition("@")[0])


def told_parts(epoch: Epoch, names: Sequence[str]) -> dict[str, float]:
    """The parts of an epoch's score, from among its metrics where they stand under their names."""
    named = {name: value for name in names if (value := epoch.metrics.get(name)) is not None}
    return epoch.accuracy or named


class State(TypedDict, total=False):
    """What `state.json` holds."""

    format: int
    study: str
    state: str  # "running", "finishing", "finished", "interrupted", "failed"; "starting" as well
    goal: str
    scale: str  # in which scores are shown
    trials: int
    counts: dict[str, int]  # proposals by where they stand, and `waiting`
    cancelled: list[int]  # those of the pruned that someone has cancelled
    shared_prefix: int  # shorter trainings that were scored on the way
    best: dict[str, Any] | None  # trial, score, params
    running: list[dict[str, Any]]  # trial, epoch, epochs, score, seconds, params
    experiment: str  # MLflow's id
    slots: int
    reader_calls: dict[str, int]
    updated: float  # seconds since 1970
    controls: dict[str, object]
    confirmed: dict[str, object]
