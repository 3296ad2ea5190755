"""What a study costs that is run again, in work and not in time: the same, however many trials."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fakes.run_fake_study import run_here
from sqlalchemy import event
from sqlalchemy.orm import Mapper

FEW, MANY = 3, 15
STUDY = """
name: of_{trials}
trainer:
  phases:
    - grpo: {{lr: "${{lr}}"}}
parameters:
  lr: {{min: 1e-5, max: 1e-2, log: true}}
sampler: {{name: random}}
trials: {trials}
"""


class Work(NamedTuple):
    """What databases were asked for."""

    statements: int
    objects: int  # that Optuna and MLflow made of rows


class Counter:
    """Counts what every connection to SQLite is asked for."""

    def __init__(self) -> None:
        self.statements = self.objects = 0
        self._connect = sqlite3.connect

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = self._connect(*arguments, **options)
        connection.set_trace_callback(self._asked)
        return connection

    def _asked(self, statement: str) -> None:
        self.statements += 1

    def made(self, *_: object) -> None:
        self.objects += 1

    def take(self) -> Work:
        """What was counted since it was taken last."""
        work = Work(self.statements, self.objects)
        self.statements = self.objects = 0
        return work


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    counter = Counter()
    monkeypatch.setattr(sqlite3, "connect", counter.connect)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", counter.connect)
    event.listen(Mapper, "load", counter.made)
    yield counter
    event.remove(Mapper, "load", counter.made)


def work_again(workspace: Path, trials: int, counter: Counter) -> Work:
    """Run a study, then run it again; what that second run asked for."""
    study = workspace / f"of_{trials}.yaml"
    study.write_text(STUDY.format(trials=trials))
    assert f"{trials} complete" in run_here(study, slots=1).stdout
    first = counter.take()
    assert run_here(study, slots=1).returncode == 0
    again = counter.take()
    assert 0 < again.statements < first.statements
    assert 0 < again.objects < first.objects
    return again


def test_a_finished_study_of_many_trials_is_run_again_with_no_more_work_than_one_of_few(
    database: Path, counter: Counter
) -> None:
    few = work_again(database.parent, FEW, counter)
    assert work_again(database.parent, MANY, counter) == few
