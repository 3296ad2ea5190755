"""The study file as a checked, frozen value: the only form in which others see it.

    study_file.py       YAML to plain values with positions
    sections.py         types and defaults of each section
    parameters.py       one entry to one parameter
    space_checks.py     all parameters to a space; conditions and settings
    trainer_section.py  specs at every value that a parameter can have
    config.py           all of it together: every problem of a file at once, or a StudyConfig

Imports neither torch nor MLflow nor Optuna.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from sweeper.errors import ConfigError
from sweeper.space import Parameter, Space, Value, canonical
from sweeper.study.changes import Change, differences
from sweeper.study.checks import CheckedStudy, check_study, scored_by
from sweeper.study.file import Document, parse_document, read_document
from sweeper.study.problems import config_error, dotted
from sweeper.study.references import references, substitute
from sweeper.study.refusals import refusals
from sweeper.study.sections import (
    CONTROLS,
    METRIC_GOALS,
    Best,
    Limits,
    Metric,
    Mlflow,
    Pruner,
    Resources,
    Sampler,
    Seeds,
    StudyFile,
)
from sweeper.study.trainer_section import resolved
from trainer.contract import Control, TrainSpec


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
    controls: tuple[Control, ...] = CONTROLS
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
    keep: Literal["all", "best", "last"] = "all"  # stages that `gc` leaves of the finished study
    resources: Resources = field(default_factory=Resources)
    mlflow: Mlflow = field(default_factory=Mlflow)  # the experiment is always given

    @property
    def goal(self) -> Literal["maximize", "minimize"]:
        """Which end of the metric is the good one."""
        return self.metric.goal

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
        trainer_seed: int = self.trainer.get("seed", 0)
        return (trainer_seed,) if self.seeds is None else tuple(self.seeds.values)

    @property
    def has_finals(self) -> bool:
        """Whether the best trials get seeds or questions that the search does without."""
        further_seeds = not self.search_seeds and len(self.final_seeds) > 1
        return further_seeds or self.trainer["evaluate"].get("confirm") is not None

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

    def search_part(self) -> dict[str, Any]:
        """Return what determines the proposals, as JSON. Lists keep what has an order."""
        return {
            "parameters": [_parameter_json(parameter) for parameter in self.space.parameters],
            "sampler": self.sampler.model_dump(mode="json", exclude_none=True),
            "baseline": None if self.baseline is None else dict(self.baseline),
            "enqueue": [dict(setting) for setting in self.enqueue],
        }

    def to_json(self) -> dict[str, Any]:
        """Return the whole config with its defaults, as JSON; `study_from_json` reads it back."""
        content = {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "trainer": self.trainer,
            "metric": self.metric.model_dump(mode="json"),
            **self.search_part(),
            "controls": list(self.controls),
            "pruner": {"name": self.pruner.name, **self.pruner.options},
            "trials": self.trials,
            "lag": self.lag,
            "order": self.order,
            "duplicates": self.duplicates,
            "seeds": None if self.seeds is None else self.seeds.model_dump(mode="json"),
            "finalists": self.finalists,
            "best": self.best.model_dump(mode="json"),
            "limits": self.limits.model_dump(mode="json", exclude_none=True),
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


def study_from_json(payload: Mapping[str, Any], path: Path = Path("study.json")) -> StudyConfig:
    """Read back what `StudyConfig.to_json` gave. Raises ConfigError, without lines and columns."""
    entries = {entry["name"]: entry for entry in payload["parameters"]}
    parameters = {
        name: {key: value for key, value in entry.items() if key != "name"}
        for name, entry in entries.items()
    }
    return _study(Document(path, {**payload, "parameters": parameters}))


def changes(old: StudyConfig, new: StudyConfig) -> list[Change]:
    """List what differs, and whether the study can go on nevertheless (see `changes.py`).

    Defaults count as written out: adding a key with its default is no change.
    """
    return differences(old.to_json(), new.to_json())


def spec_for(
    config: StudyConfig,
    values: Mapping[str, Value],
    *,
    repeat: int = 0,
    seed: int | None = None,
) -> TrainSpec:
    """Put a trial's values in place of the references; paths begin at the study file's folder.

    Args:
        config: The study.
        values: A completed setting: chosen, fixed and, where inactive, `otherwise`.
        repeat: How often the same setting was spent before; each time has a seed of its own.
        seed: One of the study's `seeds`; default: the first, or that of the trainer section.

    Raises:
        ConfigError: if these values together make no valid spec.
    """
    try:
        spec = TrainSpec.model_validate(substitute(config.trainer, values))
    except ValidationError as error:
        setting = json.dumps(dict(values), ensure_ascii=False)
        problems = [
            f"{config.path}: {dotted(('trainer', *found.where))}: {found.text}, with {setting}"
            for found in refusals(TrainSpec, error)
        ]
        raise ConfigError(config.path, problems) from error
    seeded = spec.model_copy(update={"seed": (spec.seed if seed is None else seed) + repeat})
    return seeded.below(config.path.absolute().parent)


def free_phases(config: StudyConfig) -> tuple[int, ...]:
    """Return the indices of the phases whose own settings differ between trials.

    The phases before the first of them are trained once for the whole study. What differs outside
    the phases (seed, policy, task) makes all of them free; the evaluation trains nothing.
    """
    searched = {parameter.name for parameter in config.space.searched}
    searched |= {parameter.name for parameter in config.space.parameters if parameter.when}
    free = {where for where, name in references(config.trainer) if name in searched}
    if any(where[0] not in ("phases", "evaluate") for where in free):
        return tuple(range(len(config.trainer["phases"])))
    return tuple(sorted({int(where[1]) for where in free if where[0] == "phases"}))


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
        trainer=_seeded(resolved(file.trainer, space), file),
        space=space,
        path=document.path,
        title=file.title,
        description=file.description or _question(document.comment),
        metric=file.metric if "metric" in file.model_fields_set else _metric_of(file),
        baseline=None if file.baseline is None else canonical(space, file.baseline),
        enqueue=tuple(canonical(space, setting) for setting in file.enqueue),
        controls=tuple(control for control in CONTROLS if control in file.controls),
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
        keep=file.keep,
        resources=file.resources,
        mlflow=file.mlflow.model_copy(update={"experiment": experiment}),
    )


def _seeded(trainer: Mapping[str, Any], file: StudyFile) -> Mapping[str, Any]:
    """The trainer section with the first of the study's seeds as its own."""
    return trainer if file.seeds is None else {**trainer, "seed": file.seeds.values[0]}


def _metric_of(file: StudyFile) -> Metric:
    """The metric of a file that names none: what its trainer section scores by."""
    name = scored_by(file)
    return Metric(name=name, goal=METRIC_GOALS[name])


def _question(comment: Sequence[str]) -> str | None:
    """Return the text after `Question:` up to an empty comment line, if the file opens with it."""
    text = " ".join(takewhile(bool, comment))
    return text.removeprefix("Question:").strip() or None if text.startswith("Question:") else None


def _parameter_json(parameter: Parameter) -> dict[str, Any]:
    """Write a parameter as an entry of the study file, with its name."""
    entry: dict[str, Any] = {"name": parameter.name}
    if parameter.fixed is not None:
        entry["value"] = parameter.fixed
    elif parameter.choices:
        entry["values"] = list(parameter.choices)
    else:
        entry |= {"min": parameter.low, "max": parameter.high}
    entry |= {"step": parameter.step} if parameter.step is not None else {}
    entry |= {key: True for key in ("log", "fidelity") if getattr(parameter, key)}
    if parameter.when:
        entry["when"] = {parent: list(allowed) for parent, allowed in parameter.when.items()}
    entry |= {"otherwise": parameter.otherwise} if parameter.otherwise is not None else {}
    return entry
