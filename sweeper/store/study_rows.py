"""The rows of a study in an SQLite file, read without Optuna: for whoever only looks.

Optuna's storage, with what it imports, takes seconds for a study of thousands. The tables are those
of its schema 12; any other is for `StudyStore` to read. Whoever writes uses `StudyStore`.
"""

import contextlib
import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.space import Value

Json = dict[str, Any]  # an object as it stands in a table
_SCHEMA = 12
_SPECIAL = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


@dataclass(slots=True, kw_only=True)
class StudyRow:
    """One row, as it is stored."""

    trial_id: int  # Optuna's, in this database
    number: int  # Optuna's, in the study
    state: str  # Optuna's name
    value: float | None = None
    params: dict[str, Value] = field(default_factory=dict)
    intermediate: dict[int, float] = field(default_factory=dict)
    notes: Json = field(default_factory=dict)
    sampler_state: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudy:
    """One study, as it is stored."""

    attributes: Json
    rows: list[StudyRow]  # in the order in which they were added


def read_rows(path: Path, name: str) -> StoredStudy | None:
    """Read a study; None where it cannot be read here, for whatever reason: `StudyStore` knows."""
    if not path.exists():
        return None
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("BEGIN")  # one moment for all tables
        [(damage,)] = database.execute("PRAGMA quick_check(1)")
        [(schema,)] = database.execute("SELECT schema_version FROM version_info")
        found = database.execute("SELECT study_id FROM studies WHERE study_name = ?", (name,))
        study = found.fetchone()
        if damage != "ok" or schema != _SCHEMA or study is None:
            return None
        keys = "SELECT key, value_json FROM study_user_attributes WHERE study_id = ?"
        attributes = {key: json.loads(text) for key, text in database.execute(keys, study)}
        return StoredStudy(attributes=attributes, rows=_rows(database, study))
    return None


def _rows(database: sqlite3.Connection, study: tuple[int]) -> list[StudyRow]:
    columns = "SELECT trial_id, number, state FROM trials WHERE study_id = ? ORDER BY trial_id"
    rows = {
        trial: StudyRow(trial_id=trial, number=number, state=state)
        for trial, number, state in database.execute(columns, study)
    }

    def entries(table: str, wanted: str) -> Iterator[tuple[StudyRow, *tuple[Any, ...]]]:
        columns = f"SELECT trial_id, {wanted} FROM {table} ORDER BY rowid"
        for trial, *values in database.execute(columns):
            if trial in rows:
                yield (rows[trial], *values)

    for row, value, kind in entries("trial_values", "value, value_type"):
        row.value = _SPECIAL.get(kind, value)
    wanted = "step, intermediate_value, intermediate_value_type"
    for row, step, value, kind in entries("trial_intermediate_values", wanted):
        row.intermediate[step] = _SPECIAL.get(kind, value)
    decoders: dict[str, Callable[[float], Value]] = {}
    wanted = "param_name, param_value, distribution_json"
    for row, name, value, distribution in entries("trial_params", wanted):
        if distribution not in decoders:
            decoders[distribution] = _decoder(json.loads(distribution))
        row.params[name] = decoders[distribution](value)
    for row, key, text in entries("trial_user_attributes", "key, value_json"):
        row.notes[key] = json.loads(text)
    for row, key, text in entries("trial_system_attributes", "key, value_json"):
        row.sampler_state[key] = json.loads(text)
    return list(rows.values())


def _decoder(distribution: Json) -> Callable[[float], Value]:
    """How the number that is stored of a parameter becomes its value."""
    if distribution["name"] == "CategoricalDistribution":
        choices = distribution["attributes"]["choices"]
        return lambda value: choices[int(value)]
    return int if distribution["name"] == "IntDistribution" else float
