"""Turns a Weights & Biases sweep into a study file, and says in comments what was not carried over.

Parameters are put where the trainer has a field of their name or of a usual other name; the rest
cannot be guessed and is listed. Reads W&B's YAML, never W&B itself.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from sweeper.errors import ConfigError
from sweeper.problems import config_error
from sweeper.refusals import refusals
from sweeper.space import Parameter, Space, is_finite
from sweeper.study.checks import SAMPLER_OF_METHOD, study_name
from sweeper.study.file import parse_document
from sweeper.study.parameters import build_parameter
from sweeper.study.sections import ParameterEntry
from sweeper.study.trainer_section import trainer_complaints
from sweeper.study.wandb_ranges import study_entry
from sweeper.study.yaml_text import yaml_value
from sweeper.trainers import builtin_trainer

_KNOWN_KEYS = (
    "method",
    "metric",
    "parameters",
    "run_cap",
    "early_terminate",
    "name",
    "description",
)


class _Carried(NamedTuple):
    """One parameter of the sweep that the study searches too."""

    name: str
    field: tuple[str, str]
    entry: Mapping[str, object]  # as in the study file
    note: str
    parameter: Parameter


def convert(text: str, path: Path = Path("sweep.yaml")) -> str:
    """Write the study file that corresponds to a W&B sweep.

    Args:
        text: The sweep's YAML.
        path: Named in messages.

    Returns:
        A study file that loads, with comments.

    Raises:
        ConfigError: if ``text`` is no sweep, or no parameter belongs to a field of the trainer.
    """
    document = parse_document(text, path)
    if document.problems:
        raise config_error(path, document.problems)
    sweep = document.values
    written = dict(_flat(sweep.get("parameters")))
    if not written:
        raise ConfigError(path, [f"{path}: parameters: a sweep has at least one"])
    carried, lost = _carried(written)
    if not any(item.parameter.fixed is None for item in carried):
        fields = ", ".join(builtin_trainer().fields)
        reasons = [f"{path}: parameters.{name}: {reason}" for name, reason in lost.items()]
        problem = f"{path}: no parameter to search fits the trainer; it has {fields}"
        raise ConfigError(path, [*reasons, problem])
    lost |= {
        key: "has no counterpart; the built-in trainer is run"
        for key in sweep
        if key not in _KNOWN_KEYS
    }
    return "\n".join(_lines(sweep, carried, written, lost)) + "\n"


def _flat(parameters: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every parameter; nested ones under dotted names."""
    for name, entry in parameters.items() if isinstance(parameters, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("parameters"), dict):
            yield from _flat(entry["parameters"], f"{above}{name}.")
        else:
            yield f"{above}{name}", entry


def _carried(written: Mapping[str, object]) -> tuple[list[_Carried], dict[str, str]]:
    """Split the sweep's parameters into those that the study has too and the others, with why."""
    carried: dict[tuple[str, str], _Carried] = {}
    lost = {}
    for name, raw in written.items():
        field = builtin_trainer().field_of(name)
        if field is None:
            lost[name] = "no field of the trainer has this name"
        elif field in carried:
            lost[name] = f"is the same field as {carried[field].name}"
        else:
            found = _carry(name, field, raw)
            if isinstance(found, str):
                lost[name] = found
            else:
                carried[field] = found
    return list(carried.values()), lost


def _carry(name: str, field: tuple[str, str], raw: Any) -> _Carried | str:
    """Return the parameter, or why the study cannot have it."""
    entry, note = study_entry(raw)
    if entry is None:
        return note
    try:
        parameter, complaints = build_parameter(name, ParameterEntry.model_validate(entry))
    except ValidationError as error:
        return refusals(ParameterEntry, error)[0].text
    if not complaints:
        kind = builtin_trainer()
        complaints = trainer_complaints(kind, kind.section({field: name}), Space((parameter,)))
    if complaints:
        return complaints[0].text
    return _Carried(name, field, entry, note, parameter)


def _lines(
    sweep: Mapping[str, object],
    carried: list[_Carried],
    written: Mapping[str, object],
    lost: Mapping[str, str],
) -> Iterator[str]:
    """Yield the study file line by line."""
    trainer = builtin_trainer().section({item.field: item.name for item in carried})
    yield "# Converted from a Weights & Biases sweep; look through the trainer section first."
    yield f"name: {yaml_value(study_name(str(sweep.get('name') or 'converted')))}"
    if isinstance(sweep.get("description"), str) and sweep["description"]:
        yield f"description: {yaml_value(sweep['description'])}"
    yield "trainer:"
    for key, value in trainer.items():
        if not isinstance(value, list):
            yield f"  {key}: {yaml_value(value)}"
            continue
        yield f"  {key}:"
        for entry in value:
            [(kind, settings)] = entry.items()
            yield f"    - {kind}: {yaml_value(settings)}"
    yield from _metric_lines(sweep.get("metric"))
    yield "parameters:"
    for item in carried:
        note = f"   # {item.note}" if item.note else ""
        yield f"  {yaml_value(item.name)}: {yaml_value(item.entry)}{note}"
    yield from _search_lines(sweep, Space(tuple(item.parameter for item in carried)))
    if lost:
        yield "# Not carried over:"
    for name, reason in lost.items():
        value = yaml_value(written.get(name, sweep.get(name)))
        yield f"#   {yaml_value(name)}: {value}   ({' '.join(reason.split())})"


def _metric_lines(metric: Any) -> Iterator[str]:
    can = builtin_trainer().capabilities({})
    if metric and metric != {"name": can.metric, "goal": can.goal}:
        yield f"# The sweep's metric was {yaml_value(metric)}."
    yield f"metric: {{name: {can.metric}, goal: {can.goal}}}"


def _search_lines(sweep: Mapping[str, object], space: Space) -> Iterator[str]:
    """Yield sampler, pruner and trials."""
    method = sweep.get("method")
    sampler = SAMPLER_OF_METHOD.get(method, "tpe") if isinstance(method, str) else "tpe"
    if sampler == "grid" and not is_finite(space):
        yield "# The sweep's method was grid; without steps this space has no end, hence random."
        sampler = "random"
    yield f"sampler: {{name: {sampler}, seed: 0}}"
    stop = sweep.get("early_terminate")
    if isinstance(stop, dict):
        yield f"# The sweep's early_terminate was {yaml_value(stop)}."
        first, eta = stop.get("min_iter"), stop.get("eta")
        options = {
            "name": "hyperband",
            "min_resource": first if type(first) is int and first >= 1 else 1,
            "reduction_factor": eta if type(eta) is int and eta >= 2 else 3,
        }
        yield f"pruner: {yaml_value(options)}"
    cap = sweep.get("run_cap")
    given = type(cap) is int and cap >= 1
    yield f"trials: {cap}" if given else "trials: 32   # the sweep had no run_cap"
