from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from sweeper.refusals import refusals
from sweeper.study.sections import StudyFile
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


FILES = {"name": "files", "rollouts": "rl.json", "embeddings": "e.npy"}


def places(task: Any, **sections: Any) -> list[tuple[str, str]]:
    """Where in the trainer section something is refused, and the beginning of the message."""
    loss = {"score": "validation_loss"}
    values = {"task": task, "phases": [{"rce": {}}], "evaluate": loss, **sections}
    with pytest.raises(ValidationError) as caught:
        TrainSpec.model_validate(values)
    found = refusals(TrainSpec, caught.value)
    return [(".".join(map(str, item.where)), item.text) for item in found]


def test_a_place_has_no_tag_of_a_task() -> None:
    assert places({**FILES, "split": 2}) == [("task.split", "must be < 1, but got 2")]
    [(where, text)] = places({**FILES, "rolouts": "a"})
    assert where == "task.rolouts"
    assert text.startswith("unknown key; allowed: name, rollouts, validation, embeddings, pools,")
    assert text.endswith("; did you mean 'rollouts'?")


def test_each_task_is_told_its_own_keys() -> None:
    [(where, text)] = places({"name": "easy_vqa", "split": 0.5})
    assert (where, text) == ("task.split", "unknown key; allowed: name, training_queries")


def test_an_unknown_task_is_refused_at_its_name() -> None:
    assert places({"name": "fils"}) == [
        (
            "task.name",
            "must be one of easy_vqa, files, but got 'fils'; did you mean 'files'?",
        )
    ]
    assert places(5) == [("task", "must be a mapping of keys and values, but got 5")]


@pytest.mark.parametrize(
    ("pools", "place", "text"),
    [
        ({"size": 2}, "task.pools.size", "must be >= 4, but got 2"),
        ({"sze": 8}, "task.pools.sze", "unknown key; allowed: size, seed; did you mean 'size'?"),
        (5, "task.pools", "must be text, but got 5; put it in quotes"),
        ("", "task.pools", "must not be empty, but got ''"),
    ],
)
def test_of_two_forms_of_a_value_the_one_that_was_meant_is_told(
    pools: Any, place: str, text: str
) -> None:
    assert places({**FILES, "pools": pools}) == [(place, text)]


def test_choices_from_several_places_are_told_together() -> None:
    [(where, text)] = places(FILES, phases=[{"rce": {"reward": "scor"}}])
    assert where == "phases.0.rce.reward"
    assert text.startswith("must be one of hard_plus_soft, hard_plus_soft_v2, separated,")
    assert text.endswith("hard_plus_gtprob_plus_rel, score, but got 'scor'; did you mean 'score'?")


def test_what_the_spec_says_as_a_whole_is_taken_apart_by_place() -> None:
    sampled = [{"rce": {}}, {"grpo": {"rollouts": "sampled"}}]
    (phase, about_phase), (evaluate, about_evaluate) = places(FILES, phases=sampled, evaluate={})
    assert phase.startswith("phases.1")
    assert about_phase == "sampled ones need a reader; task files has recorded ones"
    assert evaluate == "evaluate"
    assert about_evaluate.startswith("task files brings no reader; say who scores: `score: ")


def test_a_value_among_them_can_be_a_parameters_and_a_section_cannot() -> None:
    with pytest.raises(ValidationError) as caught:
        TrainSpec.model_validate({"phases": [{"rce": {}}], "evaluate": {"questions": 900}})
    [value] = refusals(TrainSpec, caught.value)
    assert (value.where, value.structural) == (("evaluate", "questions"), False)
    with pytest.raises(ValidationError) as caught:
        TrainSpec.model_validate({"task": FILES, "phases": [{"rce": {}}]})
    [section] = refusals(TrainSpec, caught.value)
    assert (section.where, section.structural) == (("evaluate",), True)
