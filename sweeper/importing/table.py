"""Files of results, one row each, to cells with the place where they stand.

Knows CSV and JSON, not what the columns mean. A cell that is empty was not told.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was told of one result."""

    place: str  # "results.csv:3", for messages
    cells: Mapping[str, object]  # by column; text where the file is CSV
    extra: Mapping[str, object] = field(default_factory=dict)  # JSON that goes with the entry


def read_table(path: Path) -> list[Row]:
    """Read every row of a `.json` list of objects, else of CSV with a line of column names.

    Raises:
        UsageError: with everything that keeps the file from being a table.
    """
    text = read_text(path)
    rows = list(_objects(path, text) if path.suffix.lower() == ".json" else _lines(path, text))
    if not rows:
        raise UsageError(f"{path} holds no results; it needs a line of column names and rows below")
    return rows


def read_json_objects(path: Path, text: str) -> Any:
    """Read JSON in which no object has a key twice. Raises UsageError."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON that can be used: {error}") from error


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, object]:
    twice = _twice([key for key, _ in pairs])
    if twice:
        raise ValueError(f"an object has {', '.join(map(repr, twice))} twice")
    return dict(pairs)


def read_text(path: Path) -> str:
    """A file in UTF-8, with a byte order mark or without. Raises UsageError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        byte = path.read_bytes()[error.start]
        raise UsageError(
            f"{path}: byte {byte:#04x} at {error.start} is not UTF-8; save it as UTF-8"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error


def _objects(path: Path, text: str) -> Iterator[Row]:
    content = read_json_objects(path, text) if text.strip() else []
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise UsageError(f"{path} must be a list of objects, one a result")
    for number, row in enumerate(content, start=1):
        told = {name: value for name, value in row.items() if value not in (None, "")}
        yield Row(place=f"{path}: result {number}", cells=told)


def _lines(path: Path, text: str) -> Iterator[Row]:
    lines_of = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        lines = [(lines_of.line_num, [cell.strip() for cell in cells]) for cells in lines_of]
    except csv.Error as error:
        raise UsageError(f"{path}:{lines_of.line_num}: is not CSV: {error}") from error
    filled = [(number, cells) for number, cells in lines if any(cells)]
    if not filled:
        return
    (first, names), *below = filled
    problems = [f"{path}:{first}: {problem}" for problem in _header_problems(names)]
    problems += [
        f"{path}:{number}: has {len(cells)} cells, the line of column names {len(names)}; text "
        "with a comma stands in double quotes"
        for number, cells in below
        if len(cells) != len(names)
    ]
    if problems:
        raise UsageError("\n".join(problems))
    for number, cells in below:
        told = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
        yield Row(place=f"{path}:{number}", cells=told)


def _header_problems(names: Sequence[str]) -> Iterator[str]:
    if len(names) == 1 and any(mark in names[0] for mark in (";", "\t")):
        yield "columns must be separated by commas"
    for place, name in enumerate(names, start=1):
        if not name:
            yield f"column {place} has no name"
    for name in _twice([name for name in names if name]):
        yield f"column {name!r} stands here twice"


def _twice(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
