"""The study file's sections, section by section: types, choices and defaults.

What one section alone can say. Whether sections fit each other (a baseline in its space, a
reference to a parameter) is not judged here. A key without a value is refused before validation, so
None means "not given".
"""

import math
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from sweeper.space import Value
from trainer.contract import Control

CONTROLS: tuple[Control, ...] = get_args(Control)
MetricName = Literal["mean_shot_accuracy", "validation_loss"]
METRIC_GOALS: dict[MetricName, Literal["maximize", "minimize"]] = {  # and which end is good
    "mean_shot_accuracy": "maximize",
    "validation_loss": "minimize",
}
BestRule = Literal["highest", "one_standard_error", "significant"]
BEST_RULES: tuple[BestRule, ...] = get_args(BestRule)
SamplerName = Literal["tpe", "random", "grid", "qmc", "cmaes", "gp"]
PrunerName = Literal["none", "median", "percentile", "hyperband"]
SAMPLER_OPTIONS: dict[SamplerName, tuple[str, ...]] = {
    "tpe": ("n_startup_trials",),
    "random": (),
    "grid": (),
    "qmc": (),
    "cmaes": ("n_startup_trials",),
    "gp": ("n_startup_trials",),
}
PRUNER_OPTIONS: dict[PrunerName, tuple[str, ...]] = {
    "none": (),
    "median": ("n_startup_trials", "n_warmup_steps"),
    "percentile": ("n_startup_trials", "n_warmup_steps", "percentile"),
    "hyperband": ("min_resource", "reduction_factor"),
}


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _value(value: Any) -> Any:
    """Accept a parameter's value; `{head_then_all: 2}` becomes the text `head_then_all:2`."""
    if isinstance(value, dict) and len(value) == 1:
        [(name, count)] = value.items()
        if isinstance(count, int) and not isinstance(count, bool):
            return f"{name}:{count}"
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    if not isinstance(value, str | int | float | bool):
        raise ValueError("must be text, a number, true or false")
    return value


def _values(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _lag(value: Any) -> Any:
    if value != "auto" and (type(value) is not int or value < 1):
        raise ValueError("must be auto or a whole number >= 1")
    return value


def _devices(value: Any) -> Any:
    if value in ("auto", "cpu"):
        return value
    if not isinstance(value, list) or not value:
        raise ValueError("must be auto, cpu or a list of device numbers like [0, 1]")
    if any(type(index) is not int or index < 0 for index in value):
        raise ValueError("must list device numbers, whole and >= 0")
    if len(set(value)) < len(value):
        raise ValueError("must name each device once")
    return tuple(value)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)


Number = Annotated[int | float, BeforeValidator(_number)]
ParameterValue = Annotated[
    Value, BeforeValidator(_value, json_schema_input_type=Value | dict[str, int])
]
OneOrMore = Annotated[
    list[ParameterValue],
    BeforeValidator(_values, json_schema_input_type=ParameterValue | list[ParameterValue]),
]
Count = Annotated[int, Field(ge=1)]
AutoOrCount = Annotated[Literal["auto"] | Count, BeforeValidator(_lag)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Unknown keys are errors, `1` is neither True nor text, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Metric(Section):
    """What the trials are ranked by."""

    name: MetricName = "mean_shot_accuracy"
    goal: Literal["maximize", "minimize"] = "maximize"  # the metric's own unless given

    @model_validator(mode="before")
    @classmethod
    def _goal_of_the_name(cls, value: Any) -> Any:
        """Let a loss do without `goal: minimize` beside it."""
        goal = METRIC_GOALS.get(value["name"]) if _is_named(value) else None
        return value if goal is None else {"goal": goal, **value}


class Sampler(Section):
    """Who proposes settings."""

    name: SamplerName = "tpe"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    n_startup_trials: Count | None = None
    """Random proposals before the model is used (tpe, cmaes, gp); None leaves Optuna's default."""

    @property
    def options(self) -> dict[str, Any]:
        """What the sampler's constructor in Optuna is given besides the seed."""
        return self.model_dump(include=set(SAMPLER_OPTIONS[self.name]), exclude_none=True)


class Pruner(Section):
    """Who stops trials early."""

    name: PrunerName = "none"
    n_startup_trials: Annotated[int, Field(ge=0)] = 5  # trials that finish before any is stopped
    n_warmup_steps: Annotated[int, Field(ge=0)] = 0  # epochs that every trial may train
    percentile: Annotated[float, Field(ge=0, le=100)] = 25.0  # the share of trials that is kept
    min_resource: Count = 1  # epochs
    reduction_factor: Annotated[int, Field(ge=2)] = 3

    @property
    def options(self) -> dict[str, Any]:
        """What the pruner's constructor in Optuna is given."""
        return self.model_dump(include=set(PRUNER_OPTIONS[self.name]))


class Resources(Section):
    """Where trials run, and how many at a time."""

    devices: Annotated[
        Literal["auto", "cpu"] | tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_devices)
    ] = "auto"
    slots_per_device: AutoOrCount = "auto"
    min_free: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 2.0
    """GiB that a device must have free before a slot opens: a CUDA context takes about half of one,
    the policy and its batches less than another."""


class Mlflow(Section):
    """Where the results are recorded."""

    experiment: Text | None = None  # the study's name unless given
    tracking_uri: Text | None = None


class ParameterEntry(Section):
    """One parameter: a range (`min`, `max`), a choice (`values`) or a constant (`value`)."""

    min: Number | None = None
    max: Number | None = None
    log: bool = False
    step: Number | None = None
    q: Number | None = None  # W&B's word for step
    values: list[ParameterValue] | None = None
    value: ParameterValue | None = None
    distribution: (
        Literal[
            "uniform",
            "int_uniform",
            "q_uniform",
            "log_uniform_values",
            "categorical",
            "constant",
        ]
        | None
    ) = None
    when: dict[str, OneOrMore] = {}
    otherwise: ParameterValue | None = None
    fidelity: bool = False


class Limits(Section):
    """Where the search ends before its total of trials; the trials in hand are finished."""

    reader_calls: Count | None = None  # asked for controls and trials


class Best(Section):
    """Which setting a study takes in the end, of those that its questions cannot tell apart."""

    rule: BestRule = "highest"


class Seeds(Section):
    """Training seeds that every setting is trained with, or only those that turn out best."""

    values: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1)]
    strategy: Literal["all", "finalists"] = "all"

    @model_validator(mode="before")
    @classmethod
    def _list_alone(cls, value: Any) -> Any:
        return {"values": value} if isinstance(value, list) else value

    @field_validator("values")
    @classmethod
    def _each_once(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("must name each seed once")
        return value


class StudyFile(Section):
    """The whole file. Every field has a default so that the rest can be checked without it."""

    name: str = ""
    title: Text | None = None
    description: Text | None = None
    trainer: dict[str, Any] = {}
    metric: Metric = Metric()
    parameters: dict[str, ParameterEntry] = {}
    baseline: dict[str, ParameterValue] | None = None
    enqueue: list[dict[str, ParameterValue]] = []
    controls: list[Control] = list(CONTROLS)
    sampler: Sampler = Sampler()
    method: Literal["bayes", "random", "grid"] | None = None  # W&B's word for the sampler
    pruner: Pruner = Pruner()
    trials: Count = 32
    run_cap: Count | None = None  # W&B's word for trials
    lag: AutoOrCount = "auto"
    order: Literal["fixed", "free"] = "fixed"
    duplicates: Literal["cached", "reseed", "resample"] = "cached"
    seeds: Seeds | None = None
    finalists: Count = 4  # trials that get further seeds or questions; the baseline on top
    best: Best = Best()
    limits: Limits = Limits()
    keep: Literal["all", "best", "last"] = "all"
    resources: Resources = Resources()
    mlflow: Mlflow = Mlflow()
