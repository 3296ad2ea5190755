"""Puts parameters together into a search space, and checks conditions and settings against it.

Knows no positions: a complaint names the place below `parameters`, or below the setting.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from sweeper.problems import listed, shown, suggestion
from sweeper.space import Parameter, Space, Value, check_setting
from sweeper.study.parameters import Complaint


def build_space(
    parameters: Mapping[str, Parameter], *, broken: Collection[str] = ()
) -> tuple[Space, list[Complaint]]:
    """Put every parameter after those that its `when` names, and check the conditions.

    Args:
        parameters: The parameters that are in order, by name, in the order of the file, which is
            kept but for conditions.
        broken: Names of the others, which are complained of elsewhere.

    Returns:
        The space, without parameters whose conditions are wrong or rest on a broken one, and the
        complaints below `parameters`.
    """
    complaints = [
        Complaint((name, "when", parent), reason)
        for name, parameter in parameters.items()
        for parent, allowed in parameter.when.items()
        if parent not in broken
        for reason in _condition_problems(parameters, parent, allowed)
    ]
    wrong = {complaint.where[0] for complaint in complaints}
    remaining = {name: item for name, item in parameters.items() if name not in wrong}
    ordered: dict[str, Parameter] = {}
    while ready := [name for name, item in remaining.items() if item.when.keys() <= ordered.keys()]:
        ordered[ready[0]] = remaining.pop(ready[0])
    try:
        TopologicalSorter({name: item.when for name, item in remaining.items()}).prepare()
    except CycleError as error:
        cycle = error.args[1]
        text = f"goes round in a circle: {' -> '.join(reversed(cycle))}"
        complaints.append(Complaint((cycle[0], "when"), text))
    return Space(tuple(ordered.values())), complaints


def _condition_problems(
    parameters: Mapping[str, Parameter], parent: str, allowed: Sequence[Value]
) -> list[str]:
    if parent not in parameters:
        return [f"{shown(parent)} is not a parameter{suggestion(parent, parameters)}"]
    reasons = [_never_takes(parameters[parent], value) for value in allowed]
    return [reason for reason in reasons if reason is not None]


def _never_takes(parameter: Parameter, value: Value) -> str | None:
    """Say why a condition on ``parameter`` can never hold; None if it can."""
    if _takes(parameter, value):
        return None
    near = suggestion(value, parameter.choices)
    return f"{parameter.name} is {_range_text(parameter)}, never {shown(value)}{near}"


def _takes(parameter: Parameter, value: Value) -> bool:
    if parameter.fixed is not None:
        same_kind = isinstance(parameter.fixed, bool) == isinstance(value, bool)
        return parameter.fixed == value and same_kind
    return not check_setting(Space((replace(parameter, when={}),)), {parameter.name: value})


def _range_text(parameter: Parameter) -> str:
    """Describe what a parameter takes, for a message."""
    if parameter.fixed is not None:
        return f"always {shown(parameter.fixed)}"
    if parameter.choices:
        return f"one of {listed(parameter.choices)}"
    kind = "a whole number" if parameter.integer else "a number"
    steps = "" if parameter.step is None else f" in steps of {shown(parameter.step)}"
    return f"{kind} from {shown(parameter.low)} to {shown(parameter.high)}{steps}"


def setting_complaints(
    space: Space, setting: Mapping[str, Value], *, broken: Collection[str] = ()
) -> list[Complaint]:
    """List what is wrong with a baseline or an enqueued setting, at the names concerned.

    Args:
        space: The parameters that are in order.
        setting: As written.
        broken: Names of other parameters, whose values cannot be judged.
    """
    complaints = []
    known = {parameter.name: parameter for parameter in space.parameters}
    active = {parameter.name for parameter in space.active(setting)}
    for name, value in setting.items():
        if name in known:
            text = _value_complaint(known[name], value, active=name in active)
            complaints += [] if text is None else [Complaint((name,), text)]
        elif name not in broken:
            names = (*known, *broken)
            text = f"unknown parameter; known: {', '.join(names)}{suggestion(name, names)}"
            complaints.append(Complaint((name,), text, at_key=True))
    missing = [item.name for item in space.searched if item.name in active - setting.keys()]
    if missing:
        complaints.append(Complaint((), f"{', '.join(missing)} missing; a setting names them all"))
    return complaints


def _value_complaint(parameter: Parameter, value: Value, *, active: bool) -> str | None:
    if parameter.fixed is not None:
        return f"is fixed to {shown(parameter.fixed)} under parameters; leave it out"
    if not active:
        return f"is not active here (it needs {_conditions(parameter)}); leave it out"
    if _takes(parameter, value):
        return None
    near = suggestion(value, parameter.choices)
    return f"must be {_range_text(parameter)}, but got {shown(value)}{near}"


def _conditions(parameter: Parameter) -> str:
    return " and ".join(
        f"{parent}: {listed(allowed)}" for parent, allowed in parameter.when.items()
    )
