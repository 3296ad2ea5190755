"""The lines of `metrics.jsonl`, one an epoch: read while they are written, damaged or not."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from trainer.contract.fields import broken_rules
from trainer.contract.files import METRICS
from trainer.contract.formats import checked_format
from trainer.contract.outcome import EPOCH_FORMAT, Epoch


class Line(NamedTuple):
    """A whole line of the file."""

    text: bytes
    epoch: Epoch | None  # None: it is damaged
    damage: str = ""


def read_epochs(folder: Path, *, offset: int = 0) -> tuple[list[Epoch], int]:
    """Read the whole lines of `metrics.jsonl` from byte ``offset``.

    A torn last line waits, and so does one that is damaged, with all behind it: the next job of the
    folder puts the file right. Where it did, and no line begins at ``offset`` any more, all lines
    are told again.

    Returns:
        The epochs, and the offset after the last one.

    Raises:
        FormatError: where a line was written by a later version.
    """
    path = folder / METRICS
    if not path.exists():
        return [], offset
    epochs = []
    begin = offset if _line_begins(path, offset) else 0
    for line in read_lines(path, offset=begin):
        if line.epoch is None:
            break
        epochs.append(line.epoch)
        begin += len(line.text)
    return epochs, begin


def damaged_line(folder: Path) -> str | None:
    """What is wrong with the first damaged line of `metrics.jsonl`; None where none is."""
    path = folder / METRICS
    if not path.exists():
        return None
    lines = enumerate(read_lines(path), start=1)
    found = (f"{METRICS}, line {number}: {line.damage}" for number, line in lines if line.damage)
    return next(found, None)


def read_lines(path: Path, *, offset: int = 0) -> Iterator[Line]:
    """Every whole line from a byte on; raises FormatError as `read_epochs` does."""
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    for text in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
        yield _line(text, path)


def _line(text: bytes, path: Path) -> Line:
    try:
        payload = json.loads(text.strip())
        if not isinstance(payload, Mapping):
            return Line(text, None, f"no object, but {text[:80]!r}")
        checked_format(payload, newest=EPOCH_FORMAT, where=path)
        return Line(text, Epoch.model_validate(payload))
    except ValidationError as error:
        return Line(text, None, broken_rules(error))
    except (ValueError, RecursionError) as error:
        return Line(text, None, str(error))


def _line_begins(path: Path, offset: int) -> bool:
    """Whether a line begins at a byte of the file, or may be appended there."""
    with path.open("rb") as file:
        if offset == 0 or offset > file.seek(0, os.SEEK_END):
            return offset == 0
        file.seek(offset - 1)
        return file.read(1) == b"\n"
