from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from sweeper.sections import StudyFile
from sweeper.validation import refusals
from trainer.contract import TrainSpec


def texts(model: type[BaseModel], values: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return [refusal.text for refusal in refusals(model, caught.value)]


def test_an_unknown_key_lists_the_keys_of_its_own_place() -> None:
    assert texts(TrainSpec, {"phases": [{"rce": {}}], "policy": {"hidden_dm": 3}}) == [
        "unknown key; allowed: variant, hidden_dim, num_layers, num_heads; "
        "did you mean 'hidden_dim'?"
    ]
    [text] = texts(StudyFile, {"parameters": {"min": {"mn": 1}}})
    assert text.startswith("unknown key; allowed: min, max, log, step, q,")


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("lr", "1_000", "must be a number, but got '1_000'; a number stands without quotes, "),
        ("lr", 0, "must be > 0, but got 0"),
        ("lr", float("nan"), "must be a finite number, but got nan"),
        ("epochs", 1.5, "must be a whole number, but got 1.5"),
        ("epochs", True, "must be a whole number, but got true"),
        ("dropout", 1, "must be < 1, but got 1"),
        ("adaptive_kl", 1, "must be true or false, but got 1"),
        (
            "rollouts",
            "sample",
            "must be one of sampled, recorded, but got 'sample'; did you mean 's",
        ),
        ("freeze", 3, "must be text, but got 3; put it in quotes"),
        ("curriculum", 3, "must be a list, but got 3"),
        (
            "curriculum",
            [1],
            "needs numbers >= 2: one rollout has no relative advantage, but got [1",
        ),
    ],
)
def test_a_refused_value_is_told_in_the_files_own_words(field: str, value: Any, text: str) -> None:
    [found] = texts(TrainSpec, {"phases": [{"grpo": {field: value}}]})
    assert found.startswith(text)


def test_a_list_without_items_and_a_section_that_is_missing() -> None:
    assert texts(TrainSpec, {"phases": []}) == [
        "needs at least one phase, such as `- rce: {epochs: 5}`, but got []"
    ]
    assert texts(TrainSpec, {}) == ["is missing"]


def test_a_list_whose_items_are_wrong_is_told_by_its_items_alone() -> None:
    assert (
        texts(TrainSpec, {"phases": [{}, {}]})
        == ["a phase is either `rce: {...}` or `grpo: {...}`"] * 2
    )


def test_a_long_value_is_cut() -> None:
    [text] = texts(TrainSpec, {"phases": [{"grpo": {"lr": "x" * 500}}]})
    assert len(text) < 200
