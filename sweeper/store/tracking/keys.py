"""How our names and values look in MLflow: keys, points of curves, texts of parameters.

Pure values; no MLflow, no clock. MLflow's pages make a section of charts out of all keys that are
equal up to the last slash, and a line out of a metric whose last step is 1 or more: the epoch is
the step of `grpo/loss`, and final numbers like `shot_1` have no slash and step 0.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sweeper.outcomes import Calls, Epoch
from sweeper.records import CALLS_KEY

SCORE = "score"
MAX_KEY, MAX_PARAM, MAX_TAG = 250, 6000, 8000  # characters; MLflow 3.17, mlflow/utils/validation.py
NO_CURVES = ("mean_abs", "max_abs")
"""Measures of a tensor's drift that are no curves here: see `metrics.jsonl` and the report."""
_FORBIDDEN = re.compile(r"[^/\w.\- :]")


class Point(NamedTuple):
    """One number of one run."""

    key: str
    value: float  # NaN stands for every number that is not finite
    timestamp: int  # milliseconds since 1970
    step: int  # epoch within the phase; 0 for final numbers


def metric_key(name: str) -> str:
    """Turn ``name`` into a key that MLflow takes.

    Letters of any script, digits, spaces and ``_ - . : /`` stay; all other characters become ``_``.
    A key that would be too long ends in a hash of the whole name.
    """
    parts = (part.strip() for part in _FORBIDDEN.sub("_", name).split("/"))
    key = "/".join(part for part in parts if part.strip("."))
    if len(key) > MAX_KEY:
        mark = hashlib.sha256(name.encode()).hexdigest()[:8]
        key = f"{key[: MAX_KEY - 9]}_{mark}"
    return key or "_"


def phase_groups(kinds: Sequence[str]) -> tuple[str, ...]:
    """Name the phases of a spec for their curves: ``rce, grpo``, then ``grpo 2`` for a second."""
    seen: Counter[str] = Counter()
    groups = []
    for kind in kinds:
        seen[kind] += 1
        groups.append(kind if seen[kind] == 1 else f"{kind} {seen[kind]}")
    return tuple(groups)


def curve_points(epoch: Epoch, groups: Sequence[str] = ()) -> list[Point]:
    """Turn an epoch into points, always the same ones for the same epoch.

    Of the measures of a tensor's drift the relative norm is one.

    Args:
        epoch: None among its metrics is a number that is not finite.
        groups: What ``phase_groups`` made of the spec; empty where every phase is of its own kind.
    """
    group = groups[epoch.phase_index] if groups else epoch.phase
    timestamp = round(epoch.ended * 1000)
    return [
        Point(_curve_key(group, name), finite_or_nan(value), timestamp, epoch.epoch)
        for name, value in epoch.metrics.items()
        if not (name.startswith("drift/") and name.endswith(NO_CURVES))
    ]


def _curve_key(group: str, name: str) -> str:
    """Key of a training metric; drift is sorted by measure, so that tensors stand side by side."""
    parts = name.split("/")
    if parts[0] == "drift" and len(parts) > 2:
        name = f"drift {parts[-1]}/{':'.join(parts[1:-1])}"
    return metric_key(f"{group}/{name}")


def call_metrics(calls: Calls) -> dict[str, float]:
    """Final numbers of a trial's calls: asked, and saved by cause."""
    return {
        f"{CALLS_KEY}_asked": float(calls.asked),
        f"{CALLS_KEY}_saved_stage": float(calls.stage),
        f"{CALLS_KEY}_saved_store": float(calls.store),
        f"{CALLS_KEY}_saved_equal": float(calls.equal),
    }


def final_points(
    score: float | None,
    parts: Mapping[str, float],
    metrics: Mapping[str, float],
    timestamp: int,
) -> list[Point]:
    """A trial's final numbers, the score first: MLflow compares runs by it."""
    finals = {**({} if score is None else {SCORE: score}), **parts, **metrics}
    return [
        Point(metric_key(name), finite_or_nan(value), timestamp, 0)
        for name, value in finals.items()
    ]


def finite_or_nan(value: float | None) -> float:
    """MLflow stores infinity as 1.8e308, which flattens every chart; NaN leaves a gap."""
    return value if value is not None and math.isfinite(value) else math.nan


def text(value: object, limit: int) -> str:
    """Write ``value`` so that it reads back exactly; over ``limit`` characters, cut and say so."""
    written = value if isinstance(value, str) else repr(value)
    if len(written) <= limit:
        return written
    mark = f" [... cut, {len(written)} characters]"
    return written[: limit - len(mark)] + mark
