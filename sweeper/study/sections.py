"""The study file's sections, section by section: types, choices and defaults.

What one section alone can say. Whether sections fit each other (a baseline in its space, a
reference to a parameter) is not judged here. A key without a value is refused before validation, so
None means "not given".
"""

import math
import shlex
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from sweeper.outcomes import FailureKind, Seconds
from sweeper.records import CALLS_KEY
from sweeper.space import Value
from sweeper.study.bounds import parse_bound

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


def _command(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


def _sampler(value: Any) -> Any:
    if value == "bayes":
        raise ValueError("must be tpe or gp: these learn from the results, as in W&B")
    return value


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
Arguments = Annotated[
    tuple[Text, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_command, json_schema_input_type=Text | list[Text]),
]


class Section(BaseModel):
    """Unknown keys are errors, `1` is neither True nor text, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Metric(Section):
    """What the trials are ranked by: unless given, what the trainer section scores by."""

    name: Text | None = None  # what the trainer section scores by
    goal: Literal["maximize", "minimize"] | None = None  # the metric's own
    mean_of: Annotated[list[Text], Field(min_length=2)] | None = None
    """Of a program's metrics: the score of a trial is their mean."""
    shown: Literal["plain", "per_cent"] | None = None
    """Of a program's metric: a fraction may be shown in per cent; unless given, numbers are shown
    as they are."""


class Sampler(Section):
    """Who proposes settings."""

    name: Annotated[SamplerName, BeforeValidator(_sampler)] = (
        "tpe"  # Optuna's; `grid` takes every point of a finite space once
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0  # the same seed proposes the same settings
    n_startup_trials: Count | None = None
    """Random proposals before the model is used (tpe, cmaes, gp); Optuna's number unless given."""

    @property
    def options(self) -> dict[str, object]:
        """What the sampler's constructor in Optuna is given besides the seed."""
        return self.model_dump(include=set(SAMPLER_OPTIONS[self.name]), exclude_none=True)


class Pruner(Section):
    """Who stops trials early."""

    name: PrunerName = "none"  # Optuna's; it compares the scores after equal epochs
    n_startup_trials: Annotated[int, Field(ge=0)] = 5  # trials that end first (median, percentile)
    n_warmup_steps: Annotated[int, Field(ge=0)] = 0  # epochs of every trial (median, percentile)
    percentile: Annotated[float, Field(ge=0, le=100)] = 25.0  # share of the trials that goes on
    min_resource: Count = 1  # epochs that every trial trains (hyperband)
    reduction_factor: Annotated[int, Field(ge=2)] = 3  # one in so many goes on (hyperband)

    @property
    def options(self) -> dict[str, object]:
        """What the pruner's constructor in Optuna is given."""
        return self.model_dump(include=set(PRUNER_OPTIONS[self.name]))


class Resources(Section):
    """Where trials run, and how many at a time."""

    devices: Annotated[
        Literal["auto", "cpu"] | tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_devices)
    ] = "auto"
    """GPUs by number, as nvidia-smi shows them; auto: every one that is free, else the CPU."""
    slots_per_device: AutoOrCount = "auto"  # trials that share one; auto: 1, on the CPU one a core
    min_free: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 2.0
    """GiB that a GPU must have free before a slot opens: a CUDA context takes about half of one,
    the policy and its batches less than another."""


class Mlflow(Section):
    """Where the results are recorded."""

    experiment: Text | None = None  # the study's name unless given
    tracking_uri: Text | None = None  # a server; unless given, mlflow.db of the workspace


class ParameterEntry(Section):
    """One parameter: a range (`min`, `max`), a choice (`values`) or a constant (`value`)."""

    min: Number | None = None  # the least value; with whole numbers for both ends all are whole
    max: Number | None = None  # the largest value
    log: bool = False  # whether the range is searched in its logarithm; the ends are values
    step: Number | None = None  # distance of the values, counted from `min`
    q: Number | None = None  # W&B's word for step
    values: list[ParameterValue] | None = None  # the choice
    probabilities: list[Number] | None = None
    """How often each of `values` is drawn by random and qmc; the others learn what to draw."""
    value: ParameterValue | None = None  # the constant
    distribution: (  # W&B's word for what the other keys say already
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
    when: dict[str, OneOrMore] = {}  # searched only while these parameters have these values
    otherwise: ParameterValue | None = None  # its value while `when` does not hold
    fidelity: bool = False  # a training budget: a longer training contains the shorter ones


class Limits(Section):
    """Where the search ends before its total of trials, or halts."""

    calls: Count | None = Field(default=None, alias=CALLS_KEY)
    """Answers that may be asked for, by controls and trials together."""
    trial_time: Seconds | None = (
        None  # a job may run so long (90s, 20m, 1h30m); each seed has its own
    )
    stall: Seconds | None = None  # a job may be so long without an epoch or a line in its log
    study_time: Seconds | None = None  # one `sweeper run` begins no further trial after so long
    grace: Seconds = 120.0  # a job that is asked to leave is killed after so long
    failures: Count = 3  # trials that fail alike in a row, for a reason not theirs: the study halts


class Stop(Section):
    """Where the search ends by itself before its total of trials."""

    no_gain: Count | None = None
    """Complete trials in a row, by their numbers, of which none beats the best before them. Trial n
    goes by trials 0 to n - lag, so that the end is the same for any number of slots."""


class Retry(Section):
    """How many jobs may end for each reason that is not the setting's before a trial fails; each
    goes on from the stages that are there.
    """

    killed: Count = 3  # by SIGKILL; on another slot, if there is one
    preempted: Count = 10  # asked to leave by someone else
    out_of_memory: Count = 3  # of the device; then alone on one, then also in smaller batches
    out_of_host_memory: Count = 3  # then alone on the host, then also in smaller batches
    input: Count = 1  # data, checkpoint or reader cannot be used
    judge: Count = 2  # the command that scores failed, or its answer is unusable
    timeout: Count = 1  # longer than `limits: {trial_time}`
    stall: Count = 2  # no sign of life for `limits: {stall}`; on another slot, if there is one
    lost: Count = 3  # ended without a word; on another slot, if there is one
    stage: Count = 2  # a stage on disk is damaged
    bad_result: Count = 2  # ended well without a result, or its files cannot be used
    error: Count = 2  # what nobody foresaw; on another slot, if there is one

    @property
    def attempts(self) -> dict[FailureKind, int]:
        """Jobs by kind of failure."""
        return {FailureKind(kind): count for kind, count in self.model_dump().items()}


class Best(Section):
    """Which setting a study takes in the end, of those that its questions cannot tell apart."""

    rule: BestRule = "highest"
    """highest: the best score. one_standard_error: the mildest setting within one standard error of
    it. significant: the mildest that the corrected test cannot tell from it; the baseline, where
    nothing is proven better."""


class Seeds(Section):
    """Training seeds that every setting is trained with, or only those that turn out best."""

    values: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1)]
    """The seeds; the list alone may stand in place of the section."""
    strategy: Literal["all", "finalists"] = "all"  # which settings are trained with all of them

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


def _bound(text: str) -> str:
    parse_bound("", text)
    return text


class StudyFile(Section):
    """The whole file. Every field has a default so that the rest can be checked without it."""

    name: str = ""  # names the folder, the database and the MLflow experiment
    title: Text | None = None  # a line for people, where there is no description
    description: Text | None = None  # unless given, the comment `# Question:` that opens the file
    trainer: dict[str, object] = {}  # what one trial trains; `"${name}"` is a parameter's value
    metric: Metric = Metric()  # what trials are ranked by
    parameters: dict[str, ParameterEntry] = {}  # what is searched, by name
    baseline: dict[str, ParameterValue] | None = None  # trial 0; all others are compared with it
    enqueue: list[dict[str, ParameterValue]] = []
    """Settings to try after it, in order; what is added to those of a begun study comes next."""
    controls: list[Text] | None = None  # scored before trial 0; unless given, all there are
    sampler: Sampler = Sampler()  # who proposes settings
    method: Literal["bayes", "random", "grid"] | None = None  # W&B's word for `sampler`
    pruner: Pruner = Pruner()  # who stops trials early
    trials: Count = 32  # proposals in all, over resumes: baseline, enqueued and cached included
    run_cap: Count | None = None  # W&B's word for `trials`
    lag: AutoOrCount = "auto"
    """Trial n is proposed from the results of trials 0 to n - lag, and waits for these; auto: 8, or
    twice the slots of the first start where there are more than four."""
    order: Literal["fixed", "free"] = "fixed"
    """free: a proposal waits for no other trial, and the search cannot be repeated."""
    duplicates: Literal["cached", "reseed", "resample"] = "cached"
    """A setting that is proposed again: answered from its record, spent as another seed, or drawn
    anew."""
    seeds: Seeds | None = None  # training seeds for each setting, or for the best
    finalists: Count = 4  # trials that get further seeds or questions; the baseline on top
    best: Best = Best()  # which setting is taken in the end
    limits: Limits = Limits()  # where the search ends before `trials`
    stop: Stop = Stop()  # where the search ends for want of progress
    stop_if: dict[Text, Annotated[str, AfterValidator(_bound)]] = {}
    """By metric of the epochs, as `metrics.jsonl` has them: an operator (>, >=, <, <=) and a
    number. A trial with an epoch beyond it is pruned, unless that was its last. Unlike `stop` it
    stays as it is once the study has begun."""
    retry: Retry = Retry()  # how often a trial is tried that fails for a reason not its own
    notify: Arguments | None = None
    """A command, as text or as a list of arguments, for the end of the study and for where it
    halts; no shell reads it. It is told by variables: SWEEPER_STUDY, SWEEPER_STATE (finished,
    failed), SWEEPER_MESSAGE, SWEEPER_FOLDER, SWEEPER_BEST_TRIAL, SWEEPER_BEST_SCORE. Files that it
    names are looked for beside the study file."""
    keep: Literal["all", "best", "last"] = "all"  # stages that `sweeper gc` leaves once it is over
    resources: Resources = Resources()  # where trials run, and how many at a time
    mlflow: Mlflow = Mlflow()  # where results are recorded
