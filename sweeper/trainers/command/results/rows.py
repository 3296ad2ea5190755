"""Files of rows, a row an object: JSON lines, CSV, and lists in JSON. Read line by line.

A last line that a killed program left torn, and lines that cannot be read, are passed over and
counted.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from sweeper.trainers.command.results.outcome import ResultsError, counted

Form = Literal["json", "jsonl", "csv"]
LARGEST = 200_000_000  # bytes of a JSON file, which is read as a whole and takes ten times that
LONGEST = 20_000_000  # characters of a JSON line
ENDINGS: Mapping[str, Form] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
}
SEPARATORS = ",;\t"


@dataclass(slots=True)
class RowFile:
    """One file, and what was wrong with its lines."""

    path: Path
    form: Form
    warnings: list[str] = field(default_factory=list)
    _unread: int = 0
    _first: str = ""

    def rows(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        """Each row with its line, counted from one; warnings are complete after the last.

        Raises:
            ResultsError: where no row can be read.
        """
        count = 0
        try:
            for row in self._read():
                count += 1
                yield row
        except csv.Error as error:
            raise ResultsError(f"{self.path} is not CSV: {error}") from error
        if self._unread:
            rows = counted(self._unread, "unreadable row")
            self.warnings.append(f"{self.path}: {rows}, the first {self._first}")
        if not count:
            raise ResultsError(self.warnings[-1] if self.warnings else f"{self.path} has no rows")

    def _read(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        match self.form:
            case "json":
                return self._json_list()
            case "jsonl":
                return self._json_lines()
            case "csv":
                return self._csv_lines()

    def _json_list(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        content = read_json(self.path)
        if not isinstance(content, list):
            raise ResultsError(f"{self.path} must be a list of objects, one a row")
        for number, row in enumerate(content, start=1):
            if isinstance(row, dict):
                yield number, row
            else:
                self._note(number, "is no JSON object")

    def _json_lines(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        with self.path.open(encoding="utf-8-sig", errors="replace") as file:
            number = 0
            while line := file.readline(LONGEST):
                number += 1
                if not line.endswith("\n") and len(line) >= LONGEST:
                    raise ResultsError(f"{self.path}:{number}: is longer than {LONGEST} characters")
                if not line.strip():
                    continue
                row = _object(line)
                if row is not None:
                    yield number, row
                else:
                    self._note(number, "is no JSON object", torn=not line.endswith("\n"))

    def _csv_lines(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            head = file.readline()
            separator = max(SEPARATORS, key=head.count)
            names = [name.strip() for name in next(csv.reader([head], delimiter=separator), [])]
            lines = csv.reader(file, delimiter=separator)
            for cells in lines:
                number = lines.line_num + 1
                if len(cells) == len(names):
                    yield number, {n: c.strip() for n, c in zip(names, cells, strict=True)}
                elif any(cells):
                    self._note(number, f"has {len(cells)} cells for {len(names)} columns")

    def _note(self, number: int, what: str, *, torn: bool = False) -> None:
        self._unread += 1
        end = " (the file ends within it)" if torn else ""
        self._first = self._first or f"row {number}, which {what}{end}"


def form_of(path: Path, given: str) -> Form:
    """What a file is: what the study says, or the end of its name. Raises ResultsError."""
    if given != "auto":
        return next(form for form in get_args(Form) if form == given)
    form = ENDINGS.get(path.suffix.lower())
    if form is None:
        raise ResultsError(
            f"{path}: the end of its name does not say what it is; write `format: json`, `jsonl` "
            "or `csv`"
        )
    return form


def read_json(path: Path) -> object:
    """The content of a JSON file. Raises ResultsError."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ResultsError(
                f"{path} has {size / 1e6:,.0f} MB, and JSON is read up to {LARGEST / 1e6:.0f} MB; "
                "let the program write its numbers to a file of their own, or as JSON lines"
            )
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path}: byte {error.start} is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        if not size:
            raise ResultsError(f"{path} is empty") from error
        hint = "; one value a line is `format: jsonl`" if "Extra data" in str(error) else ""
        raise ResultsError(f"{path} is not JSON: {error}{hint}") from error


def _object(line: str) -> Mapping[str, object] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
