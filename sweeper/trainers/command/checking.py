"""What is wrong with the part of a study file that describes a program, and what it offers."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sweeper.problems import Where, listed, suggestion
from sweeper.references import references
from sweeper.refusals import Refusal, refusals
from sweeper.scales import PER_CENT, PLAIN
from sweeper.trainers.command.configs import ConfigFile, config_problems
from sweeper.trainers.command.controls import CONTROLS
from sweeper.trainers.command.macros import LISTS, MacroError
from sweeper.trainers.command.spec import CommandSpec, Scored
from sweeper.trainers.command.told import macros_of
from sweeper.trainers.command.training import CommandTraining
from sweeper.trainers.protocol import PARAMS, Capabilities, CheckReport, Section

FOLDER = Path("/TRIAL")  # stands for a trial's folder before there is one
QUESTIONS = "results.by_question"  # where the questions come from
_ARGUMENTS = (*LISTS, "args_json_file")


def section_refusals(section: Section) -> list[Refusal]:
    """What the spec refuses of a section with its values filled in."""
    try:
        spec = CommandSpec.model_validate(section)
    except ValidationError as error:
        return refusals(CommandSpec, error)
    found = [*_epoch_refusals(spec), *_metric_refusals(spec), *_case_refusals(spec)]
    return [*found, *_input_refusals(spec)]


def section_complaints(section: Section, *, prunes: bool) -> Iterator[tuple[Where, str]]:
    """What no value of a parameter could mend."""
    params = section.get(PARAMS)
    known = params if isinstance(params, Mapping) else {}
    for key in ("cases", "effective"):
        entries = section.get(key)
        for name in entries if isinstance(entries, Mapping) else ():
            if name not in known:
                yield (key, name), f"is no parameter; there are {listed(known)}"
    if prunes and section.get("epochs") is None:
        text = "the pruner compares trials at equal steps; say how many a trial reports: `epochs:`"
        yield ("pruner",), text


def reads_all(section: Section) -> bool:
    """Whether the program gets every value without being told each: by `${args}` or the client."""
    told = {name for _, name in references({k: v for k, v in section.items() if k != PARAMS})}
    return bool(told & set(_ARGUMENTS)) or _reports(section.get("results"))


def metric_of(section: Section) -> Scored:
    """What trials are scored by: what the file says, else the one metric of its results."""
    try:
        metric = Scored.model_validate(section.get("metric", {}))
    except ValidationError:
        return Scored()
    is_told = "name" in metric.model_fields_set or metric.mean_of
    return _named(metric, () if is_told else _promised(section))  # which takes a validation


def capabilities(section: Section) -> Capabilities:
    """What the section offers, whether its values are filled in or not."""
    metric = metric_of(section)
    seed, results = section.get("seed", 0), section.get("results")
    by_question = _by_question(results) or _reports(results)  # a report may hold them
    return Capabilities(
        metric=metric.name,
        goal=metric.goal,
        parts=tuple(metric.mean_of or ()),
        questions=0,
        questions_key=QUESTIONS if by_question else "",
        controls=CONTROLS,
        asked_for=True,
        holdout=False,
        by_question=by_question,
        asks=False,
        every_epoch=True,
        races=False,
        finals=False,
        seed=seed if isinstance(seed, int) else 0,
        scale=PER_CENT if metric.shown == "per_cent" else PLAIN,
    )


def with_numbers(spec: CommandSpec) -> CommandSpec:
    """The same with `epochs` as a number, and the metric's name spelled out."""
    params = {f"${{{name}}}": value for name, value in spec.params.items()}
    epochs = params.get(spec.epochs, spec.epochs) if isinstance(spec.epochs, str) else spec.epochs
    return resolved(spec).model_copy(update={"epochs": epochs})


def resolved(spec: CommandSpec) -> CommandSpec:
    """The same with the metric's name spelled out, which is asked for often."""
    return spec.model_copy(update={"metric": _named(spec.metric, spec.read.metrics)})


def check(training: CommandTraining, *, device: str) -> CheckReport:
    """Look for programs, files and meanings of macros, without running anything."""
    problems, facts = [], []
    job: dict[str, Any] = {"device": device, "below": str(training.below)}
    macros = macros_of(training.spec, job, FOLDER)
    try:
        cwd = training.below / macros.text(training.spec.cwd)
        for step in training.spec.all_steps:
            argv = macros.arguments(step.command)
            facts.append(f"{step.name}: {' '.join(argv)}")
            if not cwd.is_dir():
                problems.append(f"cwd: {cwd} is no folder")
            elif shutil.which(argv[0]) is None and shutil.which(str(cwd / argv[0])) is None:
                problems.append(f"{step.name}: there is no program {argv[0]!r}")
        for config in training.spec.configs:
            filled = macros.value(config.model_dump(by_alias=True))
            problems += config_problems(ConfigFile.model_validate(filled), cwd)
        for value in training.spec.env.values():
            macros.text(value)
    except (MacroError, ValidationError) as error:
        problems.append(str(error))
    problems += [
        f"inputs: {path} cannot be read"
        for written, path in training.input_files.items()
        if not training.inputs[written]
    ]
    return CheckReport(problems=tuple(problems), facts=tuple(facts))


def _epoch_refusals(spec: CommandSpec) -> Iterator[Refusal]:
    epochs = with_numbers(spec).epochs
    if epochs is not None and (not isinstance(epochs, int) or epochs < 1):
        yield Refusal(("epochs",), "must be a whole number >= 1", f", but got {epochs!r}")


def _metric_refusals(spec: CommandSpec) -> Iterator[Refusal]:
    promised = spec.read.metrics
    reports = any(source.reported for source in spec.read.sources) or not spec.read.sources
    if not promised or reports:
        return
    for name in _named(spec.metric, promised).names:
        if name not in promised:
            near = suggestion(name, promised)
            yield Refusal(
                ("metric",), f"{name!r} is in no `results`, which have {listed(promised)}{near}"
            )


def _case_refusals(spec: CommandSpec) -> Iterator[Refusal]:
    for name, cases in spec.cases.items():
        value = spec.params.get(name)
        if value is not None and str(value) not in cases and str(value).lower() not in cases:
            yield Refusal(("cases", name), f"has no case for {value!r}; write `{value}: [...]`")


def _input_refusals(spec: CommandSpec) -> Iterator[Refusal]:
    """Inputs are read before there is a trial: of macros they may have parameters and `${env:}`."""
    try:
        _ = CommandTraining(spec, Path()).input_files
    except MacroError as error:
        yield Refusal(("inputs",), str(error))


def _named(metric: Scored, promised: Sequence[str]) -> Scored:
    """The same with a name where the file gives none: its parts', or the one that is promised."""
    if "name" in metric.model_fields_set:
        return metric
    if metric.mean_of:
        return metric.model_copy(update={"name": " and ".join(metric.mean_of)})
    return metric.model_copy(update={"name": promised[0]}) if len(promised) == 1 else metric


def _promised(section: Section) -> tuple[str, ...]:
    """Metrics that the results promise; none where they are not in order."""
    try:
        return CommandSpec.model_validate(section).read.metrics
    except ValidationError:
        return ()


def _sources(results: object) -> list[Mapping[str, object]]:
    entries = results if isinstance(results, list) else [results]
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _reports(results: object) -> bool:
    return results is None or any(entry.get("reported") is True for entry in _sources(results))


def _by_question(results: object) -> bool:
    return any("by_question" in entry for entry in _sources(results))
