"""What the rules look up: the last epoch of a row, its settings, the parameter behind a field."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sweeper.outcomes import Epoch
from sweeper.results.evidence import Evidence, Scored
from sweeper.space import Parameter, Value


def last_metrics(row: Scored) -> Mapping[str, Any]:
    """The numbers of a row's last epoch; empty where they are not known."""
    return row.epochs[-1].metrics if row.epochs else {}


def measured(row: Scored, name: str) -> list[tuple[int, float]]:
    """A number with its epoch of the last phase, as far as it was measured."""
    epochs = last_phase(row)
    return [(e.epoch, value) for e in epochs if (value := e.metrics.get(name)) is not None]


def curve(row: Scored, name: str) -> list[float]:
    """The same without the epochs."""
    return [value for _, value in measured(row, name)]


def last_phase(row: Scored) -> list[Epoch]:
    """The epochs of the last phase."""
    return [e for e in row.epochs if e.place.start == row.epochs[-1].place.start]


def trained_epochs(row: Scored) -> int:
    """Epochs of the last phase."""
    return 0 if row.training is None else row.training.epochs


def pairs_in(name: str, rows: Iterable[Scored]) -> Iterator[tuple[Scored, Scored]]:
    """Pairs of rows that differ in the parameter ``name`` alone."""
    for a, b in itertools.combinations(rows, 2):
        differs = a.params.get(name) != b.params.get(name)
        if differs and _without(name, a.params) == _without(name, b.params):
            yield a, b


def values_in(name: str, pairs: Iterable[tuple[Scored, Scored]]) -> str:
    """The values that a parameter has in some pairs, for people."""
    found = {row.params[name] for pair in pairs for row in pair}
    return ", ".join(str(value) for value in sorted(found, key=lambda v: (str(type(v)), v)))


def narrowed(evidence: Evidence, parameter: Parameter) -> dict[str, Any]:
    """The change that fixes a parameter: at the baseline's value, else at the first of its own."""
    known = evidence.config.baseline or {}
    value = known.get(parameter.name)
    if value is None:
        value = parameter.choices[0] if parameter.choices else parameter.bounds[0]
    return {f"parameters.{parameter.name}": {"value": value}}


def moved_end(parameter: Parameter | None, end: str, factor: float) -> dict[str, object]:
    """The change that multiplies one end of a range; none where there is no range."""
    if parameter is None or parameter.choices:
        return {}
    bound = parameter.bounds[0 if end == "min" else 1] * factor
    written = max(round(bound), 1) if parameter.integer else float(f"{bound:.1g}")
    return {f"parameters.{parameter.name}.{end}": written}


def _without(name: str, params: Mapping[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in params.items() if key != name}
