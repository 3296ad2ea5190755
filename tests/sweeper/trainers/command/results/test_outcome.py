import pytest

from sweeper.trainers.command.results import Outcome, Point, combined
from sweeper.trainers.command.results import outcome as outcome_module
from sweeper.trainers.command.results.outcome import Curve


def test_what_is_told_again_of_a_step_counts_and_steps_are_in_order() -> None:
    curve = Curve()
    for step, metrics in ((2, {"loss": 2.0}), (1, {"loss": 3.0}), (2, {"loss": 1.0, "kl": 0.5})):
        curve.add(step, metrics)
    assert curve.points == (Point(1, {"loss": 3.0}), Point(2, {"loss": 1.0, "kl": 0.5}))


def test_a_curve_without_end_is_cut_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_module, "MOST_STEPS", 2)
    curve = Curve()
    for step in range(5):
        curve.add(step, {"loss": 0.0})
    curve.add(1, {"loss": 1.0})
    assert curve.points == (Point(0, {"loss": 0.0}), Point(1, {"loss": 1.0}))
    assert curve.warnings == ("3 lines of steps beyond the first 2 are in no curve",)


def test_later_sources_count_where_they_differ() -> None:
    first = Outcome(
        metrics={"a": 1.0, "b": 1.0},
        curve=(Point(1, {"a": 1.0}),),
        questions={"": {"q": 0.0}},
        warnings=("same", "first"),
    )
    second = Outcome(
        metrics={"b": 2.0},
        curve=(Point(1, {"b": 2.0}),),
        questions={"": {"r": 1.0}, "g": {"q": 1.0}},
        warnings=("same",),
    )
    assert combined([first, second]) == Outcome(
        metrics={"a": 1.0, "b": 2.0},
        curve=(Point(1, {"a": 1.0, "b": 2.0}),),
        questions={"": {"q": 0.0, "r": 1.0}, "g": {"q": 1.0}},
        warnings=("same", "first"),
    )
