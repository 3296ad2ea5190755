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
        self._written = {line["stage"] for line in lines}
        self._trained = set()
        if self._trained_path.exists():
            self._trained = set(self._trained_path.read_text().split())
        self.reader_calls_asked = sum(line["timing"]["reader_calls_asked"] for line in lines)
        self.epochs_trained = sum(line["timing"]["trained"] for line in lines)

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
        return key not in self._written

    def append(self, line: Mapping[str, Any]) -> None:
        """Append the line of a stage."""
        with self._path.open("a") as file:
            file.write(_dumped(line))
        self._written.add(line["stage"])
        self.reader_calls_asked += line["timing"]["reader_calls_asked"]
        self.epochs_trained += line["timing"]["trained"]


def _dumped(line: Mapping[str, Any]) -> str:
    return json.dumps(line, sort_keys=True, allow_nan=False) + "\n"
