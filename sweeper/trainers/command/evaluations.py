"""Scores by question that a program told, kept under a key beside the stages of the workspace.

Each group, such as a benchmark or a number of examples, is a column where all groups have the same
questions; else they are one column together.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from sweeper.outcomes import FORMAT, read_json, write_json_atomic

if TYPE_CHECKING:
    from sweeper.trainers.protocol import Arrays

EVALUATIONS = "evaluations"  # folder below that of the stages
EVALUATION_FORMAT = 1
TOLERANCE = 1e-6  # of a mean, beside the number that the program told
Columns = Mapping[str, Mapping[str, float]]  # by name: scores by question, the same in each


def columns(questions: Columns, *, metric: str) -> Columns:
    """Scores by question in columns, by their names; ``metric`` is that of one without a group."""
    names = {frozenset(scores) for scores in questions.values()}
    if len(names) == 1:
        return {group or metric: dict(sorted(s.items())) for group, s in sorted(questions.items())}
    each = {
        f"{group}/{name}": score
        for group, scores in questions.items()
        for name, score in scores.items()
    }
    return {metric: dict(sorted(each.items()))} if each else {}


def disagreement(found: Columns, score: float, parts: Mapping[str, float]) -> str | None:
    """Why scores by question are not what a trial is scored by; None where they are.

    Args:
        found: The columns.
        score: Of the trial.
        parts: That it is the mean of; none where it is one metric.
    """
    means = {name: fmean(scores.values()) for name, scores in found.items()}
    if not all(map(math.isfinite, means.values())):
        return "not all scores by question are numbers"
    mean = fmean(means.values())
    if not math.isclose(mean, score, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        return f"the mean of the scores by question is {mean:.6g}, and the score is {score:.6g}"
    if parts and not _are_equal(parts, means):
        told = ", ".join(f"{name} {value:.6g}" for name, value in parts.items())
        return f"the groups of the scores by question are other ones than the score's: {told}"
    return None


def _are_equal(parts: Mapping[str, float], means: Mapping[str, float]) -> bool:
    return parts.keys() == means.keys() and all(
        math.isclose(parts[name], means[name], rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        for name in parts
    )


def keep(stages: Path, found: Columns) -> str:
    """Write columns, and return their key."""
    text = json.dumps(found, sort_keys=True, allow_nan=False)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    place = _place(stages, key)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(place, {FORMAT: EVALUATION_FORMAT, "columns": found})
    return key


def scores(stages: Path, key: str | None) -> "Arrays | None":
    """Scores and no choices, shapes (Q, C) and (Q, 0); None where they are not to be had.

    Questions stand in the order of their names, columns in that in which they were kept.
    """
    import numpy as np

    content = None if key is None else read_json(_place(stages, key))
    if content is None:
        return None
    rows = [list(column.values()) for column in content["columns"].values()]
    found = np.array(rows, dtype=np.float64).T
    return found, np.zeros((len(found), 0), dtype=np.int64)


def _place(stages: Path, key: str) -> Path:
    return stages / EVALUATIONS / f"{key}.json"
