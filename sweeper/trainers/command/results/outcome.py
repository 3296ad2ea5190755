"""What a program left: final numbers, numbers by step, scores by question, and warnings.

Values only: knows no files. NaN and infinity are kept as they were told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sweeper.problems import listed, suggestion

MOST_STEPS = 100_000  # of one trial; a curve of more is 100 MB in memory, and nobody looks at it


class ResultsError(Exception):
    """What a program left cannot be used; says what is wrong, where, and what is there instead."""


class Point(NamedTuple):
    """What was told of one step."""

    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that was read of one trial."""

    metrics: Mapping[str, float] = field(default_factory=dict)  # final, or else last
    curve: tuple[Point, ...] = ()  # by step, each step once
    questions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Scores by group and question; where there are no groups, all are of group ""."""
    warnings: tuple[str, ...] = ()

    def metric(self, name: str) -> float:
        """The final value of a metric. Raises ResultsError where it was not told."""
        if name in self.metrics:
            return self.metrics[name]
        told = f"there are {listed(sorted(self.metrics))}" if self.metrics else "nothing was told"
        near = suggestion(name, self.metrics)
        raise ResultsError(f"no new result: metric {name!r} was not told; {told}{near}")


def combined(outcomes: Iterable[Outcome]) -> Outcome:
    """Put together what several sources told of one trial; later ones count where they differ."""
    metrics: dict[str, float] = {}
    curve = Curve()
    questions: dict[str, dict[str, float]] = {}
    warnings: dict[str, None] = {}
    for outcome in outcomes:
        metrics |= outcome.metrics
        for point in outcome.curve:
            curve.add(*point)
        for group, scores in outcome.questions.items():
            questions.setdefault(group, {}).update(scores)
        warnings |= dict.fromkeys(outcome.warnings)
    warnings |= dict.fromkeys(curve.warnings)
    return Outcome(
        metrics=metrics, curve=curve.points, questions=questions, warnings=tuple(warnings)
    )


def counted(count: int, noun: str) -> str:
    """A count with its noun: `1 row`, `2 rows`."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"


class Curve:
    """Collects numbers by step; what is told again of a step counts."""

    def __init__(self) -> None:
        self._steps: dict[int, dict[str, float]] = {}
        self._dropped = 0

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """Enter what was told of a step."""
        if step not in self._steps and len(self._steps) >= MOST_STEPS:
            self._dropped += 1
        elif metrics:
            self._steps.setdefault(step, {}).update(metrics)

    @property
    def points(self) -> tuple[Point, ...]:
        """All steps in order."""
        return tuple(Point(step, self._steps[step]) for step in sorted(self._steps))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not taken."""
        if not self._dropped:
            return ()
        numbers = counted(self._dropped, "line")
        return (f"{numbers} of steps beyond the first {MOST_STEPS:,} are in no curve",)
