"""What a program tells by step, as lines of `metrics.jsonl`: each step once, and in order."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from math import isfinite, nan
from pathlib import Path
from statistics import fmean

from sweeper.outcomes import METRICS, Epoch, Timing, read_epochs
from sweeper.trainers.command.results.outcome import Outcome
from sweeper.trainers.command.spec import Scored

MOST = 10_000  # lines: who reports every step of a long training is shown the first ones


class Epochs:
    """Writes them as soon as they are whole.

    Lines that are there stay: a program that begins anew after a crash tells the same steps again.
    """

    def __init__(
        self, folder: Path, metric: Scored, *, stage: str, written: Callable[[], None]
    ) -> None:
        self._path = folder / METRICS
        self._metric = metric
        self._stage = stage
        self._say = written
        self._written = {epoch.epoch for epoch in read_epochs(folder)[0]}
        self._open: dict[int, dict[str, float]] = {}  # steps without a score yet

    @property
    def count(self) -> int:
        """Lines that there are."""
        return len(self._written)

    def add(self, points: Iterable[tuple[int | None, Mapping[str, float]]]) -> None:
        """Take what is new; a step is written once it has its score, or a later one is told."""
        for step, metrics in points:
            if step is None or step in self._written or step < 0:
                continue
            self._open.setdefault(step, {}).update(metrics)
            for earlier in sorted(self._open):
                if earlier < step or self._score(self._open[earlier]) is not None:
                    self._write(earlier, self._open.pop(earlier))

    def close(self, outcome: Outcome) -> None:
        """Write what is left; where nothing was told by step, the final numbers as step 1."""
        self.add((point.step, point.metrics) for point in outcome.curve)
        for step in sorted(self._open):
            self._write(step, self._open.pop(step))
        if not self._written:
            self._write(1, outcome.metrics)

    def _score(self, metrics: Mapping[str, float]) -> float | None:
        found = [metrics.get(name, nan) for name in self._metric.names]
        return fmean(found) if all(map(isfinite, found)) else None

    def _write(self, step: int, metrics: Mapping[str, float]) -> None:
        if len(self._written) >= MOST:
            return
        finite = {name: value if isfinite(value) else None for name, value in metrics.items()}
        epoch = Epoch(
            phase="train",
            phase_index=0,
            epoch=step,
            stage=self._stage,
            metrics={**finite, "score": self._score(metrics)},
            timing=Timing(ended=time.time()),
        )
        with self._path.open("a") as file:
            file.write(f"{json.dumps(epoch.to_json())}\n")
        self._written.add(step)
        self._say()
