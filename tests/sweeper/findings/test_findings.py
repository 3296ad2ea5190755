"""Rules whose faults no short training shows: each finds its own, and is silent beside it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from fakes.epochs import epoch_of
from fakes.evidence_rows import answers, evidence, row

from sweeper.findings import Finding, findings
from sweeper.results.assessment import assess
from sweeper.results.evidence import Evidence, Scored
from sweeper.trainers.builtin.findings.grpo import parameter_of


def found_in(known: Evidence) -> dict[str, Finding]:
    return {finding.kind: finding for finding in findings(known, assess(known))}


def curve(scored: Scored, *scores: float, **last: Any) -> Scored:
    epochs = [epoch_of(number, score=score) for number, score in enumerate(scores, start=1)]
    epochs[-1] = epoch_of(len(scores), score=scores[-1], **last)
    return replace(scored, epochs=epochs)


def test_the_best_at_an_end_of_its_range_points_beyond_it() -> None:
    base = row(0, answers(10), kind="baseline")
    found = found_in(evidence([row(1, answers(36), step=1e-2), base]))
    assert found["best_at_the_edge"].change == {"parameters.step.max": 0.1}
    inside = evidence([row(1, answers(36), step=1e-3), base])
    assert "best_at_the_edge" not in found_in(inside)


def test_no_edge_is_seen_where_nothing_is_told_from_anything() -> None:
    rows = [row(1, answers(21), step=1e-2), row(0, answers(20), kind="baseline")]
    assert "best_at_the_edge" not in found_in(evidence(rows))


def test_another_winner_by_part_must_be_proven() -> None:
    best, base = row(1, answers(30, 30)), row(0, answers(10, 10), kind="baseline")
    clear, slight = row(2, answers(40, 10)), row(3, answers(31, 10))
    found = found_in(evidence([best, clear, base]))["another_winner_by_part"]
    assert found.facts["winners"] == "1: trial 2"
    assert "another_winner_by_part" not in found_in(evidence([best, slight, base]))


@pytest.mark.parametrize(("failed", "told"), [(1, False), (3, True)])
def test_more_than_a_tenth_of_lost_trials_is_told(failed: int, told: bool) -> None:
    states = {"complete": 10, "failed": failed, "pruned": 0, "running": 5}
    known = evidence([row(1, answers(20))], states=states, failures={"not_finite": failed})
    assert ("lost_trials" in found_in(known)) is told


def test_trainings_that_fall_or_rise_at_their_end_are_told_apart() -> None:
    falling = curve(row(1, answers(20)), 0.5, 0.7, 0.6)
    rising = curve(row(1, answers(20)), 0.5, 0.6, 0.7)
    flat = curve(row(1, answers(20)), 0.5, 0.7, 0.7)
    assert found_in(evidence([falling]))["overfitting"].facts["peak"] == 2
    assert found_in(evidence([rising]))["undertrained"].change == {"parameters.length.max": 12}
    for scored, kind in (
        (falling, "undertrained"),
        (rising, "overfitting"),
        (flat, "undertrained"),
    ):
        assert kind not in found_in(evidence([scored]))


def by_loss(losses: Sequence[float]) -> Evidence:
    rows = [
        curve(row(place, answers(39 - place), step=1e-3 + place * 1e-5), 0.5, validation_loss=loss)
        for place, loss in enumerate(losses)
    ]
    return evidence(rows)


def test_a_validation_loss_that_ranks_otherwise_is_told() -> None:
    better_is_lower = [5.0 + place for place in range(9)]
    assert "validation_loss_misleads" not in found_in(by_loss(better_is_lower))
    found = found_in(by_loss(better_is_lower[::-1]))["validation_loss_misleads"]
    assert found.facts["agreement"] == "-1.00"


@pytest.mark.parametrize(
    ("of_kl", "kind"), [(0.001, "kl_without_effect"), (0.5, None), (2.0, "kl_too_strong")]
)
def test_the_kl_term_is_weighed_against_the_rewards(of_kl: float, kind: str | None) -> None:
    norms = {"gradient_norm_kl": of_kl, "gradient_norm_ppo": 1.0}
    found = found_in(evidence([curve(row(1, answers(20)), 0.5, **norms)]))
    assert [k for k in ("kl_without_effect", "kl_too_strong") if k in found] == (
        [] if kind is None else [kind]
    )


def test_calls_for_settings_far_behind_are_counted() -> None:
    best, behind = (replace(row(n, answers(k)), calls=100) for n, k in ((1, 36), (2, 20)))
    found = found_in(evidence([best, behind]))["calls_without_a_chance"]
    assert found.facts["spent"] == "100"
    near = replace(row(2, answers(35)), calls=100)
    assert "calls_without_a_chance" not in found_in(evidence([best, near]))


def test_a_label_that_its_checkpoint_contradicts_is_an_alarm() -> None:
    mismatch = {"kl_beta": {"label": 0.15, "checkpoint": 0.1, "adaptation": -1}}
    imported = replace(row(1, None, score=0.56), origin="imported", mismatch=mismatch)
    found = found_in(evidence([], imported=[imported]))["mislabelled"]
    assert found.level == "alarm"
    assert found.facts["adaptation"] == " (adaptive_kl: x1.5 ^ -1)"


def test_the_parameter_behind_a_field_is_found_whatever_it_is_called() -> None:
    config = evidence([]).config
    parameter = parameter_of(config, "lr")
    assert parameter is not None
    assert parameter.name == "step"
    assert parameter_of(config, "clip_epsilon") is None
