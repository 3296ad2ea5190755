"""`metrics.jsonl` of one trial folder, and what was trained for it: each epoch once."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from trainer.contract import METRICS, TRAINED, read_metrics


class MetricsFile:
    """`metrics.jsonl` of one trial folder: each stage once, whatever was cut off before.

    Lines of stages that are not in ``keys`` come from another environment and are dropped.
    """

    def __init__(self, folder: Path, *, keys: Collection[str]) -> None:
        self._path, self._trained_path = folder / METRICS, folder / TRAINED
        lines = [line for line in read_metrics(folder)[0] if line["stage"] in keys]
        text = "".join(_dumped(line) for line in lines)
        if self._path.exists() and self._path.read_text() != text:
            self._path.write_text(text)  # without a torn last line
        self._trained = set()
        if self._trained_path.exists():
            self._trained = set(self._trained_path.read_text().split())
        self._lines = lines

    def note_trained(self, key: str) -> None:
        """Remember that a stage was trained for this folder, before it is scored."""
        with self._trained_path.open("a") as file:
            file.write(f"{key}\n")
        self._trained.add(key)

    def was_trained(self, key: str) -> bool:
        """Whether a job of this folder trained the stage."""
        return key in self._trained

    def lacks(self, key: str) -> bool:
        """Whether the stage has no line yet."""
        return all(line["stage"] != key for line in self._lines)

    def append(self, line: Mapping[str, Any]) -> None:
        """Append the line of a stage."""
        with self._path.open("a") as file:
            file.write(_dumped(line))
        self._lines.append(dict(line))

    @property
    def epochs_trained(self) -> int:
        """Epochs that were trained for this folder."""
        return sum(line["timing"]["trained"] for line in self._lines)

    def reader_calls(self, needed: int = 0, **calls: int) -> dict[str, int]:
        """Answers that the trial needed, by where they came from.

        Args:
            needed: By what has no line, like a confirmation.
            calls: Those of them that a reader was asked for or that were found, see `Calls`.

        Returns:
            ``{"needed", "asked", "stage", "store", "equal"}``; `stage` are those that did not even
            have to be looked up, for the stage had been trained and scored before.
        """
        timings = [line["timing"]["reader_calls"] for line in self._lines]
        found = {
            cause: sum(timing[cause] for timing in timings) + calls.get(cause, 0)
            for cause in ("asked", "store", "equal")
        }
        needed += sum(line["metrics"]["reader_calls"] for line in self._lines)
        return {"needed": needed, "stage": needed - sum(found.values()), **found}


def _dumped(line: Mapping[str, Any]) -> str:
    return json.dumps(line, sort_keys=True, allow_nan=False) + "\n"
