"""What a program says that it has used, beside what it was given: a value that never arrived makes
every trial the same.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sweeper.space import Value
from sweeper.trainers.command.macros import Macros, value_text
from sweeper.trainers.command.process import kept
from sweeper.trainers.command.results.files import Place
from sweeper.trainers.command.results.outcome import ResultsError
from sweeper.trainers.command.results.pointers import matches
from sweeper.trainers.command.results.rows import read_json
from sweeper.trainers.command.results.spec import Glob, Key, Pattern

GROUP = "v"  # of a pattern: the value
TOLERANCE = 1e-4  # relative: programs print few digits of what they have used


class Effective(BaseModel):
    """Where a program tells a value that it has used: in its output, or in a JSON file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    stdout: Pattern | None = None
    """A pattern with the group `(?P<v>...)`; the last line that has it counts."""
    file: Annotated[Glob | None, Field(alias="json")] = (
        None  # by name or glob, newer than the trial
    )
    pointer: Key | None = None  # into that file: a key, or a JSON pointer

    @model_validator(mode="after")
    def _one_of_both(self) -> "Effective":
        if (self.stdout is None) == (self.file is None) or (self.file is None) != (
            self.pointer is None
        ):
            raise ValueError("needs `stdout`, or `json` with `pointer`")
        if self.stdout is not None and f"(?P<{GROUP}>" not in self.stdout:
            raise ValueError(f"`stdout` needs a group (?P<{GROUP}>...) around the value")
        return self


def not_applied(
    effective: Mapping[str, Effective], macros: Macros, *, log: Path, place: Place
) -> Iterator[str]:
    """Say of each parameter that was not used as it was given, what was used instead.

    Args:
        effective: By parameter; one that the trial has not is passed over.
        macros: With the trial's values.
        log: What the program printed.
        place: Where its files are.

    Raises:
        ResultsError: where a value cannot be found.
    """
    for name, told in effective.items():
        if name not in macros.params:
            continue
        given, used = macros.params[name], _used(name, told, macros, log, place)
        if not _is_same(given, used):
            yield f"{name}: the program has used {used}, and was given {value_text(given)}"


def _used(name: str, told: Effective, macros: Macros, log: Path, place: Place) -> Value:
    if told.stdout is not None:
        pattern, last = re.compile(macros.text(told.stdout)), None
        for line in kept(log):
            last = pattern.search(line.decode(errors="replace")) or last
        if last is None:
            raise ResultsError(f"effective: {name}: no line that was printed has {told.stdout!r}")
        return str(last[GROUP]).strip()
    assert told.file is not None, "one of both is given"
    assert told.pointer is not None, "it stands beside the file"
    path = place.new_file(macros.text(told.file), newest=True)
    found = matches(read_json(path), macros.text(told.pointer))
    if len(found) != 1 or not isinstance(found[0].value, str | int | float | bool):
        raise ResultsError(f"effective: {name}: {path} has no single value at {told.pointer!r}")
    return found[0].value


def _is_same(given: Value, used: Value) -> bool:
    """Whether two values are the same, numbers to four digits, whatever their spelling."""
    try:
        return math.isclose(float(given), float(used), rel_tol=TOLERANCE)
    except ValueError:
        return value_text(given).casefold() == value_text(used).casefold()
