"""The study file as a checked, frozen value: the only form in which others see it.

    file.py             YAML to plain values with positions
    sections.py         types and defaults of each section
    parameters.py       one entry to one parameter
    space_checks.py     all parameters to a space; conditions and settings
    trainer_section.py  the trainer's section at every value that a parameter can have
    checks.py           all of it together: every problem of a file at once
    parameter_json.py   a parameter as it is stored, and back
    config.py           what is left when there is none: a StudyConfig

Imports neither torch nor MLflow nor Optuna.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from sweeper.errors import ConfigError
from sweeper.nouns import Nouns
from sweeper.outcomes import FORMAT, checked_format, trusted
from sweeper.problems import config_error, dotted
from sweeper.scales import Scale
from sweeper.space import Space, Value, canonical
from sweeper.study.bounds import Bound, parse_bound
from sweeper.study.changes import ENQUEUED_AT, Change, differences
from sweeper.study.checks import CheckedStudy, check_study
from sweeper.study.file import Document, parse_document, read_document
from sweeper.study.parameter_json import parameter_json, stored_parameter
from sweeper.study.sections import (
    Best,
    Limits,
    Metric,
    Mlflow,
    Pruner,
    Resources,
    Retry,
    Sampler,
    Section,
    Seeds,
    Stop,
    StudyFile,
)
from sweeper.study.trainer_section import resolved
from sweeper.trainers import (
    Capabilities,
    Goal,
    RefusedError,
    Trainer,
    Training,
    trainer_of,
)

STUDY_FORMAT = 1  # of the study as it is stored in its database


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyConfig:
    """One study file. The trainer section has its defaults spelled out and its references kept."""

    name: str
    trainer: Mapping[str, Any]
    space: Space
    path: Path = field(compare=False)
    title: str | None = None
    description: str | None = None  # or the question in the comment that opens the file
    metric: Metric = field(default_factory=Metric)
    baseline: Mapping[str, Value] | None = None  # trial 0
    enqueue: tuple[Mapping[str, Value], ...] = ()  # the trials after it
    enqueued_at: tuple[int, ...] = ()  # for each of these: the trial before which it was added
    controls: tuple[str, ...] = ()
    sampler: Sampler = field(default_factory=Sampler)
    pruner: Pruner = field(default_factory=Pruner)
    trials: int = 32  # in all: baseline, enqueued and cached included
    lag: Literal["auto"] | int = "auto"
    order: Literal["fixed", "free"] = "fixed"
    duplicates: Literal["cached", "reseed", "resample"] = "cached"
    seeds: Seeds | None = None
    finalists: int = 4  # trials that get further seeds or questions; the baseline on top
    best: Best = field(default_factory=Best)  # how it is chosen
    limits: Limits = field(default_factory=Limits)
    stop: Stop = field(default_factory=Stop)  # where the search ends for want of progress
    stop_if: Mapping[str, str] = field(default_factory=dict)  # bounds of the epochs, by metric
    retry: Retry = field(default_factory=Retry)
    notify: tuple[str, ...] = ()  # the command for its end
    keep: Literal["all", "best", "last"] = "all"  # stages that `gc` leaves of the finished study
    resources: Resources = field(default_factory=Resources)
    mlflow: Mlflow = field(default_factory=Mlflow)  # the experiment is always given
    stored: bool = field(default=False, compare=False)  # read back: today's rules are not asked

    @property
    def kind(self) -> Trainer:
        """Who trains."""
        return trainer_of(self.trainer)

    @property
    def can(self) -> Capabilities:
        """What the trainer offers to this study."""
        return self.kind.capabilities(self.trainer)

    @property
    def goal(self) -> Goal:
        """Which end of the metric is the good one."""
        return self.metric.goal or "maximize"

    @property
    def scale(self) -> Scale:
        """How scores are shown."""
        return self.can.scale

    @property
    def nouns(self) -> Nouns:
        """What the parts of a score are called."""
        return self.can.nouns

    @property
    def measure(self) -> str:
        """What a trial is scored by, with its unit, for people: `accuracy in per cent`."""
        name = self.nouns.score or (self.metric.name or self.can.metric)
        return f"{name}{self.scale.measured_in}"

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """What ends a trial early whose epochs come to it."""
        return tuple(parse_bound(metric, text) for metric, text in self.stop_if.items())

    @property
    def question(self) -> str:
        """What the study asks: its description, else the `# Question:` that opens the file."""
        return self.description or self.title or ""

    @property
    def search_seeds(self) -> tuple[int, ...]:
        """The seeds of every trial; none where each has one job."""
        several = self.seeds is not None and self.seeds.strategy == "all"
        return tuple(self.seeds.values) if self.seeds is not None and several else ()

    @property
    def final_seeds(self) -> tuple[int, ...]:
        """The seeds of a finalist; the first of them is that of its trial."""
        return (self.can.seed,) if self.seeds is None else tuple(self.seeds.values)

    @property
    def has_finals(self) -> bool:
        """Whether the best trials get seeds or questions that the search does without."""
        further_seeds = not self.search_seeds and len(self.final_seeds) > 1
        return further_seeds or self.can.finals

    def folder_seed(self, seed: int | None) -> int | None:
        """The seed that names a folder within the trial's; None for the first, which has that."""
        return None if seed in (None, *self.search_seeds[:1]) else seed

    @property
    def experiment(self) -> str:
        """MLflow's experiment."""
        return self.mlflow.experiment or self.name

    @property
    def tracking_uri(self) -> str | None:
        """MLflow's store; None for the database of the workspace."""
        return self.mlflow.tracking_uri

    def search_part(self) -> dict[str, object]:
        """Return what determines the proposals, as JSON. Lists keep what has an order."""
        return {
            "parameters": [parameter_json(parameter) for parameter in self.space.parameters],
            "sampler": self.sampler.model_dump(mode="json", exclude_none=True),
            "baseline": None if self.baseline is None else dict(self.baseline),
            "enqueue": [dict(setting) for setting in self.enqueue],
        }

    def to_json(self) -> dict[str, object]:
        """Return the whole config with its defaults, as JSON; `stored_study` reads it back."""
        content = {
            FORMAT: STUDY_FORMAT,
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "trainer": self.trainer,
            "metric": self.metric.model_dump(mode="json", exclude_none=True),
            **self.search_part(),
            ENQUEUED_AT: list(self.enqueued_at) if any(self.enqueued_at) else None,
            "controls": list(self.controls),
            "pruner": {"name": self.pruner.name, **self.pruner.options},
            "trials": self.trials,
            "lag": self.lag,
            "order": self.order,
            "duplicates": self.duplicates,
            "seeds": None if self.seeds is None else self.seeds.model_dump(mode="json"),
            "finalists": self.finalists,
            "best": self.best.model_dump(mode="json"),
            "limits": self.limits.model_dump(mode="json", exclude_none=True, by_alias=True),
            "stop": self.stop.model_dump(mode="json", exclude_none=True),
            "stop_if": dict(self.stop_if),
            "retry": self.retry.model_dump(mode="json"),
            "notify": list(self.notify) or None,
            "keep": self.keep,
            "resources": self.resources.model_dump(mode="json"),
            "mlflow": self.mlflow.model_dump(mode="json", exclude_none=True),
        }
        return {key: value for key, value in content.items() if value is not None}


def load_study(path: Path) -> StudyConfig:
    """Read a study file.

    Raises:
        ConfigError: with every problem of the file, each as
            `path:line:column: dotted.key: what; what is allowed`.
    """
    return _study(read_document(path))


def parse_study(text: str, path: Path) -> StudyConfig:
    """Read the text of a study file; ``path`` is named in messages. Raises as `load_study`."""
    return _study(parse_document(text, path))


def stored_study(payload: Mapping[str, Any], path: Path = Path("study.json")) -> StudyConfig:
    """Read back what `StudyConfig.to_json` gave, without asking today's rules.

    Args:
        payload: As stored; it was right by the rules of its day.
        path: Of the study file, where the paths in it begin.

    Raises:
        FormatError: where a later version stored it.
    """
    checked_format(payload, newest=STUDY_FORMAT, where=f"the study of {path}")
    fields: dict[str, Any] = {
        key: payload[key]
        for key in ("title", "description", "trials", "lag", "order", "duplicates", "finalists")
        if key in payload
    }
    models: dict[str, type[Section]] = {
        "metric": Metric,
        "sampler": Sampler,
        "pruner": Pruner,
        "seeds": Seeds,
        "best": Best,
        "limits": Limits,
        "stop": Stop,
        "retry": Retry,
        "resources": Resources,
        "mlflow": Mlflow,
    }
    fields |= {key: trusted(model, payload[key]) for key, model in models.items() if key in payload}
    return StudyConfig(
        name=payload["name"],
        trainer=payload["trainer"],
        space=Space(tuple(map(stored_parameter, payload["parameters"]))),
        path=path,
        baseline=payload.get("baseline"),
        enqueue=tuple(payload.get("enqueue", ())),
        enqueued_at=tuple(payload.get(ENQUEUED_AT, ())),
        controls=tuple(payload.get("controls", ())),
        stop_if=payload.get("stop_if", {}),
        notify=tuple(payload.get("notify", ())),
        keep=payload.get("keep", "all"),
        stored=True,
        **fields,
    )


def changes(old: StudyConfig, new: StudyConfig) -> list[Change]:
    """List what differs, and whether the study can go on nevertheless (see `changes.py`).

    Defaults count as written out: adding a key with its default is no change.
    """
    return differences(old.to_json(), new.to_json())


def training_of(
    config: StudyConfig,
    values: Mapping[str, Value],
    *,
    repeat: int = 0,
    seed: int | None = None,
) -> Training:
    """Put a trial's values in place of the references; paths begin at the study file's folder.

    Args:
        config: The study.
        values: A completed setting: chosen, fixed and, where inactive, `otherwise`.
        repeat: How often the same setting was spent before; each time has a seed of its own.
        seed: One of the study's `seeds`; default: the first, or that of the trainer section.

    Raises:
        ConfigError: if these values together are none that the trainer takes.
    """
    try:
        return config.kind.training(
            config.kind.filled(config.trainer, values),
            seed=seed,
            repeat=repeat,
            below=config.path.absolute().parent,
            trusted=config.stored,
        )
    except RefusedError as error:
        setting = json.dumps(dict(values), ensure_ascii=False)
        problems = [
            f"{config.path}: {dotted((*config.kind.place, *found.where))}: {found.text}, with "
            f"{setting}"
            for found in error.refusals
        ]
        raise ConfigError(config.path, problems) from error


def _study(document: Document) -> StudyConfig:
    """Check everything, then build. Raises ConfigError with all problems."""
    checked = check_study(document)
    if checked.problems:
        raise config_error(document.path, checked.problems)
    return _built(checked, document)


def _built(checked: CheckedStudy, document: Document) -> StudyConfig:
    file, space = checked.file, checked.space
    experiment = file.mlflow.experiment or file.name
    return StudyConfig(
        name=file.name,
        trainer=_seeded(resolved(checked.kind, checked.section, space), file),
        space=space,
        path=document.path,
        title=file.title,
        description=file.description or _question(document.comment),
        metric=_metric(checked),
        baseline=None if file.baseline is None else canonical(space, file.baseline),
        enqueue=tuple(canonical(space, setting) for setting in file.enqueue),
        controls=_controls(checked),
        sampler=checked.sampler,
        pruner=file.pruner,
        trials=checked.trials,
        lag=file.lag,
        order=file.order,
        duplicates=file.duplicates,
        seeds=file.seeds,
        finalists=file.finalists,
        best=file.best,
        limits=file.limits,
        stop=file.stop,
        stop_if=file.stop_if,
        retry=file.retry,
        notify=file.notify or (),
        keep=file.keep,
        resources=file.resources,
        mlflow=file.mlflow.model_copy(update={"experiment": experiment}),
    )


def _seeded(trainer: Mapping[str, object], file: StudyFile) -> Mapping[str, object]:
    """The trainer section with the first of the study's seeds as its own."""
    return trainer if file.seeds is None else {**trainer, "seed": file.seeds.values[0]}


def _metric(checked: CheckedStudy) -> Metric:
    """The metric of the file; where it names none, what its trainer section scores by."""
    can = checked.kind.capabilities(checked.section)
    return checked.file.metric.model_copy(update={"name": can.metric, "goal": can.goal})


def _controls(checked: CheckedStudy) -> tuple[str, ...]:
    """Those that the file names, in the trainer's order; else all that need not be asked for."""
    can, wanted = checked.kind.capabilities(checked.section), checked.file.controls
    if wanted is None:
        return () if can.asked_for else can.controls
    return tuple(control for control in can.controls if control in wanted)


def _question(comment: Sequence[str]) -> str | None:
    """Return the text after `Question:` up to an empty comment line, if the file opens with it."""
    text = " ".join(takewhile(bool, comment))
    return text.removeprefix("Question:").strip() or None if text.startswith("Question:") else None
