"""W&B's distributions as entries of a study file. Pure."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeGuard

from sweeper.problems import shown
from sweeper.study.parameters import MAX_EXPONENT, exponential

_LOG = ("log_uniform", "log_uniform_values", "q_log_uniform", "q_log_uniform_values")
_DIGITS = 6  # of bounds that were exponents


class Range(NamedTuple):
    """An entry of the study file, or none, and what differs from the sweep's."""

    entry: dict[str, object] | None
    note: str = ""  # stands beside the entry; where there is none, why
    warning: bool = False  # worth saying aloud


def study_entry(raw: Any) -> Range:
    """Return the entry for a sweep's parameter.

    Bounds of W&B's `log_uniform` and `q_log_uniform` are exponents of e; a study's bounds are
    always values. Whole multiples `q` stay whole numbers.

    References:
        Weights & Biases documentation, sweep configuration, "Distribution options".
    """
    if not isinstance(raw, dict):
        return Range(None, "is not a mapping")
    distribution = raw.get("distribution")
    if "value" in raw:
        return Range({"value": _written_out(raw["value"])})
    if "values" in raw:
        return _choice(raw["values"], raw.get("probabilities"))
    low, high = raw.get("min"), raw.get("max")
    if not (_is_number(low) and _is_number(high)):
        return Range(None, _no_counterpart(distribution), warning=True)
    if distribution in (None, "int_uniform"):
        if (low, high) == (0, 1) and isinstance(low, int) and isinstance(high, int):
            note = "the whole numbers 0 and 1, as W&B has it; write 0.0 and 1.0 for fractions"
            return Range({"min": low, "max": high}, note, warning=True)
        return Range({"min": low, "max": high})
    if distribution == "uniform":
        return Range({"min": float(low), "max": float(high)})
    if distribution == "q_uniform":
        return _stepped(low, high, raw.get("q", 1))
    if distribution not in _LOG:
        return Range(None, _no_counterpart(distribution), warning=True)
    q = raw.get("q", 1) if distribution.startswith("q_") else None
    return _logarithmic(low, high, q, values=distribution.endswith("_values"))


def _choice(values: Any, probabilities: Any) -> Range:
    if isinstance(values, list):
        values = [_written_out(value) for value in values]
    if probabilities is None:
        return Range({"values": values})
    return Range({"values": values, "probabilities": probabilities})


def _written_out(value: Any) -> Any:
    """W&B writes lists, mappings and nothing on the command line as Python does."""
    return str(value) if value is None or isinstance(value, list | dict) else value


def _no_counterpart(distribution: Any) -> str:
    kind = "no range" if distribution is None else f"the distribution {shown(distribution)}"
    return f"has {kind}; give it min and max, or values"


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _logarithmic(low: float, high: float, q: Any, *, values: bool) -> Range:
    notes = []
    warning = False
    if not values:
        if max(abs(low), abs(high)) > MAX_EXPONENT:
            return Range(None, f"e to the power of {low} to {high} is no number", warning=True)
        notes.append(f"the sweep's bounds were exponents: {low} to {high}")
        if low > 0:
            notes[0] += "; if values were meant, write these"
            warning = True
        low, high = (exponential(bound, _DIGITS) for bound in (low, high))
    bounds: Sequence[float] = (float(low), float(high))
    if q is not None:
        whole = (max(1, math.ceil(low)), math.floor(high))
        if _is_number(q) and float(q).is_integer() and whole[0] < whole[1]:
            bounds = whole
        notes += [f"not only multiples of {q}"] if q != 1 or bounds is not whole else []
    return Range({"min": bounds[0], "max": bounds[1], "log": True}, "; ".join(notes), warning)


def _stepped(low: float, high: float, q: Any) -> Range:
    """Keep the multiples of q that lie within the bounds, which W&B rounds to."""
    if not _is_number(q) or q <= 0:
        return Range(None, "q must be a number > 0", warning=True)
    stride = Decimal(str(q))
    first = math.ceil(Decimal(str(low)) / stride) * stride
    last = math.floor(Decimal(str(high)) / stride) * stride
    kind = int if isinstance(q, int) else float
    bounds = [kind(first), kind(last)]
    note = "" if bounds == [low, high] else f"multiples of {q} between {low} and {high}"
    return Range({"min": bounds[0], "max": bounds[1], "step": q}, note)
