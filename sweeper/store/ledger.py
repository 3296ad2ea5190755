"""`rows.jsonl`: the rows of a study once more, in plain lines, from which `study.db` is rebuilt.

A row is written when it is added and when it has ended, an attribute whenever it is set: the last
line counts. Rejected: to read all of it from the trial folders, which hold neither params nor what
the pruner decided, and nothing of trials that another one has answered. Knows no Optuna.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import SweeperError
from sweeper.outcomes import FORMAT, FormatError, checked_format
from sweeper.records import Notes, TrialRecord, TrialState

LEDGER = "rows.jsonl"
LEDGER_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a ledger says of a study."""

    attributes: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[TrialRecord, ...] = ()  # in the order in which they were added

    @property
    def proposals(self) -> int:
        """How many trials there are, up to the first that is missing."""
        return _unbroken({row.number for row in self.rows if row.prefix is None})


class Ledger:
    """The lines of one study; the driver that holds its lock is the one writer.

    Nothing is synced: what was written outlives every kill, as what `study.db` was told does.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add_row(self, record: TrialRecord) -> None:
        """Write a row as it is now."""
        self._append(_row_json(record))

    def set_attribute(self, key: str, value: object) -> None:
        """Write an attribute of the study."""
        self._append({"attribute": key, "value": value})

    def _append(self, content: Mapping[str, object]) -> None:
        line = json.dumps({FORMAT: LEDGER_FORMAT, **content})
        with self._path.open("ab+") as file:
            if file.tell() and not _ends_whole(file.fileno(), file.tell()):
                line = f"\n{line}"  # a driver that was killed left half a line
            file.write(f"{line}\n".encode())

    def replace(self, kept: Kept) -> None:
        """Write it all anew, each row and attribute once."""
        part = self._path.with_name(f"{self._path.name}.part")
        lines = [{"attribute": key, "value": value} for key, value in kept.attributes.items()]
        entries: list[Mapping[str, object]] = [*lines, *map(_row_json, kept.rows)]
        text = "".join(f"{json.dumps({FORMAT: LEDGER_FORMAT, **entry})}\n" for entry in entries)
        part.write_text(text)
        part.replace(self._path)

    def proposals(self) -> int:
        """How many trials it knows, up to the first that is missing; without reading their rows.

        Raises:
            SweeperError: where a later version has written it.
        """
        rows = (entry for entry in self._entries() if "attribute" not in entry)
        return _unbroken({row["trial"] for row in rows if row["prefix"] is None})

    def read(self) -> Kept:
        """What it says; lines that cannot be read are passed over.

        Raises:
            SweeperError: where a later version has written it.
        """
        attributes: dict[str, Any] = {}
        rows: dict[int | str, TrialRecord] = {}
        for entry in self._entries():
            if "attribute" in entry:
                attributes[entry["attribute"]] = entry["value"]
            else:
                row = _row(entry)
                rows[row.name] = row
        return Kept(attributes=attributes, rows=tuple(rows.values()))

    def _entries(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                try:
                    checked_format(entry, newest=LEDGER_FORMAT, where=self._path)
                except FormatError as error:
                    raise SweeperError(str(error)) from error
                yield entry


def _unbroken(numbers: set[int]) -> int:
    """How many numbers there are from 0 on."""
    return next(n for n in range(len(numbers) + 1) if n not in numbers)


def _ends_whole(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"


def _row_json(record: TrialRecord) -> dict[str, object]:
    return {
        "trial": record.number,
        "prefix": record.prefix,
        "params": dict(record.params),
        "state": record.state.value,
        "score": record.score,
        "intermediate": {str(epoch): score for epoch, score in record.intermediate.items()},
        "sampler_state": dict(record.sampler_state),
        "notes": record.notes.to_json(),
    }


def _row(entry: Mapping[str, Any]) -> TrialRecord:
    return TrialRecord(
        number=entry["trial"],
        prefix=entry["prefix"],
        params=entry["params"],
        state=TrialState(entry["state"]),
        score=entry["score"],
        intermediate={int(epoch): score for epoch, score in entry["intermediate"].items()},
        sampler_state=entry["sampler_state"],
        notes=Notes.model_validate_json(json.dumps(entry["notes"])),
    )
