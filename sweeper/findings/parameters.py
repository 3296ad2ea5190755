"""Whether the parameters matter."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from sweeper.findings.finding import Finding
from sweeper.findings.rows import narrowed, pairs_in, values_in
from sweeper.results.assessment import Assessment
from sweeper.results.evidence import Evidence, Scored
from sweeper.scales import Scale
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
        controls = list(evidence.config.can.controls)
        if not known and not controls:  # nothing is there that would tell
            continue
        yield Finding(
            kind="identical_answers" if known else "identical_means",
            level="warning",
            facts={
                "count": len(group),
                "of": assessment.settings,
                "settings": ", ".join(group),
                "means": _means(rows[group[0]], evidence.config.scale),
            },
            change={} if known else {"controls": controls},
        )


def _means(row: Scored, scale: Scale) -> str:
    return scale.with_unit(", ".join(f"{scale.factor * mean:g}" for mean in row.accuracy.values()))


def dead_parameter(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """A parameter whose values never changed a selection, all others being equal."""
    trials = [row for row in evidence.trials if row.choices is not None]
    for parameter in evidence.config.space.searched:
        pairs = list(pairs_in(parameter.name, trials))
        if _not_applied(pairs) or len(pairs) < MANY or not all(a.chooses_as(b) for a, b in pairs):
            continue
        yield Finding(
            kind="dead_parameter",
            level="warning",
            facts={
                "parameter": parameter.name,
                "pairs": len(pairs),
                "values": values_in(parameter.name, pairs),
            },
            change=narrowed(evidence, parameter),
        )


def parameter_not_applied(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """A parameter whose values lead to the very same training."""
    trials = [row for row in evidence.trials if row.stage]
    for parameter in evidence.config.space.searched:
        pairs = list(pairs_in(parameter.name, trials))
        if _not_applied(pairs):
            yield Finding(
                kind="parameter_not_applied",
                level="alarm",
                facts={
                    "parameter": parameter.name,
                    "pairs": len(pairs),
                    "values": values_in(parameter.name, pairs),
                },
                change=narrowed(evidence, parameter),
            )


def _not_applied(pairs: Sequence[tuple[Scored, Scored]]) -> bool:
    """Whether rows that differ in a parameter alone are one training, every time."""
    return bool(pairs) and all(a.stage and a.stage == b.stage for a, b in pairs)


def best_at_the_edge(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """All settings that may be the best lie at one end of a range: a better one may lie beyond."""
    if assessment.leader is None or assessment.imported:
        return
    if all(entry.may_be_best for entry in assessment.rows if entry.row.kind != "control"):
        return  # nothing is told from anything: no value is better than another
    leading = [entry.row for entry in assessment.rows if entry.may_be_best]
    tested, leading = bool(leading), leading or [assessment.leader.row]
    for parameter in evidence.config.space.searched:
        values = [row.params.get(parameter.name) for row in leading]
        ends = {_end(parameter, value) for value in values}
        end = ends.pop() if len(ends) == 1 else None
        if end is not None:
            low, high = parameter.bounds
            beyond = _beyond(parameter, end)
            if beyond in (low, high):  # nothing lies there
                continue
            yield Finding(
                kind="best_at_the_edge" if tested else "leader_at_the_edge",
                level="note",
                facts={
                    "parameter": parameter.name,
                    "value": f"{assessment.leader.row.params[parameter.name]:.4g}",
                    "leading": len(leading),
                    "low": f"{low:g}",
                    "high": f"{high:g}",
                },
                change={f"parameters.{parameter.name}.{end}": beyond},
            )


def _end(parameter: Parameter, value: Value | None) -> Literal["min", "max"] | None:
    """The end of the range that a value lies at, in the scale that it is searched in."""
    if parameter.choices or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    scale = math.log if parameter.log else float
    low, high = map(scale, parameter.bounds)
    share = (scale(value) - low) / (high - low)
    if EDGE < share < 1.0 - EDGE:
        return None
    return "max" if share > 0.5 else "min"


def _beyond(parameter: Parameter, end: str) -> float | int:
    """The end moved out: tenfold where the range is searched by its logarithm, by half else."""
    low, high = parameter.bounds
    if parameter.log:
        return float(f"{high * 10 if end == 'max' else low / 10:.3g}")
    moved = high + (high - low) / 2 if end == "max" else low - (high - low) / 2
    if low >= 0:
        moved = max(moved, 1 if parameter.integer else 0)
    return round(moved) if parameter.integer else float(f"{moved:.3g}")
