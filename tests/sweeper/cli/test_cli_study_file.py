import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fakes.started_study import files_in

from sweeper.study.config import load_study

Invoke = Callable[..., Result]


def test_init_writes_a_study_that_loads(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("init", "größe 2.yaml")
    assert done.stdout == "wrote größe 2.yaml; try `sweeper validate 'größe 2.yaml'`\n"
    assert load_study(tmp_path / "größe 2.yaml").trials == 32


def test_init_without_a_name_writes_study_yaml_once(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("init").exit_code == 0
    (tmp_path / "study.yaml").write_text("precious")
    done = invoke("init")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "Error: study.yaml exists; choose another name\n"
    assert (tmp_path / "study.yaml").read_text() == "precious"


def test_init_says_why_it_cannot_write(invoke: Invoke) -> None:
    done = invoke("init", "missing/study.yaml")
    assert done.exit_code == 2
    assert done.stderr == "Error: cannot write missing/study.yaml: No such file or directory\n"


SWEEP = """\
method: bayes
metric: {name: accuracy, goal: maximize}
parameters:
  learning_rate: {distribution: log_uniform_values, min: 1e-5, max: 1e-2}
  epochs: {values: [1, 2]}
run_cap: 5
"""


def test_init_converts_a_sweep_of_wandb(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    assert invoke("init", "mine.yaml", "--from-wandb", "sweep.yaml").exit_code == 0
    assert load_study(tmp_path / "mine.yaml").trials == 5


def test_init_writes_a_study_for_a_call_behind_two_dashes(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    done = invoke("init", "studies/my.yaml", "--command", "--", "python", "t.py", "--lr", "1e-4")
    assert done.stdout == "wrote studies/my.yaml; try `sweeper validate studies/my.yaml`\n"
    text = (tmp_path / "studies/my.yaml").read_text()
    assert 'name: my\ncommand: [python, "t.py", "--lr", "${lr}"]\ncwd: ".."\n' in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--command"], "Error: `--command` needs a program: --command -- python train.py"),
        (["--command", "--"], "Error: `--command` needs a program: --command -- python train.py"),
        (["--command", "--", "ls"], "Error: no option of the call is a rate, a count or a switch"),
        (
            ["--from-wandb", "sweep.yaml", "--command", "--", "ls"],
            "Error: `--from-wandb` and `--command` exclude each other; leave one out",
        ),
    ],
)
def test_a_call_that_cannot_be_searched_leaves_no_file(
    invoke: Invoke, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    done = invoke("init", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert files_in(tmp_path) == ["sweep.yaml"]


def test_init_says_aloud_what_a_sweep_loses(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP + "entity: team\n")
    done = invoke("init", "mine.yaml", "--from-wandb", "sweep.yaml")
    assert done.stderr == "warning: entity is not carried over: has no counterpart\n"
    assert done.stdout.startswith("wrote mine.yaml; ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: \xff", "sweep.yaml: byte 0xff is not UTF-8; save it as UTF-8"),
        (b"a: [", "sweep.yaml:1:5: is not YAML"),
        (b"", "sweep.yaml:1:1: the file is empty"),
    ],
)
def test_a_sweep_that_cannot_be_read_leaves_no_file(
    invoke: Invoke, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "sweep.yaml").write_bytes(content)
    done = invoke("init", "mine.yaml", "--from-wandb", "sweep.yaml")
    assert done.exit_code == 2
    assert message in done.stderr
    assert files_in(tmp_path) == ["sweep.yaml"]


def test_the_schema_is_json_with_every_section(invoke: Invoke) -> None:
    content: dict[str, Any] = json.loads(invoke("schema").stdout)
    assert {"name", "trainer", "parameters", "baseline", "trials"} <= set(content["properties"])


WRONG = """\
name: wrong
trainer:
  phases: [{rce: {epochs: 1, lr: "${lr}"}}]
parameters:
  lr: {min: 1e-5, max: 1e-6, log: true}
sampler: {name: tpr}
trails: 4
"""


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_a_wrong_study_file_gets_every_problem_and_leaves_nothing(
    invoke: Invoke, tmp_path: Path, command: str
) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    done = invoke(command, "wrong.yaml")
    assert (done.exit_code, done.stdout) == (2, "")
    heading, *problems = done.stderr.splitlines()
    assert heading == "Error: wrong.yaml has 3 problems:"
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["  wrong.yaml:5:24", "parameters.lr.max"],
        ["  wrong.yaml:6:17", "sampler.name"],
        ["  wrong.yaml:7:1", "trails"],
    ]
    assert "did you mean 'tpe'?" in problems[1]
    assert "did you mean 'trials'?" in problems[2]
    assert files_in(tmp_path) == ["wrong.yaml"]


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_a_study_file_that_is_missing_or_a_folder_is_bad_input(
    invoke: Invoke, tmp_path: Path, command: str
) -> None:
    (tmp_path / "folder.yaml").mkdir()
    for name in ("missing.yaml", "folder.yaml"):
        done = invoke(command, name)
        assert done.exit_code == 2
        assert name in done.stderr
    assert files_in(tmp_path) == ["folder.yaml"]


def test_validate_checks_the_real_data_and_writes_nothing(invoke: Invoke, tmp_path: Path) -> None:
    invoke("init", "mine.yaml")
    done = invoke("validate", "mine.yaml")
    assert done.exit_code == 0
    assert done.stdout.startswith("mine.yaml: study 'mine', 32 trials, sampler tpe\n")
    assert done.stdout.endswith("nothing was written\n")
    assert files_in(tmp_path) == ["mine.yaml"]


def test_plan_for_gpus_that_are_elsewhere_warns_aside_and_writes_nothing(
    invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "gpu.yaml").write_text(
        WRONG.replace("max: 1e-6", "max: 1e-2").replace("tpr", "random").replace("trails", "trials")
        + "resources: {devices: [90, 91]}\n"
    )
    done = invoke("plan", "gpu.yaml", "--cost", "1.3")
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: `resources.devices` asks for GPU 90, 91")
    assert done.stdout.startswith("wrong: 4 trials on 2 slot(s), sampler random, space infinite\n")
    assert "reader time at 1.3 s a call: " in done.stdout
    assert files_in(tmp_path) == ["gpu.yaml"]
