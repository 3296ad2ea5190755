"""A study whose slots become more and fewer while it runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from fakes.run_fake_study import run_here
from fakes.waiting import wait_for

from sweeper.cli import cli
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace

RUN = [sys.executable, str(Path(__file__).parents[1] / "fakes" / "run_fake_study.py")]
STUDY = """\
name: slots
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: "${epochs}"}}]
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
  epochs: {min: 1, max: 3}
sampler: {name: tpe, n_startup_trials: 2}
lag: 3
trials: 6
"""


def written(folder: Path, database: Path) -> Path:
    folder.mkdir()
    shutil.copyfile(database, folder / "mlflow.db")
    path = folder / "slots.yaml"
    path.write_text(STUDY)
    return path


def folder_of(study: Path) -> StudyFolder:
    return Workspace(study.parent).study("slots")


def told(study: Path) -> list[tuple[Any, ...]]:
    return [(r.name, dict(r.params), r.state, r.score) for r in read_study(folder_of(study))[1]]


def asks(study: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["--workspace", str(study.parent), "slots", "slots", *options])


def test_slots_come_and_go_while_a_study_runs_and_change_no_trial(
    tmp_path: Path, empty_database: Path
) -> None:
    undisturbed = written(tmp_path / "undisturbed", empty_database)
    assert run_here(undisturbed, slots=1).returncode == 0
    study = written(tmp_path / "changed", empty_database)
    driver = subprocess.Popen(
        [*RUN, str(study), str(study.parent), "1"],
        env={**os.environ, "FAKE_SECONDS": "600"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: len(folder_of(study).read_state().get("running", ())) == 1)
        assert asks(study, "--drain", "1").exit_code == 2
        assert asks(study, "--add", "2").output.startswith("slots: 3 slot(s)\n")
        wait_for(lambda: len(folder_of(study).read_state()["running"]) == 3)
        wait_for(lambda: "cpu-2: trial" in asks(study).output)
        drained = asks(study, "--drain", "2").output
        assert drained.startswith("slots: 1 slot(s)\n  cpu-0: trial 0\n")
        assert drained.count(", then given back") == 2
    finally:
        driver.kill()
        driver.wait()
    assert "it has no slots" in asks(study).output
    assert run_here(study, slots=2).returncode == 0
    assert told(study) == told(undisturbed)
