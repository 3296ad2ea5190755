"""Steps that a program tells, as lines of `metrics.jsonl`."""

from collections.abc import Mapping
from math import inf, nan
from pathlib import Path

import pytest

from sweeper.outcomes import read_epochs
from sweeper.trainers.command import epochs as module
from sweeper.trainers.command.epochs import Epochs
from sweeper.trainers.command.results.outcome import Outcome, Point
from sweeper.trainers.command.spec import Scored

SCORE = Scored(name="accuracy")


class Telling:
    """What is written, and how often that was said."""

    def __init__(self, folder: Path, metric: Scored = SCORE) -> None:
        self.folder = folder
        self.said = 0
        self.epochs = Epochs(folder, metric, stage="s", written=self._count)

    def _count(self) -> None:
        self.said += 1

    def lines(self) -> list[tuple[int, float | None, Mapping[str, float | None]]]:
        told = read_epochs(self.folder)[0]
        return [
            (e.epoch, e.score, {k: v for k, v in e.metrics.items() if k != "score"}) for e in told
        ]


def test_a_step_is_written_once_it_has_its_score(tmp_path: Path) -> None:
    telling = Telling(tmp_path)
    telling.epochs.add([(1, {"loss": 2.0})])
    assert telling.lines() == []
    telling.epochs.add([(1, {"accuracy": 0.5})])
    assert telling.lines() == [(1, 0.5, {"loss": 2.0, "accuracy": 0.5})]
    telling.epochs.add([(1, {"accuracy": 0.75}), (None, {"accuracy": 1.0}), (-1, {"accuracy": 1})])
    assert (telling.said, telling.epochs.count) == (1, 1)


def test_a_step_without_a_score_is_written_when_a_later_one_is_told(tmp_path: Path) -> None:
    telling = Telling(tmp_path)
    telling.epochs.add([(10, {"loss": 2.0}), (20, {"loss": 1.0, "accuracy": 0.5})])
    assert [line[:2] for line in telling.lines()] == [(10, None), (20, 0.5)]


def test_a_score_of_several_metrics_is_their_mean_once_all_are_told(tmp_path: Path) -> None:
    telling = Telling(tmp_path, Scored(name="reward", mean_of=["math", "code"]))
    telling.epochs.add([(1, {"math": 0.5})])
    assert telling.said == 0
    telling.epochs.add([(1, {"code": 1.0})])
    assert telling.lines() == [(1, 0.75, {"math": 0.5, "code": 1.0})]


def test_what_is_not_finite_is_no_number_and_no_score(tmp_path: Path) -> None:
    telling = Telling(tmp_path)
    telling.epochs.add([(1, {"accuracy": nan, "loss": inf})])
    telling.epochs.close(Outcome())
    assert telling.lines() == [(1, None, {"accuracy": None, "loss": None})]


def test_a_program_that_begins_anew_tells_no_step_twice(tmp_path: Path) -> None:
    Telling(tmp_path).epochs.add([(1, {"accuracy": 0.5})])
    again = Telling(tmp_path)
    again.epochs.add([(1, {"accuracy": 0.5}), (2, {"accuracy": 0.75})])
    assert [line[:2] for line in again.lines()] == [(1, 0.5), (2, 0.75)]
    assert again.said == 1


def test_the_end_writes_what_was_read_of_files_and_what_is_left(tmp_path: Path) -> None:
    telling = Telling(tmp_path)
    telling.epochs.add([(1, {"loss": 2.0})])
    telling.epochs.close(Outcome(curve=(Point(1, {"accuracy": 0.5}), Point(2, {"loss": 1.0}))))
    assert [line[:2] for line in telling.lines()] == [(1, 0.5), (2, None)]


def test_one_that_tells_no_step_has_one(tmp_path: Path) -> None:
    telling = Telling(tmp_path)
    telling.epochs.close(Outcome(metrics={"accuracy": 0.5}))
    assert telling.lines() == [(1, 0.5, {"accuracy": 0.5})]


def test_of_very_many_steps_the_first_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    telling = Telling(tmp_path)
    telling.epochs.add((step, {"accuracy": 0.5}) for step in range(1, 9))
    assert [line[0] for line in telling.lines()] == [1, 2, 3]
