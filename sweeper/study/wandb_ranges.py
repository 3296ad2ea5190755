"""W&B's distributions as entries of a study file. Pure."""

import math
from decimal import Decimal
from typing import Any, TypeGuard

from sweeper.problems import shown


def study_entry(raw: Any) -> tuple[dict[str, object] | None, str]:
    """Return the entry for a sweep's parameter and a note on what differs (may be empty).

    Where there is none, the entry is None and the note says why. Bounds of W&B's `log_uniform` and
    `q_log_uniform` are exponents of e; a study's bounds are always values.

    References:
        Weights & Biases documentation, sweep configuration, "Distribution options".
    """
    if not isinstance(raw, dict):
        return None, "is not a mapping"
    distribution = raw.get("distribution")
    if "value" in raw:
        return {"value": raw["value"]}, ""
    if "values" in raw:
        note = "probabilities are not used" if "probabilities" in raw else ""
        return {"values": raw["values"]}, note
    low, high = raw.get("min"), raw.get("max")
    if not (_is_number(low) and _is_number(high)):
        return None, _no_counterpart(distribution)
    if distribution in (None, "int_uniform"):
        return {"min": low, "max": high}, ""
    if distribution == "uniform":
        return {"min": float(low), "max": float(high)}, ""
    if distribution == "q_uniform":
        return _stepped(low, high, raw.get("q", 1))
    if distribution not in (
        "log_uniform",
        "log_uniform_values",
        "q_log_uniform",
        "q_log_uniform_values",
    ):
        return None, _no_counterpart(distribution)
    notes = ["q is not used"] if distribution.startswith("q_") else []
    if not distribution.endswith("_values"):
        notes.append(f"the sweep's bounds were exponents: {low} to {high}")
        if max(abs(low), abs(high)) > 700:
            return None, f"e to the power of {low} to {high} is no number"
        low, high = (float(f"{math.exp(bound):.6g}") for bound in (low, high))
    return {"min": float(low), "max": float(high), "log": True}, "; ".join(notes)


def _no_counterpart(distribution: Any) -> str:
    kind = "no range" if distribution is None else f"the distribution {shown(distribution)}"
    return f"has {kind}; give it min and max, or values"


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _stepped(low: float, high: float, q: Any) -> tuple[dict[str, object] | None, str]:
    """Keep the multiples of q that lie within the bounds, which W&B rounds to."""
    if not _is_number(q) or q <= 0:
        return None, "q must be a number > 0"
    stride = Decimal(str(q))
    first = math.ceil(Decimal(str(low)) / stride) * stride
    last = math.floor(Decimal(str(high)) / stride) * stride
    kind = int if isinstance(q, int) else float
    bounds = [kind(first), kind(last)]
    note = "" if bounds == [low, high] else f"multiples of {q} between {low} and {high}"
    return {"min": bounds[0], "max": bounds[1], "step": q}, note
