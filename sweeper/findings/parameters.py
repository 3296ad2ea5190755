"""Whether the parameters matter."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from sweeper.assessment import Assessment
from sweeper.evidence import Evidence, Scored
from sweeper.findings.finding import Finding
from sweeper.space import Parameter, Value

EDGE = 0.02  # of a range, in the scale that it is searched in
MANY = 3  # pairs that differ in one parameter alone, before it is called dead


def identical_settings(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """Different settings with the same answers to every question."""
    rows = {entry.row.label: entry.row for entry in assessment.rows}
    for group in assessment.identical:
        if len({frozenset(rows[label].params.items()) for label in group}) < 2:
            continue
        known = rows[group[0]].scores is not None
        yield Finding(
            kind="identical_answers" if known else "identical_means",
            level="warning",
            facts={
                "count": len(group),
                "of": assessment.settings,
                "settings": ", ".join(group),
                "means": ", ".join(f"{100 * a:g}" for a in rows[group[0]].accuracy.values()),
            },
            change={} if known else {"controls": ["random", "start", "nearest"]},
        )


def dead_parameter(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """A parameter whose values never changed a selection, all others being equal."""
    trials = [row for row in evidence.trials if row.shots is not None]
    for parameter in evidence.config.space.searched:
        pairs = [
            (a, b)
            for a, b in itertools.combinations(trials, 2)
            if _differ_only_in(parameter.name, a, b)
        ]
        if len(pairs) >= MANY and all(a.chooses_as(b) for a, b in pairs):
            values = sorted({str(row.params[parameter.name]) for pair in pairs for row in pair})
            yield Finding(
                kind="dead_parameter",
                level="warning",
                facts={
                    "parameter": parameter.name,
                    "pairs": len(pairs),
                    "values": ", ".join(values),
                },
            )


def _differ_only_in(name: str, a: Scored, b: Scored) -> bool:
    if a.params.get(name) == b.params.get(name):
        return False
    return _without(name, a.params.items()) == _without(name, b.params.items())


def _without(name: str, items: Iterable[tuple[str, Value]]) -> set[tuple[str, Value]]:
    return {(key, value) for key, value in items if key != name}


def best_at_the_edge(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """The best value lies at an end of its range: a better one may lie beyond."""
    if assessment.best is None or assessment.imported:
        return
    for parameter in evidence.config.space.searched:
        value = assessment.best.row.params.get(parameter.name)
        if parameter.choices or not isinstance(value, int | float):
            continue
        low, high = parameter.bounds
        scale = np.log if parameter.log else float
        share = float((scale(value) - scale(low)) / (scale(high) - scale(low)))
        if not EDGE < share < 1.0 - EDGE:
            end = "max" if share > 0.5 else "min"
            beyond = _beyond(parameter, end)
            if beyond in (low, high):  # nothing lies there
                continue
            yield Finding(
                kind="best_at_the_edge",
                level="note",
                facts={
                    "parameter": parameter.name,
                    "value": f"{value:.4g}",
                    "low": f"{low:g}",
                    "high": f"{high:g}",
                },
                change={f"parameters.{parameter.name}.{end}": beyond},
            )


def _beyond(parameter: Parameter, end: str) -> float | int:
    """The end moved out: tenfold where the range is searched by its logarithm, by half else."""
    low, high = parameter.bounds
    if parameter.log:
        return float(f"{high * 10 if end == 'max' else low / 10:.3g}")
    moved = high + (high - low) / 2 if end == "max" else low - (high - low) / 2
    if low >= 0:
        moved = max(moved, 1 if parameter.integer else 0)
    return round(moved) if parameter.integer else float(f"{moved:.3g}")
