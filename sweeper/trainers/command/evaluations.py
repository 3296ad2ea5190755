"""Scores by question that a program told, kept under a key beside the stages of the workspace."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.outcomes import FORMAT, read_json, write_json_atomic

if TYPE_CHECKING:
    from sweeper.trainers.protocol import Arrays

EVALUATIONS = "evaluations"  # folder below that of the stages
EVALUATION_FORMAT = 1


def keep(stages: Path, questions: Mapping[str, Mapping[str, float]]) -> str | None:
    """Write scores by group and question; return their key, None where there are none."""
    if not any(questions.values()):
        return None
    content = {group: dict(sorted(questions[group].items())) for group in sorted(questions)}
    text = json.dumps(content, allow_nan=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    place = _place(stages, key)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        finite = {
            group: {name: score if score == score else None for name, score in scores.items()}
            for group, scores in content.items()
        }
        write_json_atomic(place, {FORMAT: EVALUATION_FORMAT, "scores": finite})
    return key


def labels(stages: Path, key: str | None) -> list[tuple[str, str]] | None:
    """Group and name of every question, in the order of `scores`; None where they are gone."""
    content = None if key is None else read_json(_place(stages, key))
    if content is None:
        return None
    return [(group, name) for group, scores in content["scores"].items() for name in scores]


def scores(stages: Path, key: str | None) -> "Arrays | None":
    """Scores, a column for all groups together, and no choices: shapes (Q, 1) and (Q, 0).

    Questions stand in the order of their groups and names; None where they are not to be had.
    """
    import numpy as np

    content = None if key is None else read_json(_place(stages, key))
    if content is None:
        return None
    found = [score for group in content["scores"].values() for score in group.values()]
    column = np.array([np.nan if score is None else score for score in found], dtype=np.float64)
    return column[:, None], np.zeros((len(column), 0), dtype=np.int64)


def _place(stages: Path, key: str) -> Path:
    return stages / EVALUATIONS / f"{key}.json"
