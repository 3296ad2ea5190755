"""A trial that has a work in the engine, as long as it has not been told."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.outcomes import Epoch, Result
from sweeper.records import TrialRecord
from sweeper.running.verdict import Stop
from sweeper.running.work import Work
from sweeper.running.works import Ticket
from sweeper.space import Value
from sweeper.trainers import Surroundings, Training

EPOCHS_SECONDS = 1.0  # MLflow gets the epochs of so long in one batch, of 20 ms or more each


@dataclass(slots=True, kw_only=True)
class OpenTrial:
    """A trial at work; where it has several seeds, one work after another."""

    number: int
    run_id: str
    started: float
    results: list[Result] = field(default_factory=list)  # of the seeds that are done
    curves: list[dict[int, float]] = field(default_factory=list)
    """Scores by epoch of the last phase, for each seed; the last are those of the work in hand."""
    training: Training = field(init=False)  # of the work in hand, as all that follows
    ticket: Ticket | None = None  # in the engine; None: its work is not begun
    curves_run: str = field(init=False)  # where its epochs are shown; its own run, or a seed's
    unlogged: list[Epoch] = field(default_factory=list)
    """Epochs that MLflow lacks; should this driver be killed, the next one reads them again."""
    log_after: float = 0.0  # on the monotonic clock
    stopped: Stop | None = None  # before its last epoch
    ended: float | None = None  # of the last epoch, seconds since 1970

    def __post_init__(self) -> None:
        self.curves_run = self.run_id

    @property
    def epoch(self) -> int:
        """The last that was scored, of the last phase."""
        return max(self.curves[-1], default=0)

    def begin(self, training: Training) -> None:
        """Turn to the work of the next seed, or to the only one."""
        self.training = training
        self.curves.append({})
        self.log_after = time.monotonic() + EPOCHS_SECONDS

    def work(self, folder: Path, where: Surroundings, *, rival: TrialRecord | None) -> Work:
        """Its work in hand, for the engine.

        Args:
            folder: Of the work.
            where: A job in it finds what others have made.
            rival: That a race is run against, by the key of its evaluation.
        """
        return Work(
            label=f"trial {self.number}",
            folder=folder,
            job=self.training.job(where, rival=None if rival is None else rival.notes.evaluation),
            command=self.training.command(),
        )

    def take_unlogged(self, *, now: bool) -> list[Epoch]:
        """The epochs that MLflow is to get: all with ``now``, else none too soon after the last."""
        if not self.unlogged or (not now and time.monotonic() < self.log_after):
            return []
        epochs, self.unlogged = self.unlogged, []
        self.log_after = time.monotonic() + EPOCHS_SECONDS
        return epochs

    def means(self) -> dict[int, float]:
        """The mean score of every epoch that all seeds have scored."""
        shared = sorted(set.intersection(*map(set, self.curves)))
        return {
            epoch: sum(curve[epoch] for curve in self.curves) / len(self.curves) for epoch in shared
        }

    def seconds(self) -> float:
        """How long ago it was begun."""
        return time.time() - self.started

    def state(self, values: Mapping[str, Value]) -> dict[str, object]:
        """What `state.json` says of it.

        Args:
            values: Of its parameters.
        """
        return {
            "trial": self.number,
            "epoch": self.epoch,
            "epochs": self.training.epochs,
            "score": self.curves[-1].get(self.epoch),
            "seconds": self.seconds(),
            "params": dict(values),
        }
