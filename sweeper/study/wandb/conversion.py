"""Turns a Weights & Biases sweep into a study file.

A sweep with `program:` or `command:` becomes a study that runs it. One without becomes a study of
the built-in trainer: parameters are put where it has a field of their name or of a usual other
name. What cannot be kept stands in comments and among the warnings. Reads W&B's YAML, never W&B.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sweeper.errors import ConfigError
from sweeper.problems import config_error
from sweeper.space import Space, is_finite
from sweeper.study.checks import SAMPLER_OF_METHOD, study_name
from sweeper.study.file import parse_document
from sweeper.study.wandb.carrying import Carried, carried, flat
from sweeper.study.wandb.placing import largest, most_epochs, placed, trainer_lines
from sweeper.study.wandb.program import ProgramError, command_lines, epochs_of
from sweeper.study.wandb.stopping import pruner_of
from sweeper.study.yaml_text import yaml_value
from sweeper.trainers import builtin_trainer

_RUNS = ("program", "command")
_KNOWN_KEYS = (
    *("method", "metric", "parameters", "run_cap", "early_terminate", "name", "description"),
    *("project", *_RUNS),
)


class Conversion(NamedTuple):
    """A study file, and what it does not keep of the sweep."""

    text: str
    warnings: tuple[str, ...]


def convert(text: str, path: Path = Path("sweep.yaml")) -> Conversion:
    """Write the study file that corresponds to a W&B sweep.

    Args:
        text: The sweep's YAML.
        path: Named in messages.

    Returns:
        A study file that loads, with comments, and warnings for the terminal.

    Raises:
        ConfigError: if ``text`` is no sweep, if it runs nothing, or if nothing is left to search.
    """
    document = parse_document(text, path)
    if document.problems:
        raise config_error(path, document.problems)
    sweep = document.values
    written = dict(flat(sweep.get("parameters")))
    if not written:
        raise ConfigError(path, [f"{path}: parameters: a sweep has at least one"])
    if any(key in sweep for key in _RUNS):
        items, own, lost = _of_program(sweep, written, path)
        most = epochs_of(items)
        epochs = None if most is None else largest(most)
    else:
        fields, lost = placed(written)
        items, epochs = list(fields.values()), most_epochs(fields)
        own = [*trainer_lines(fields), *_metric_lines(sweep.get("metric"))]
    if not any(item.parameter.fixed is None for item in items):
        reasons = [f"{path}: parameters.{name}: {reason}" for name, reason in lost.items()]
        raise ConfigError(path, [*reasons, f"{path}: {_nothing_to_search(sweep)}"])
    lost |= {key: "has no counterpart" for key in sweep if key not in _KNOWN_KEYS}
    search, warnings = _search(sweep, Space(tuple(item.parameter for item in items)), epochs)
    lines = [*_head(sweep), *own, *_parameter_lines(items), *search]
    return Conversion(
        "\n".join([*lines, *_lost_lines(sweep, written, lost)]) + "\n",
        (
            *(f"parameters.{item.name}: {item.note}" for item in items if item.warning),
            *(f"{_place(name, written)} is not carried over: {why}" for name, why in lost.items()),
            *warnings,
        ),
    )


def _of_program(
    sweep: Mapping[str, object], written: Mapping[str, object], path: Path
) -> tuple[list[Carried], list[str], dict[str, str]]:
    """Return parameters, the lines that say what is run, and what is lost, with why."""
    found = {name: carried(name, raw) for name, raw in written.items()}
    items = [item for item in found.values() if not isinstance(item, str)]
    most = epochs_of(items)
    stop = sweep.get("early_terminate")
    prunes = pruner_of(stop, None if most is None else largest(most))[0] is not None
    try:
        own = list(command_lines(sweep, items, prunes=prunes))
    except ProgramError as error:
        raise ConfigError(path, [f"{path}: {error}"]) from error
    return items, own, {name: item for name, item in found.items() if isinstance(item, str)}


def _nothing_to_search(sweep: Mapping[str, object]) -> str:
    if any(key in sweep for key in _RUNS):
        return "no parameter is left to search"
    fields = ", ".join(builtin_trainer().fields)
    return f"no parameter to search fits the trainer; it has {fields}"


def _head(sweep: Mapping[str, object]) -> Iterator[str]:
    yield "# Converted from a Weights & Biases sweep; look it through before it runs."
    yield f"name: {yaml_value(study_name(str(sweep.get('name') or 'converted')))}"
    if isinstance(sweep.get("description"), str) and sweep["description"]:
        yield f"description: {yaml_value(sweep['description'])}"
    if isinstance(sweep.get("project"), str) and sweep["project"]:
        yield f"mlflow: {yaml_value({'experiment': sweep['project']})}"


def _metric_lines(metric: object) -> Iterator[str]:
    can = builtin_trainer().capabilities({})
    if metric and metric != {"name": can.metric, "goal": can.goal}:
        yield f"# The sweep's metric was {yaml_value(metric)}."
    yield f"metric: {{name: {can.metric}, goal: {can.goal}}}"


def _parameter_lines(items: Sequence[Carried]) -> Iterator[str]:
    yield "parameters:"
    for item in items:
        note = f"   # {item.note}" if item.note else ""
        yield f"  {yaml_value(item.name)}: {yaml_value(item.entry)}{note}"


def _search(
    sweep: Mapping[str, object], space: Space, most_epochs: int | None
) -> tuple[list[str], list[str]]:
    """Return the lines on sampler, pruner and trials, and what they do not keep."""
    lines, warnings = [], []
    method = sweep.get("method")
    sampler = SAMPLER_OF_METHOD.get(method, "tpe") if isinstance(method, str) else "tpe"
    if sampler == "grid" and not is_finite(space):
        warnings.append("method: grid; without steps this space has no end, hence random")
        sampler = "random"
    if sampler not in ("random", "qmc") and any(item.probabilities for item in space.parameters):
        warnings.append(f"probabilities: {sampler} learns what to draw; they hold with random")
    if any(key in sweep for key in _RUNS) and any("." in name for name in space.names):
        warnings.append("nested parameters are written `--group.name`; W&B writes the group as one")
    lines += [f"# {text}" for text in warnings]
    lines.append(f"sampler: {{name: {sampler}, seed: 0}}")
    if "early_terminate" in sweep:
        pruner, note = pruner_of(sweep["early_terminate"], most_epochs)
        warnings.append(f"early_terminate: {note}")
        lines.append(f"# early_terminate {yaml_value(sweep['early_terminate'])}: {note}")
        lines += [f"pruner: {yaml_value(pruner)}"] if pruner is not None else []
    metric = sweep.get("metric")
    if isinstance(metric, dict) and "target" in metric:
        warnings.append(f"metric.target: {yaml_value(metric['target'])} ends nothing here")
    cap = sweep.get("run_cap")
    given = type(cap) is int and cap >= 1
    lines.append(f"trials: {cap}" if given else "trials: 32   # the sweep had no run_cap")
    return lines, warnings


def _lost_lines(
    sweep: Mapping[str, object], written: Mapping[str, object], lost: Mapping[str, str]
) -> Iterator[str]:
    if lost:
        yield "# Not carried over:"
    for name, reason in lost.items():
        value = yaml_value(written.get(name, sweep.get(name)))
        yield f"#   {yaml_value(name)}: {value}   ({' '.join(reason.split())})"


def _place(name: str, written: Mapping[str, object]) -> str:
    return f"parameters.{name}" if name in written else name
