"""Turns an entry of the study file's parameters into a parameter of the search space.

Decides what a range, a choice and a constant may be, and which of W&B's words are understood. Knows
no positions and no other parameters: a complaint names the place below its entry.
"""

import math
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from sweeper.problems import Where, shown
from sweeper.space import Parameter, Value
from sweeper.study.sections import ParameterEntry

MAX_EXPONENT = 700  # e to a greater power is no number
NAME = re.compile(r"[^\W\d][\w.-]{0,99}")  # MLflow takes these, and `${...}` ends at the brace
_SUM_TOLERANCE = 0.01  # of probabilities: 0.33 three times is meant as thirds
_RANGE_ONLY = ("log", "step", "q", "fidelity")


class Complaint(NamedTuple):
    """What is wrong at one place below a section; an empty ``where`` is the section itself."""

    where: Where
    text: str
    at_key: bool = False  # the key is wrong, or all that stands under it


def log_uniform_hint(entry: Any) -> str | None:
    """Return why `distribution: log_uniform` is refused, if ``entry`` (as read) asks for it."""
    if not isinstance(entry, dict) or entry.get("distribution") != "log_uniform":
        return None
    text = "log_uniform takes exponents of e for bounds; write values and `log: true`"
    low, high = entry.get("min"), entry.get("max")
    if not (isinstance(low, int | float) and isinstance(high, int | float) and low < high):
        return text
    forms = []
    if max(abs(low), abs(high)) < MAX_EXPONENT:
        digits = next((n for n in (3, 6, 12) if exponential(low, n) < exponential(high, n)), 12)
        bounds = f"min: {exponential(low, digits)}, max: {exponential(high, digits)}"
        forms.append(f"{{{bounds}, log: true}} for these exponents")
    if low > 0:
        forms.append(f"{{min: {low}, max: {high}, log: true}} if they are values")
    return ", ".join([text, " or ".join(forms)]) if forms else text


def exponential(exponent: float, digits: int) -> float:
    """Return e to a power, to so many digits."""
    return float(f"{math.exp(exponent):.{digits}g}")


def build_parameter(name: str, entry: ParameterEntry) -> tuple[Parameter, list[Complaint]]:
    """Read one entry; the parameter is meaningless where there are complaints."""
    complaints = _condition_complaints(entry)
    if not NAME.fullmatch(name):
        text = "a parameter's name is up to 100 letters, digits and `_ . -`, first a letter or `_`"
        complaints.append(Complaint((), text))
    given = entry.model_fields_set
    if entry.probabilities is not None and entry.values is None:
        complaints.append(Complaint(("probabilities",), "go with `values`"))
    forms: list[str] = [form for form in ("value", "values") if getattr(entry, form) is not None]
    forms += ["range"] if given & {"min", "max"} else []
    conditions = {parent: tuple(allowed) for parent, allowed in entry.when.items()}
    empty = Parameter(name=name, when=conditions, otherwise=entry.otherwise)
    if len(forms) != 1:
        text = "needs either `min` and `max`, or `values`, or `value`"
        return empty, [*complaints, Complaint((), text)]
    if forms == ["range"]:
        parameter, found = _range(empty, entry)
        return parameter, complaints + found
    expected = "constant" if forms == ["value"] else "categorical"
    if entry.distribution not in (None, expected):
        text = f"must be {expected} for `{forms[0]}`, but got {shown(entry.distribution)}"
        complaints.append(Complaint(("distribution",), text))
    complaints += [
        Complaint((key,), f"is for a range; leave it out beside `{forms[0]}`")
        for key in _RANGE_ONLY
        if key in given and getattr(entry, key)
    ]
    if forms == ["value"]:
        return replace(empty, fixed=entry.value), complaints
    choices = tuple(entry.values or ())
    complaints += _choice_complaints(choices) + _probability_complaints(entry)
    probabilities = tuple(map(float, entry.probabilities or ()))
    return replace(empty, choices=choices, probabilities=probabilities), complaints


def _condition_complaints(entry: ParameterEntry) -> list[Complaint]:
    complaints = []
    if "otherwise" in entry.model_fields_set and not entry.when:
        complaints.append(Complaint(("otherwise",), "has no effect without `when`"))
    if "when" in entry.model_fields_set and not entry.when:
        complaints.append(Complaint(("when",), "names no parameter"))
    for parent, allowed in entry.when.items():
        if not allowed:
            complaints.append(Complaint(("when", parent), "needs at least one value"))
    return complaints


def _choice_complaints(choices: tuple[Value, ...]) -> list[Complaint]:
    if not choices:
        return [Complaint(("values",), "needs at least one value")]
    complaints = []
    for index, choice in enumerate(choices):
        if choice in choices[:index]:
            first = choices[choices.index(choice)]
            same = type(first) is type(choice)
            text = "stands here twice" if same else f"equals {shown(first)}, which stands here too"
            complaints.append(Complaint(("values", index), f"{shown(choice)} {text}"))
    return complaints


def _probability_complaints(entry: ParameterEntry) -> list[Complaint]:
    given, values = entry.probabilities, entry.values or []
    if given is None:
        return []
    where: Where = ("probabilities",)
    if len(given) != len(values):
        text = f"must be as many as `values`, {len(values)}, but got {len(given)}"
        return [Complaint(where, text)]
    if min(given) <= 0:
        text = f"must be > 0, but got {shown(min(given))}; leave out a value that is never drawn"
        return [Complaint(where, text)]
    if not math.isclose(sum(given), 1, abs_tol=_SUM_TOLERANCE):
        return [Complaint(where, f"must add up to 1, but got {sum(given):g}")]
    return []


def _range(parameter: Parameter, entry: ParameterEntry) -> tuple[Parameter, list[Complaint]]:
    """Read `min`, `max` and what goes with them."""
    low, high = entry.min, entry.max
    if low is None or high is None:
        return parameter, [Complaint((), f"needs `{'min' if low is None else 'max'}` too")]
    step = entry.q if entry.step is None else entry.step
    step_key = "q" if entry.step is None else "step"
    log = entry.log or entry.distribution == "log_uniform_values"
    integer = _is_integer(entry)
    complaints = _kind_complaints(entry, integer=integer)
    if not low < high:
        text = f"must be greater than min {shown(low)}, but got {shown(high)}"
        complaints.append(Complaint(("max",), text + "; one value alone is written `value:`"))
    if log and low <= 0:
        text = f"must be > 0 on a log scale, but got {shown(low)}; bounds are values, not exponents"
        complaints.append(Complaint(("min",), text))
    if log and step is not None:
        complaints.append(Complaint((step_key,), "does not go with a log scale; leave one out"))
    elif step is not None:
        reason = _step_complaint(low, high, step, integer=integer)
        complaints += [] if reason is None else [Complaint((step_key,), reason)]
    if entry.fidelity and not (integer and low >= 1):
        text = "is for a number of epochs: `min` and `max` must be whole and >= 1"
        complaints.append(Complaint(("fidelity",), text))
    if not integer:
        low, high = float(low), float(high)
        step = None if step is None else float(step)
    found = replace(
        parameter,
        low=low,
        high=high,
        log=log,
        step=step,
        integer=integer,
        fidelity=entry.fidelity,
        otherwise=_like(parameter.otherwise, integer=integer),
    )
    return found, complaints


def _is_integer(entry: ParameterEntry) -> bool:
    """Whole bounds give whole numbers, unless W&B's word for the distribution says otherwise."""
    if entry.distribution in ("uniform", "log_uniform_values"):
        return False
    step = entry.q if entry.step is None else entry.step
    return all(isinstance(number, int) for number in (entry.min, entry.max, step or 1))


def _kind_complaints(entry: ParameterEntry, *, integer: bool) -> list[Complaint]:
    """Check that `distribution`, `q` and `step` agree with each other and with the bounds."""
    complaints = []
    distribution = entry.distribution
    if distribution in ("categorical", "constant"):
        wanted = "values" if distribution == "categorical" else "value"
        complaints.append(Complaint(("distribution",), f"{distribution} needs `{wanted}`"))
    if distribution == "int_uniform" and not integer:
        complaints.append(Complaint(("distribution",), "int_uniform needs whole `min` and `max`"))
    if distribution == "q_uniform" and entry.q is None and entry.step is None:
        complaints.append(Complaint(("distribution",), "q_uniform needs `q`"))
    if entry.q is not None and entry.step is not None:
        complaints.append(Complaint(("q",), "is W&B's word for `step`; leave one out"))
    return complaints


def _step_complaint(low: float, high: float, step: float, *, integer: bool) -> str | None:
    """Say why a step does not lead from one bound to the other; None if it does."""
    whole = isinstance(low, int) and isinstance(high, int)
    if step <= 0:
        return f"must be > 0, but got {shown(step)}"
    if whole and not integer and float(step).is_integer():
        return f"must be written {int(step)} between whole bounds, but got {shown(step)}"
    span, stride = (Decimal(str(high)) - Decimal(str(low))), Decimal(str(step))
    if low < high and span % stride:
        last = Decimal(str(low)) + span // stride * stride
        return f"must lead from min to max, but steps of {shown(step)} end at {last:f}"
    return None


def _like(value: Value | None, *, integer: bool) -> Value | None:
    """Give `otherwise: 1` of a float parameter the parameter's type."""
    if integer or isinstance(value, bool) or not isinstance(value, int):
        return value
    return float(value)
