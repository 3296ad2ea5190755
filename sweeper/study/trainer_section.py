"""Checks the trainer section, and every parameter's values in the places where they are used.

The trainer is asked of a first setting, then of each further value at the ends of a parameter's
range and in its choices, one at a time. What it refuses is told at the line of the value that
causes it. Two parameters that only together are wrong are found when such a trial is planned.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from sweeper.problems import Where, dotted, shown, suggestion
from sweeper.references import names_below, references, unfinished
from sweeper.refusals import Refusal
from sweeper.space import Parameter, Space, Value, complete_values, compose
from sweeper.study.parameters import Complaint
from sweeper.trainers import PARAMS, Section, Trainer


class _Probe(NamedTuple):
    """One set of values to build a spec from, and where each stands in the study file."""

    values: Mapping[str, Value]
    sources: Mapping[str, Where]
    varied: str | None = None  # the parameter that differs from the first probe


def trainer_complaints(
    kind: Trainer,
    trainer: Section,
    space: Space,
    *,
    broken: Collection[str] = (),
    gates: Collection[str] = (),
    settings: Mapping[Where, Mapping[str, Value]] | None = None,
) -> list[Complaint]:
    """List what is wrong with the trainer section, with places from the top of the file.

    Args:
        kind: Who trains.
        trainer: The section as read.
        space: The parameters that are in order.
        broken: Names of the others, which are complained of elsewhere.
        gates: Names that a `when` uses: of use even if the section does not refer to them.
        settings: Settings that the file itself names and that lie in the space, by place.
    """
    complaints = list(_reference_complaints(kind, trainer, space, broken, gates))
    first = _probe(space, {})
    known = set()
    for refusal in _refused(kind, trainer, first):
        known.add(refusal.where)
        complaints.append(_complaint(kind, trainer, refusal, first))
    for probe in _variations(space):
        for refusal in _refused(kind, trainer, probe):
            deciding = _deciding(kind, trainer, refusal.where)
            news = deciding == {probe.varied} or refusal.where not in known
            if probe.varied in deciding and not refusal.structural and news:
                complaints.append(_complaint(kind, trainer, refusal, probe))
    for where, setting in (settings or {}).items():
        values = complete_values(space, setting)
        for refusal in _refused(kind, trainer, _Probe(values, {})):
            if refusal.where not in known and len(_deciding(kind, trainer, refusal.where)) > 1:
                text = f"does not fit {dotted((*kind.place, *refusal.where))}: {refusal.text}"
                complaints.append(Complaint(where, text))
    return list(dict.fromkeys(complaints))


def resolved(kind: Trainer, trainer: Section, space: Space) -> dict[str, object]:
    """Spell out the defaults of a section that is in order; references stay."""
    first = _probe(space, {})
    spelled = kind.resolved(kind.filled(trainer, first.values))
    for where in {where for where, _ in references(trainer)}:
        _put(spelled, trainer, where)
    return spelled


def _reference_complaints(
    kind: Trainer,
    trainer: Section,
    space: Space,
    broken: Collection[str],
    gates: Collection[str],
) -> Iterator[Complaint]:
    used: dict[str, Where] = {}
    written = {key: value for key, value in trainer.items() if key != PARAMS}
    for where, name in references(written, kind.place):
        used.setdefault(name, where)
        if name not in space.names and name not in broken and not kind.is_own(name):
            known = ", ".join((*space.names, *sorted(broken))) or "none"
            near = suggestion(name, (*space.names, *broken))
            text = f"unknown reference {shown('${' + name + '}')}; parameters: {known}{near}"
            yield Complaint(where, text)
    for where in unfinished(trainer, kind.place):
        yield Complaint(where, 'a reference lacks its closing brace; write "${name}"')
    for parameter in space.parameters:
        name = parameter.name
        if name not in used and name not in gates and not kind.reads_all(trainer):
            there = "trainer section" if kind.place else "command"
            text = f'is not used; write "${{{name}}}" in the {there}, or remove it'
            yield Complaint(("parameters", name), text, at_key=True)
        elif name in used and parameter.when and parameter.otherwise is None:
            text = f"needs `otherwise`, a value for {dotted(used[name])} while `when` does not hold"
            yield Complaint(("parameters", name), text, at_key=True)


def _variations(space: Space) -> Iterator[_Probe]:
    """Yield every value of every parameter, one at a time around the first setting."""
    for parameter in space.parameters:
        for value, place in _values(parameter):
            probe = _probe(space, {**_opening(space, parameter), parameter.name: value})
            yield _Probe(
                values={**probe.values, parameter.name: value},
                sources={**probe.sources, parameter.name: ("parameters", parameter.name, *place)},
                varied=parameter.name,
            )


def _probe(space: Space, wanted: Mapping[str, Value]) -> _Probe:
    """Complete ``wanted`` with the first value of every other parameter."""
    setting = compose(space, lambda item: wanted.get(item.name, _values(item)[0][0]))
    values = complete_values(space, setting)
    sources = {
        item.name: ("parameters", item.name, *_source(item, values.get(item.name)))
        for item in space.parameters
    }
    return _Probe(values, sources)


def _values(parameter: Parameter) -> list[tuple[Value, Where]]:
    """Return the values worth trying, each with its place below the parameter."""
    found: list[tuple[Value, Where]] = []
    if parameter.fixed is not None:
        found = [(parameter.fixed, ("value",))]
    elif parameter.choices:
        found = [(choice, ("values", index)) for index, choice in enumerate(parameter.choices)]
    else:
        low, high = parameter.bounds
        found = [(low, ("min",)), (high, ("max",))]
    if parameter.otherwise is not None:
        found.append((parameter.otherwise, ("otherwise",)))
    return found


def _source(parameter: Parameter, value: Value | None) -> Where:
    return next((place for found, place in _values(parameter) if found == value), ())


def _opening(space: Space, parameter: Parameter) -> dict[str, Value]:
    """Return values of the parameters above ``parameter`` under which it is active."""
    above = {item.name: item for item in space.parameters}
    wanted: dict[str, Value] = {}
    for parent, allowed in parameter.when.items():
        wanted |= {parent: allowed[0], **_opening(space, above[parent])}
    return wanted


def _refused(kind: Trainer, trainer: Section, probe: _Probe) -> list[Refusal]:
    """Return what the trainer refuses, but for places where a reference has no value yet."""
    return [
        refusal
        for refusal in kind.refusals(kind.filled(trainer, probe.values))
        if refusal.structural or _deciding(kind, trainer, refusal.where) <= probe.values.keys()
    ]


def _complaint(kind: Trainer, trainer: Section, refusal: Refusal, probe: _Probe) -> Complaint:
    """Blame the parameter whose value is refused, or the section itself."""
    where = (*kind.place, *refusal.where)
    deciding = _deciding(kind, trainer, refusal.where)
    if probe.varied in deciding:
        deciding = {probe.varied}
    if refusal.structural or len(deciding) != 1:
        return Complaint(where, refusal.text, at_key=refusal.structural)
    [name] = deciding
    value = shown(probe.values[name])
    got = "" if refusal.got.endswith(f" {value}") else refusal.got
    text = f"{value} does not fit {dotted(where)}: {refusal.wanted}{got}{refusal.hint}"
    return Complaint(probe.sources[name], text)


def _deciding(kind: Trainer, trainer: Section, where: Where) -> set[str]:
    """The parameters that decide what stands at a place; what the trainer fills in is none."""
    return {name for name in names_below(trainer, where) if not kind.is_own(name)}


def _put(spelled: Any, written: Any, where: Where) -> None:
    """Write what stands in ``written`` at ``where`` into ``spelled``, over its resolved form."""
    *around, last = where
    for part in around:
        form = dict if isinstance(written[part], dict) else list
        if isinstance(spelled, dict) and not isinstance(spelled.get(part), form):
            spelled[part] = written[part]  # a short form, which the spec turns into another
            return
        spelled, written = spelled[part], written[part]
    spelled[last] = written[last]
