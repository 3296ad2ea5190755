"""A study that was written before files had formats: every command still takes it, for ever.

`tests/data/study_of_format_1.tar.xz` is a workspace as a real run of the trainer left it
on 2026-11-27, on the toy task: a prefix, a cached trial, an imported result, finals, confirmed.
"""

import json
import sqlite3
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from fakes.other_worker import OtherWorker
from fakes.run_fake_study import run_here

from sweeper.cli import cli
from sweeper.launchers.local import open_local
from sweeper.running.confirming import confirm_study
from sweeper.store.workspace import Workspace

ARCHIVE = Path(__file__).parents[1] / "data" / "study_of_format_1.tar.xz"
HOME = "/tmp/oldws"  # where it was written; MLflow keeps absolute paths of artifacts
TOY = Path(__file__).parents[1] / "fakes" / "toy_trainer.py"
NAME = "old study"

Invoke = Callable[..., Result]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (HOME, str(tmp_path))
            )
    for result in tmp_path.glob("sweeps/*/**/result.json"):  # this torch stands for that of its day
        content = json.loads(result.read_text())
        content["environment"]["torch"] = torch.__version__
        result.write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def invoke(old: Path) -> Invoke:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--workspace", str(old), *arguments])

    return run


def formats(value: Any) -> list[Any]:
    return [value["format"]] if isinstance(value, dict) and "format" in value else []


def test_none_of_its_files_has_a_format(old: Path) -> None:
    files = [*old.glob("sweeps/**/*.json")]
    assert len(files) > 20
    assert [path for path in files if formats(json.loads(path.read_text()))] == []


def test_its_trials_are_exported_as_on_the_day(old: Path, invoke: Invoke) -> None:
    assert invoke("export", NAME, "--all").output == (old / "expected.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("status", NAME), "old study: 5 complete of 5 trials and 1 shorter trainings"),
        (("best", NAME), "trial 3: 77.0 %  lr=0.007381 kl_beta=0.02 epochs=1 freeze=none"),
        (("show", NAME, "1@1"), "origin          shared prefix (trial 1)"),
        (("export", NAME), "trial: 3"),
        (("compare", NAME, "best", "baseline"), "trial 3         trial 0"),
        (("report", NAME, "--format", "md"), "trial 3 (lr=0.007381 epochs=1 freeze=none) leads"),
        (("next", NAME), "# Question: does what old study found hold?"),
        (("gc", "--dry-run"), "would free 0.0 MB"),
    ],
)
def test_a_command_reads_it(invoke: Invoke, arguments: tuple[str, ...], told: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    assert told in done.output


def test_it_is_confirmed(old: Path) -> None:
    workspace = Workspace(old)

    def open_launcher(config: object, folder: Any) -> OtherWorker:
        local = open_local(devices="cpu", slots_per_device=1, log_folder=folder.root / "workers")
        return OtherWorker(local, (sys.executable, str(TOY)))

    said: list[str] = []
    done = confirm_study(
        workspace.find(NAME),
        workspace=workspace,
        top=2,
        open_launcher=open_launcher,
        say=said.append,
    )
    assert done.exit_code == 0, said
    assert done.lines[0] == "on 32 held-out questions, which selected nothing:"
    assert any(line.split()[:4] == ["trial", "3", "77.0", "75.8"] for line in done.lines)


def test_it_is_resumed_and_grows(old: Path, invoke: Invoke) -> None:
    study = old / "old_study.yaml"
    again = run_here(study, slots=1, options=("--trainer=toy_trainer.py",))
    assert again.returncode == 0, again.stderr
    assert invoke("export", NAME, "--all").output == (old / "expected.csv").read_text()
    study.write_text(study.read_text().replace("trials: 5", "trials: 7"))
    more = run_here(study, slots=1, options=("--trainer=toy_trainer.py",))
    assert more.returncode == 0, more.stderr
    lines = invoke("export", NAME, "--all").output.splitlines()
    assert lines[: 1 + 6] == (old / "expected.csv").read_text().splitlines()
    assert len(lines) == 1 + 6 + 2


def test_a_rule_that_was_made_stricter_since_hides_no_study(old: Path, invoke: Invoke) -> None:
    with closing(sqlite3.connect(old / "sweeps" / NAME / "study.db")) as database, database:
        [(key, stored)] = database.execute(
            "SELECT study_user_attribute_id, value_json FROM study_user_attributes "
            "WHERE key = 'study'"
        )
        study = json.loads(stored)
        study["finalists"] = 0  # as if it had been allowed
        study["trainer"]["evaluate"]["holdout"] = 10**6  # more than the task has
        study["trainer"]["phases"][0]["rce"]["weight_decay"] = -1.0
        database.execute(
            "UPDATE study_user_attributes SET value_json = ? WHERE study_user_attribute_id = ?",
            (json.dumps(study), key),
        )
    for command in ("best", "export", "report", "next"):
        done = invoke(command, NAME)
        assert done.exit_code == 0, f"{command}: {done.output}{done.exception!r}"


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("controls/result.json", ("report", NAME)),
        ("state.json", ("status", NAME)),
        ("trials/0003/metrics.jsonl", ("show", NAME, "3")),
    ],
)
def test_a_file_of_a_later_version_is_a_clear_error(
    old: Path, invoke: Invoke, file: str, command: tuple[str, ...]
) -> None:
    path = old / "sweeps" / NAME / file
    first, *rest = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    content = {**json.loads(first), "format": 99}
    path.write_text("\n".join([json.dumps(content), *rest]) + "\n")
    done = invoke(*command)
    assert done.exit_code == 1
    assert f"{path} is of format 99, and this version reads up to 1" in done.output
    assert "Traceback" not in done.output
