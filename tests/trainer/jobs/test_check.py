import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from trainer.__main__ import main
from trainer.contract import TRIAL, Job, TrainSpec
from trainer.jobs.check import check_spec

SPEC: dict[str, Any] = {"phases": [{"rce": {"epochs": 1}}]}


def check(payload: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["check", "-", *options], input=payload)


def test_a_good_spec_gets_its_environment_and_sizes_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = check(json.dumps(SPEC))
    report = json.loads(done.stdout)
    assert done.exit_code == 0
    assert report["problems"] == []
    assert sorted(report["environment"]) == [
        "data",
        "device",
        "reader",
        "start",
        "torch",
        "training",
    ]
    assert report["facts"] == {"pool": 64, "training_queries": 1600, "width": 48}
    assert list(tmp_path.iterdir()) == []


def test_every_bad_field_is_a_problem() -> None:
    done = check('{"phases": [{"rce": {"lr": 0}}], "sed": 1}')
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "environment": None,
        "facts": {},
        "problems": [
            "phases.0.rce.lr: Input should be greater than 0, but got 0",
            "sed: Extra inputs are not permitted, but got 1",
        ],
    }


def test_what_is_not_json_is_said_in_one_line() -> None:
    done = check("{")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: <stdin> is not JSON: Expecting property name")


def test_a_device_that_is_not_here_is_a_problem() -> None:
    problem = "`device` must be cpu or cuda, but got 'tpu'"
    assert check_spec(SPEC, device="tpu") == {
        "problems": [problem],
        "environment": None,
        "facts": {},
    }


@pytest.mark.parametrize(
    ("missing", "message"),
    [("job", "trial.json does not exist; `sweeper export"), ("stage", "stage aside is damaged: ")],
)
def test_evaluate_says_what_it_cannot_read(tmp_path: Path, missing: str, message: str) -> None:
    (tmp_path / "aside").mkdir()
    if missing == "stage":
        job = Job(spec=TrainSpec.model_validate(SPEC), stages=Path("stages"))
        (tmp_path / TRIAL).write_text(json.dumps(job.to_json()))
    arguments = ["evaluate", str(tmp_path / "aside"), "--trial", str(tmp_path)]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert message in done.stderr


def test_evaluate_asks_no_more_questions_than_there_are(tmp_path: Path) -> None:
    arguments = ["evaluate", str(tmp_path), "--trial", str(tmp_path), "--questions", "801"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "801 is not in the range 1<=x<=800" in done.stderr
