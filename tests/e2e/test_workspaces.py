"""Workspaces that are moved, and that have names with signs of a URI."""

import os
import shutil
from pathlib import Path

import pytest
from fakes.run_fake_study import run_here

from sweeper.store.reading import read_study
from sweeper.store.study_store import StudyStore
from sweeper.store.tracking import database_uri
from sweeper.store.workspace import Workspace

STUDY = """\
name: tiny
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: 1}}]
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
trials: 3
"""


@pytest.mark.parametrize("names", [("old", "new"), ("My%20Sweeps", "v2?"), ("a b#1", "学%")])
def test_a_study_goes_on_in_a_workspace_that_was_moved(
    names: tuple[str, str], tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    old, new = (tmp_path / name for name in names)
    old.mkdir()
    shutil.copyfile(empty_database, old / "mlflow.db")
    (old / "study.yaml").write_text(STUDY)
    first = run_here(old / "study.yaml", slots=1)
    assert first.returncode == 0, first.stderr
    told = [(r.number, r.score) for r in read_study(Workspace(old).study("tiny"))[1]]
    old.rename(new)
    (new / "study.yaml").write_text(STUDY.replace("trials: 3", "trials: 4"))
    config, records = read_study(Workspace(new).study("tiny"))
    assert config.path == new / "study.yaml"
    assert [(r.number, r.score) for r in records] == told
    second = run_here(new / "study.yaml", slots=1)
    assert second.returncode == 0, second.stderr
    assert os.listdir(tmp_path) == [new.name]  # noqa: PTH208
    monkeypatch.chdir(new)
    client = MlflowClient(database_uri(new / "mlflow.db"))
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = {r.info.run_name or "": r for r in client.search_runs([experiment.experiment_id])}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert len(runs) == 1 + 3 + 4  # the study, controls, trials
    parent = runs["tiny"].info.run_id
    trials = Path(client.download_artifacts(parent, "trials.csv")).read_text()
    assert len(trials.splitlines()) == 1 + 4


def test_a_study_file_beside_its_workspace_keeps_its_place(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    folder = workspace.study("s")
    assert folder.source_of(workspace.root / "studies" / "s.yaml") == "../../studies"
    assert folder.source_of(tmp_path / "elsewhere" / "s.yaml") == str(tmp_path / "elsewhere")
    moved = Workspace(tmp_path / "moved").study("s")
    assert moved.beginning("../../studies") == tmp_path / "moved" / "studies" / "study.yaml"
    assert moved.beginning("/data") == Path("/data/study.yaml")
    assert moved.beginning(None) == moved.root / "study.yaml"


def test_a_study_that_was_stored_with_an_absolute_place_still_begins_there(
    tmp_path: Path, empty_database: Path
) -> None:
    shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    (tmp_path / "study.yaml").write_text(STUDY)
    run_here(tmp_path / "study.yaml", slots=1)
    folder = Workspace(tmp_path).study("tiny")
    with StudyStore.open(folder.database, name="tiny", goal="maximize") as store:
        assert store.attributes()["source"] == "../.."
        store.set_attribute("source", "/data")
    assert read_study(folder)[0].path == Path("/data/study.yaml")
