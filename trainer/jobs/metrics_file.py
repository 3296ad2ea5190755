"""`metrics.jsonl` of one trial folder, and what was trained for it: each epoch once."""

import json
from collections.abc import Collection
from pathlib import Path

from trainer.contract import METRICS, TRAINED, Calls, Epoch, read_epochs, total_calls
from trainer.readers import Calls as Asked

TRAINED_HEAD = "format 1"  # first line of `trained.txt`; a file without it is of format 1, too


class MetricsFile:
    """`metrics.jsonl` of one trial folder: each stage once, whatever was cut off before.

    Lines of stages that are not in ``keys`` come from another environment and are dropped.
    """

    def __init__(self, folder: Path, *, keys: Collection[str]) -> None:
        self._path, self._trained_path = folder / METRICS, folder / TRAINED
        written = read_epochs(folder)[0]
        self._epochs = [epoch for epoch in written if epoch.stage in keys]
        whole = self._path.exists() and self._path.read_bytes().endswith(b"\n")
        if self._path.exists() and not (whole and len(self._epochs) == len(written)):
            self._path.write_text("".join(map(_dumped, self._epochs)))  # without a torn last line
        self._trained = set(_trained_keys(self._trained_path))

    def note_trained(self, key: str) -> None:
        """Remember that a stage was trained for this folder, before it is scored."""
        head = "" if self._trained_path.exists() else f"{TRAINED_HEAD}\n"
        with self._trained_path.open("a") as file:
            file.write(f"{head}{key}\n")
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
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line != TRAINED_HEAD]


def _dumped(epoch: Epoch) -> str:
    return json.dumps(epoch.to_json(), sort_keys=True, allow_nan=False) + "\n"
