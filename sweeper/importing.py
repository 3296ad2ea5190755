"""Results that were measured elsewhere, read from a table.

Columns: the study's parameters, `shot_1`, `shot_2` ... as fractions, `questions`, and optionally
`source` and `evaluation`; in JSON also `scores`, a list of scores by number of shots for each
question. They stay apart from the study's own trials: another evaluation ranks nothing beside it
and teaches the sampler nothing.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.config import StudyConfig
from sweeper.errors import UsageError
from sweeper.space import Value

_SHOT = "shot_"
_OWN = ("questions", "source", "evaluation", "scores")


def read_results(path: Path, config: StudyConfig) -> list[dict[str, Any]]:
    """Read a table of results.

    Returns:
        One entry a row: ``{"params", "accuracy", "questions", "source", "evaluation", "scores"}``,
        what is not told left out.

    Raises:
        UsageError: with every row and column that cannot be used, and what to do.
    """
    rows = list(_rows(path))
    if not rows:
        raise UsageError(f"{path} holds no results; it needs a line of column names and rows below")
    problems: list[str] = []
    entries = [_entry(row, f"{path}:{place}", config, problems) for place, row in rows]
    if problems:
        raise UsageError("\n".join(problems))
    return entries


def merged(
    known: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], int]:
    """What is known and what is new, each row once; and how many are new."""
    rows = list(known)
    for entry in new:
        if entry not in rows:
            rows.append(entry)
    return rows, len(rows) - len(known)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows with the line, or the place in the list, where each stands."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if path.suffix == ".json":
        try:
            content = json.loads(text)
        except ValueError as error:
            raise UsageError(f"{path} is not JSON: {error}") from error
        if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
            raise UsageError(f"{path} must be a list of objects, one a result")
        yield from enumerate(content, start=1)
        return
    for line, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        yield line, {key: value for key, value in row.items() if key and value not in (None, "")}


def _entry(
    row: Mapping[str, Any], place: str, config: StudyConfig, problems: list[str]
) -> dict[str, Any]:
    parameters = {p.name: p for p in config.space.parameters}
    unknown = [k for k in row if k not in parameters and k not in _OWN and not k.startswith(_SHOT)]
    problems += [
        f"{place}: unknown column {name!r}; parameters: {', '.join(parameters)}; else shot_1 ..., "
        f"{', '.join(_OWN)}"
        for name in unknown
    ]
    missing = [name for name, p in parameters.items() if name not in row and p.fixed is None]
    problems += [f"{place}: no value for the parameter {name!r}" for name in missing]
    params = {name: _value(row[name]) for name in parameters if name in row}
    accuracy = {}
    for name, value in row.items():
        if name.startswith(_SHOT):
            fraction = _fraction(value, f"{place}: {name}", problems)
            accuracy[name.removeprefix(_SHOT)] = fraction
    if not accuracy:
        problems.append(f"{place}: no accuracy; give columns shot_1 ... as fractions")
    entry: dict[str, Any] = {"params": params, "accuracy": accuracy}
    if "questions" in row:
        entry["questions"] = _count(row["questions"], f"{place}: questions", problems)
    entry |= {name: str(row[name]) for name in ("source", "evaluation") if name in row}
    if "scores" in row:
        entry["scores"] = row["scores"]
        _check_scores(row["scores"], accuracy, f"{place}: scores", problems)
    return entry


def _check_scores(
    scores: Any, accuracy: Mapping[str, float], place: str, problems: list[str]
) -> None:
    rows = scores if isinstance(scores, list) else []
    if not rows or any(not isinstance(r, list) or len(r) != len(accuracy) for r in rows):
        problems.append(f"{place} must be a list of {len(accuracy)} numbers for each question")
        return
    for index, (shots, told) in enumerate(accuracy.items()):
        mean = sum(float(row[index]) for row in rows) / len(rows)
        if abs(mean - told) > 1e-4:
            problems.append(
                f"{place}: their mean for {shots} shots is {mean:.4f}, but shot_{shots} is {told}"
            )


def _value(value: Any) -> Value:
    """Read a cell as the number that it is, else as text."""
    if not isinstance(value, str):
        number: Value = value
        return number
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _fraction(value: Any, place: str, problems: list[str]) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if 1.0 < number <= 100.0:
        problems.append(f"{place} is {value}; fractions are wanted: {number / 100:g}")
    elif not 0.0 <= number <= 1.0:
        problems.append(f"{place} must be a fraction in [0, 1], but got {value!r}")
    return number


def _count(value: Any, place: str, problems: list[str]) -> int:
    text = str(value)
    if not text.isdigit() or int(text) == 0:
        problems.append(f"{place} must be a whole number >= 1, but got {value!r}")
        return 0
    return int(text)
