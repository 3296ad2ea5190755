"""The lines that `sweeper.client` appends while a program runs.

A damaged line is passed over and counted: another process may have been killed while it wrote.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.client import REPORT_FORMAT
from sweeper.trainers.command.results.outcome import Curve, Outcome, ResultsError, counted
from sweeper.trainers.command.results.pointers import number_of, whole_number_of

BLOCK = 16 * 1024 * 1024  # bytes that are read at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What one call told."""

    step: int | None = None  # None: final numbers
    metrics: Mapping[str, float] = field(default_factory=dict)
    group: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)  # by question


class ReportFile:
    """Follows one file, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._damaged = 0
        self._later = 0  # format of a line that a later version of the client wrote
        self._final: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._curve = Curve()
        self._questions: dict[str, dict[str, float]] = {}

    def news(self) -> list[Reported]:
        """The lines since the last call; one that has no end yet waits."""
        told: list[Reported] = []
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                while lines := file.readlines(BLOCK):
                    for line in lines:
                        if not line.endswith(b"\n"):
                            return told
                        self._offset += len(line)
                        told += self._entered(line)
        except FileNotFoundError:
            pass
        return told

    def outcome(self) -> Outcome:
        """All that was told so far; numbers without a step outweigh the last ones by step.

        Raises:
            ResultsError: where a later version of the client wrote a line.
        """
        if self._later:
            raise ResultsError(
                f"{self.path} is of format {self._later}, and this version reads up to "
                f"{REPORT_FORMAT}: the program has a later client.py; copy this version's beside it"
            )
        warnings = list(self._curve.warnings)
        if self._damaged:
            lines = counted(self._damaged, "unreadable line")
            warnings.append(f"{self.path.name}: {lines}")
        return Outcome(
            metrics=self._last | self._final,
            curve=self._curve.points,
            questions=self._questions,
            warnings=tuple(warnings),
        )

    def _entered(self, line: bytes) -> list[Reported]:
        if not line.strip():
            return []
        told = self._parsed(line)
        if told is None:
            self._damaged += 1
            return []
        if told.step is None:
            self._final |= told.metrics
        else:
            self._last |= told.metrics
            self._curve.add(told.step, told.metrics)
        if told.scores:
            self._questions.setdefault(told.group, {}).update(told.scores)
        return [told]

    def _parsed(self, line: bytes) -> Reported | None:
        try:
            content = json.loads(line)
        except ValueError:
            return None
        if not isinstance(content, dict):
            return None
        number = content.get("format", 1)
        if isinstance(number, int) and number > REPORT_FORMAT:
            self._later = number
            return None
        step = content.get("step")
        metrics, scores = _numbers(content.get("metrics")), _numbers(content.get("scores"))
        if metrics is None or scores is None or (step is not None and not _is_whole(step)):
            return None
        group = str(content.get("group", ""))
        return Reported(step=whole_number_of(step), metrics=metrics, group=group, scores=scores)


def _is_whole(value: object) -> bool:
    return whole_number_of(value) is not None


def _numbers(value: object) -> dict[str, float] | None:
    """Numbers by name; None where one is none."""
    if not isinstance(value, dict | None):
        return None
    numbers = {str(name): number_of(item) for name, item in (value or {}).items()}
    found = {name: number for name, number in numbers.items() if number is not None}
    return found if len(found) == len(numbers) else None
