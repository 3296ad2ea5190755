"""A trial that has a job at the launcher, as long as it has not been told."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.launchers.jobs import JobId
from trainer.contract import TrainSpec

EPOCHS_SECONDS = 1.0  # MLflow gets the epochs of so long in one batch, of 20 ms or more each


@dataclass(slots=True, kw_only=True)
class OpenTrial:
    """A trial with a job at the launcher; where it has several seeds, one job after another."""

    number: int
    run_id: str
    started: float
    results: list[Mapping[str, Any]] = field(default_factory=list)  # of the seeds that are done
    curves: list[dict[int, float]] = field(default_factory=list)
    """Scores by epoch of the last phase, for each seed; the last are those of the job in hand."""
    spec: TrainSpec = field(init=False)  # of the job in hand, as all that follows
    folder: Path = field(init=False)
    curves_run: str = field(init=False)  # where its epochs are shown; its own run, or a seed's
    attempt: int = 1
    job_id: JobId | None = None  # None: its result was found on disk
    offset: int = 0  # bytes of metrics.jsonl that were read
    unlogged: list[Mapping[str, Any]] = field(default_factory=list)
    """Epochs that MLflow lacks; should this driver be killed, the next one reads them again."""
    log_after: float = 0.0  # on the monotonic clock
    pruned: bool = False
    waits_for: str | None = None  # the stage that another job is making; holds no slot meanwhile
    ended: float | None = None  # of the last epoch, seconds since 1970

    def __post_init__(self) -> None:
        self.curves_run = self.run_id

    @property
    def epoch(self) -> int:
        """The last that was scored, of the last phase."""
        return max(self.curves[-1], default=0)

    def begin(self, *, spec: TrainSpec, folder: Path) -> None:
        """Turn to the job of the next seed, or to the only one."""
        self.spec, self.folder = spec, folder
        self.curves.append({})
        self.attempt, self.offset, self.job_id = 1, 0, None
        self.log_after = time.monotonic() + EPOCHS_SECONDS

    def take_unlogged(self, *, now: bool) -> list[Mapping[str, Any]]:
        """The epochs that MLflow is to get: all with ``now``, else none too soon after the last."""
        if not self.unlogged or (not now and time.monotonic() < self.log_after):
            return []
        lines, self.unlogged = self.unlogged, []
        self.log_after = time.monotonic() + EPOCHS_SECONDS
        return lines

    def means(self) -> dict[int, float]:
        """The mean score of every epoch that all seeds have scored."""
        shared = sorted(set.intersection(*map(set, self.curves)))
        return {
            epoch: sum(curve[epoch] for curve in self.curves) / len(self.curves) for epoch in shared
        }

    def seconds(self) -> float:
        """How long ago it was begun."""
        return time.time() - self.started

    def state(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What `state.json` says of it.

        Args:
            values: Of its parameters.
        """
        return {
            "trial": self.number,
            "epoch": self.epoch,
            "epochs": self.spec.phases[-1].settings.trained_epochs,
            "score": self.curves[-1].get(self.epoch),
            "seconds": self.seconds(),
            "params": values,
        }
