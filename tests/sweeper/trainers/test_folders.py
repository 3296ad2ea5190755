"""What the sweeper reads of trial folders, whatever has befallen their files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from sweeper.outcomes import METRICS, RESULT, TRIAL, Check, Failure, FailureKind, Result
from sweeper.trainers import builtin_trainer
from trainer.contract import Environment, Job, TrainSpec, environment_to_json, stage_chain

SPEC = TrainSpec.model_validate({"phases": [{"rce": {"epochs": 1}}]})
MADE_WITH = Environment(torch="2", device="cpu", data="d", training="t", start="", reader="r")
CHAIN = stage_chain(SPEC, MADE_WITH)
EPOCH = {
    "phase": "rce",
    "phase_index": 0,
    "epoch": 1,
    "stage": CHAIN[-1].key,
    "metrics": {"score": 0.5},
    "timing": {"ended": 0.0},
}
RESULT_OF_IT: dict[str, Any] = {
    "score": 0.5,
    "accuracy": {"1": 0.5},
    "stage": CHAIN[-1].key,
    "reader_calls": {},
    "epochs_trained": 1,
    "environment": environment_to_json(MADE_WITH),
}
CHECK_OF_IT: dict[str, Any] = {
    "controls": {"random": {"score": 0.5, "accuracy": {"1": 0.5}}},
    "liveness": {"alive": True, "questions": 1, "groups": []},
    "stage": CHAIN[0].key,
    "ended": 0.0,
    "reader_calls": {},
    "epochs_trained": 0,
    "environment": environment_to_json(MADE_WITH),
}


def folder(
    root: Path, result: object, *, epochs: str = json.dumps(EPOCH) + "\n", **job: Any
) -> Path:
    (root / TRIAL).write_text(json.dumps(Job(spec=SPEC, stages=Path("stages"), **job).to_json()))
    (root / METRICS).write_text(epochs)
    (root / RESULT).write_text(json.dumps(result))
    return root


def test_a_result_without_a_name_is_known_by_its_stage(tmp_path: Path) -> None:
    assert isinstance(builtin_trainer().left(folder(tmp_path, RESULT_OF_IT)), Result)
    place = folder(tmp_path, CHECK_OF_IT, controls=("random",), epochs="")
    assert isinstance(builtin_trainer().left(place), Check)


@pytest.mark.parametrize(
    "result",
    [
        {**RESULT_OF_IT, "stage": CHAIN[0].key},
        {**RESULT_OF_IT, "evaluation": "0" * 32},
        {**RESULT_OF_IT, "job": "0" * 32},
        {**RESULT_OF_IT, "environment": {}},
        {**RESULT_OF_IT, "environment": {"torch": 2}},
        {**RESULT_OF_IT, "accuracy": {"1": None}},
        {**RESULT_OF_IT, "accuracy": {"one": 0.5}},
        {**RESULT_OF_IT, "accuracy": {"1": 1.5}},
        {**RESULT_OF_IT, "score": -0.5},
        {**RESULT_OF_IT, "accuracy": {}, "score": -0.5},
        {**RESULT_OF_IT, "accuracy": []},
        {**RESULT_OF_IT, "score": float("nan")},
        {**RESULT_OF_IT, "reader_calls": {"asked": -1}},
        CHECK_OF_IT,
        {"controls": {}},
        {},
    ],
    ids=str,
)
def test_what_is_no_result_of_the_job_is_a_failure_and_never_an_exception(
    tmp_path: Path, result: object
) -> None:
    trainer, place = builtin_trainer(), folder(tmp_path, result)
    left = trainer.left(place)
    assert isinstance(left, Failure)
    assert left.kind is FailureKind.BAD_RESULT
    assert CHAIN[-1].key in trainer.needed(place).stages  # its epoch is of use
    assert trainer.control_keys(place).keys() <= {"random"}


@pytest.mark.parametrize("result", [{**CHECK_OF_IT, "environment": {}}, RESULT_OF_IT, [], "x", 5])
def test_a_check_that_is_another_thing_has_no_controls(tmp_path: Path, result: object) -> None:
    place = folder(tmp_path, result, controls=("random",), epochs="")
    assert not isinstance(builtin_trainer().left(place), Result | Check)
    assert builtin_trainer().control_keys(place) == {}


def test_an_epoch_behind_a_damaged_line_waits_and_keeps_its_stage_alive(tmp_path: Path) -> None:
    place = folder(tmp_path, RESULT_OF_IT, epochs="damaged\n" + json.dumps(EPOCH) + "\n")
    trainer = builtin_trainer()
    assert trainer.news(place, offset=0) == ([], 0)
    left = trainer.left(place)
    assert isinstance(left, Failure)
    assert left.message.startswith("metrics.jsonl, line 1: ")
    assert CHAIN[-1].key in trainer.needed(place).stages


@pytest.mark.parametrize("content", ["[]", "{}", '{"spec": 5, "stages": 5}', "[" * 100_000, ""])
def test_a_folder_whose_job_cannot_be_read_keeps_what_its_epochs_name(
    tmp_path: Path, content: str
) -> None:
    place = folder(tmp_path, RESULT_OF_IT)
    (place / TRIAL).write_text(content)
    assert builtin_trainer().needed(place).stages == {CHAIN[-1].key}
    assert builtin_trainer().control_keys(place) == {}


def test_scores_that_are_no_table_are_not_to_be_had(tmp_path: Path) -> None:
    (tmp_path / "evaluations").mkdir()
    flat = {"scores": np.array(1.0), "shots": np.array(1)}
    save_file(flat, tmp_path / "evaluations" / "key.safetensors")
    assert builtin_trainer().scores(tmp_path, "key", 1) is None
