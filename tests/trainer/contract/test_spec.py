import json
from typing import Any

import pytest
from pydantic import ValidationError

from trainer.contract import EvaluateSpec, GrpoSpec, RceSpec, TrainSpec


def spec(**grpo: Any) -> TrainSpec:
    return TrainSpec.model_validate({"task": "easy_vqa", "phases": [{"grpo": grpo}]})


def test_a_spec_survives_json() -> None:
    chosen = spec(freeze={"head_then_all": 2}, curriculum=[3, 5], rollouts="recorded")
    assert TrainSpec.model_validate(json.loads(json.dumps(chosen.to_json()))) == chosen


def test_a_mapping_and_a_text_name_the_same_freeze_mode() -> None:
    assert GrpoSpec(freeze={"head_then_all": 2}) == GrpoSpec(freeze="head_then_all:2")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("lr", "1e-4"),
        ("lr", True),
        ("epochs", -1),
        ("epochs", 1.5),
        ("kl_beta", -0.1),
        ("kl_beta", float("nan")),
        ("clip_epsilon", 1.0),
        ("group_size", 1),
        ("dropout", 1.0),
        ("freeze", "head"),
        ("freeze", "head_then_all:0"),
        ("freeze", "head_then_all:x"),
        ("curriculum", []),
        ("curriculum", [1]),
        ("reward", "hard"),
        ("learning_rate", 1e-4),
    ],
)
def test_a_bad_value_is_refused_at_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        spec(**{field: value})
    assert caught.value.errors()[0]["loc"][:4] == ("phases", 0, "grpo", field)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        spec(lr=-1.0, kl_beta=-1.0, group_size=0)
    assert caught.value.error_count() == 3


@pytest.mark.parametrize("entry", [{}, {"rce": {}, "grpo": {}}])
def test_a_phase_is_exactly_one_of_rce_and_grpo(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either `rce"):
        TrainSpec.model_validate({"phases": [entry]})


def test_rce_can_leave_its_schedule_but_not_beyond_its_end() -> None:
    assert RceSpec(epochs=5, stop_after=2).trained_epochs == 2
    with pytest.raises(ValidationError, match="stop_after 6 lies beyond epochs 5"):
        RceSpec(epochs=5, stop_after=6)


@pytest.mark.parametrize("shots", [[], [2, 1], [1, 1], [0, 1], [5]])
def test_shots_are_increasing_numbers_from_one_to_four(shots: list[int]) -> None:
    with pytest.raises(ValidationError):
        TrainSpec.model_validate({"phases": [{"rce": {}}], "evaluate": {"shots": shots}})


def test_the_width_is_a_multiple_of_the_heads() -> None:
    with pytest.raises(ValidationError, match="hidden_dim 64 must be a multiple of num_heads 3"):
        TrainSpec.model_validate({"phases": [{"rce": {}}], "policy": {"num_heads": 3}})


def evaluate(**fields: Any) -> EvaluateSpec:
    return EvaluateSpec.model_validate(fields)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"questions": 400}, r"questions \(or screen\)"),
        ({"screen": 100, "confirm": 300}, r"questions \(or screen\) and confirm"),
        ({"confirm": 900}, "confirm"),
        ({"race": True, "every": "last"}, "race"),
    ],
)
def test_the_first_of_the_file_exclude_what_needs_a_sample(
    other: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValidationError, match=f"first asks no sample, which {named} would need"):
        evaluate(first=200, **other)


@pytest.mark.parametrize("judge", [{"score": "validation_loss"}, {"command": ["{checkpoint}"]}])
def test_the_first_of_the_file_are_asked_of_a_reader(judge: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="first says what a reader is asked, but none is"):
        evaluate(first=200, **judge)


def test_the_first_of_the_file_select_and_the_holdout_stays_a_sample() -> None:
    history = evaluate(first=200, holdout=300)
    assert (history.asked, history.in_file_order) == (200, True)
    assert history.answers == 200 * 4
    assert history.only(50).asked == 50
    assert history.only(900).asked == 200
    assert history.in_full().asked == 200
    confirming = history.model_copy(update={"split": "holdout"})
    assert (confirming.asked, confirming.in_file_order) == (300, False)
    whole = TrainSpec.model_validate({"phases": [{"rce": {}}], "evaluate": {"first": 200}})
    assert TrainSpec.model_validate(whole.to_json()) == whole
    with pytest.raises(ValidationError, match=r"evaluate\.first: easy_vqa has 800 questions"):
        TrainSpec.model_validate({"phases": [{"rce": {}}], "evaluate": {"first": 801}})


def test_fewer_of_a_sample_are_a_sample() -> None:
    sample = evaluate(questions=300, split="holdout").only(200)
    assert (sample.asked, sample.split, sample.in_file_order) == (200, "select", False)
    assert sample.no_sample is None
