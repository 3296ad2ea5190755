"""`metrics.jsonl` of one trial folder, and what was trained for it: each epoch once."""

import json
import logging
import os
from collections.abc import Collection
from pathlib import Path

from trainer.contract import (
    METRICS,
    TRAINED,
    Calls,
    Epoch,
    append_line,
    damaged_line,
    read_lines,
    set_aside,
    total_calls,
    write_text_atomic,
)
from trainer.readers import Calls as Asked

TRAINED_HEAD = "format 1"  # first line of `trained.txt`; a file without it is of format 1, too

log = logging.getLogger(__name__)


class MetricsFile:
    """`metrics.jsonl` of one trial folder: each stage once, whatever was cut off before.

    Lines of stages that are not in ``keys`` come from another environment and are dropped. A file
    with a damaged line is put aside; its whole lines are kept, and a stage whose line is gone gets
    one anew: all but its times and calls stands in the stage and its scores.
    """

    def __init__(self, folder: Path, *, keys: Collection[str]) -> None:
        self._path, self._trained_path = folder / METRICS, folder / TRAINED
        lines = list(read_lines(self._path)) if self._path.exists() else []
        kept = [line for line in lines if line.epoch is not None and line.epoch.stage in keys]
        self._epochs = [line.epoch for line in kept if line.epoch is not None]
        damage = damaged_line(folder)
        if damage is not None:
            aside = set_aside(self._path)
            log.warning("%s: kept as %s; what its stages tell is written anew", damage, aside.name)
        text = b"".join(line.text for line in kept)
        if damage is not None or (self._path.exists() and self._path.read_bytes() != text):
            write_text_atomic(self._path, text.decode())  # without a torn last line
        self._trained = set(_trained_keys(self._trained_path))

    def note_trained(self, key: str) -> None:
        """Remember that a stage was trained for this folder, before it is written: a job that is
        killed in between trains it again, and it counts once.
        """
        append_line(self._trained_path, key, head=TRAINED_HEAD)
        self._trained.add(key)

    def was_trained(self, key: str) -> bool:
        """Whether a job of this folder trained the stage."""
        return key in self._trained

    def lacks(self, key: str) -> bool:
        """Whether the stage has no line yet."""
        return all(epoch.stage != key for epoch in self._epochs)

    def append(self, epoch: Epoch) -> None:
        """Append the line of a stage."""
        with self._path.open("a") as file:
            file.write(_dumped(epoch))
        self._epochs.append(epoch)

    def sync(self) -> None:
        """Have the lines on the disk, before a result is that stands for them."""
        if self._path.exists():
            with self._path.open("rb") as file:
                os.fsync(file.fileno())

    @property
    def epochs_trained(self) -> int:
        """Epochs that were trained for this folder."""
        return sum(epoch.timing.trained for epoch in self._epochs)

    def reader_calls(self, needed: int, spent: Asked) -> Calls:
        """Answers that the trial needed, by where they came from.

        Those of `stage` did not even have to be looked up: the stage had been trained and scored
        before.

        Args:
            needed: By what has no line, like a confirmation.
            spent: Those of them that a reader was asked for or that were found.
        """
        found = total_calls(epoch.timing.reader_calls for epoch in self._epochs)
        asked, store, equal = (
            getattr(found, cause) + getattr(spent, cause) for cause in ("asked", "store", "equal")
        )
        needed += sum(epoch.calls for epoch in self._epochs)
        stage = needed - asked - store - equal
        return Calls(needed=needed, asked=asked, stage=stage, store=store, equal=equal)


def _trained_keys(path: Path) -> list[str]:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return [line for line in lines if line != TRAINED_HEAD]


def _dumped(epoch: Epoch) -> str:
    return json.dumps(epoch.to_json(), sort_keys=True, allow_nan=False) + "\n"
