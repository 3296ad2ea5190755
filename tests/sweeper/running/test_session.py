"""A study of files in one process, on slots that run a trainer which does not train."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes import fake_trainer
from fakes.other_worker import OtherWorker
from mlflow import MlflowClient

from sweeper.errors import InstrumentError
from sweeper.launchers.jobs import Launcher
from sweeper.launchers.local import open_local
from sweeper.running.session import run_study
from sweeper.running.summary import Summary
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig, training_of
from trainer.contract import FilesSpec

STUDY = """\
name: losses
trainer:
  task: {name: files, rollouts: "${data}", embeddings: e.npy}
  start: "${start}"
  phases: [{grpo: {lr: "${lr}", epochs: 1, freeze: none}}]
  evaluate: {score: validation_loss}
parameters:
  data: {values: [a.json, b.json]}
  start: {values: [a.pt, b.pt]}
  lr: {values: [1e-3, 1e-2]}
baseline: {data: a.json, start: a.pt, lr: 1e-2}
sampler: {name: grid}
trials: 8
"""


@dataclass
class Heard:
    """What a run said and showed."""

    lines: list[str] = field(default_factory=list)
    states: list[Mapping[str, Any]] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def show(self, state: Mapping[str, Any]) -> None:
        self.states.append(state)


def open_launcher(config: StudyConfig, folder: StudyFolder) -> Launcher:
    local = open_local(devices="cpu", slots_per_device=2, log_folder=folder.root / "workers")
    return OtherWorker(local, (sys.executable, str(fake_trainer.__file__)))


@dataclass(frozen=True)
class Done:
    """A study that was run from a folder of its own, and its workspace."""

    summary: Summary
    heard: Heard
    workspace: Workspace
    path: Path

    def run(self, **options: Any) -> Heard:
        """Run it again."""
        heard = Heard()
        run_study(
            self.path,
            workspace=self.workspace,
            open_launcher=open_launcher,
            progress=heard,
            **options,
        )
        return heard

    def mlflow(self) -> tuple[MlflowClient, str]:
        """MLflow's client and the experiment."""
        client = MlflowClient(f"sqlite:///{self.workspace.root / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("losses")
        assert experiment is not None
        return client, str(experiment.experiment_id)


@pytest.fixture
def done(tmp_path: Path, database: Path) -> Done:
    path = tmp_path / "studies" / "losses.yaml"
    path.parent.mkdir()
    path.write_text(STUDY)
    heard = Heard()
    workspace = Workspace(database.parent)
    summary = run_study(path, workspace=workspace, open_launcher=open_launcher, progress=heard)
    return Done(summary, heard, workspace, path)


def test_a_study_of_losses_over_data_and_start_goes_to_its_end(done: Done) -> None:
    assert done.summary.exit_code == 0
    labels = [row.label for row in done.summary.table]
    assert labels[:2] == ["control random", "control start"]
    assert "trial 0 (baseline)" in labels[-4:]  # lr 1e-2 is the worse one
    ranked = [row.score for row in done.summary.table[2:]]
    assert len(ranked) == 8
    assert ranked == sorted(ranked)
    state = done.heard.states[-1]
    assert (state["best"]["score"], state["goal"]) == (min(ranked), "minimize")
    assert "control random   4.6000 nats" in done.heard.lines
    assert sum("4.4550 nats" in line for line in done.heard.lines) == 4


def test_what_the_data_holds_is_said_once_before_the_controls(done: Done) -> None:
    data = done.heard.lines.index("train: 640 queries")
    warning = "warning: pools: training has 32, the evaluation 64"
    assert done.heard.lines[data + 1] == warning
    assert done.heard.lines[data + 2].startswith("control random")
    assert done.heard.lines.count(warning) == 1
    assert done.run().lines.count(warning) == 1


def test_nothing_is_confirmed_where_nothing_is_held_out_and_that_is_said_once(done: Done) -> None:
    assert done.summary.confirmed == {}
    assert not done.workspace.study("losses").confirmation("best").exists()
    assert sum("nothing is held out" in line for line in done.heard.lines) == 1


def test_mlflow_has_the_loss_the_data_contract_and_the_lowest_first(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(done.workspace.root)  # where artifacts begin
    client, experiment = done.mlflow()
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    scores = {name: run.data.metrics.get("score") for name, run in runs.items()}
    best = min(score for score in scores.values() if score is not None)
    assert scores[f"trial {done.heard.states[-1]['best']['trial']}"] == best
    parent = runs["losses"].info.run_id
    artifacts = {artifact.path for artifact in client.list_artifacts(parent)}
    assert {"data.json", "data.md"} <= artifacts
    page = Path(client.download_artifacts(parent, "data.md")).read_text()
    assert page == (
        "# Data contract\n\n```\ntrain: 640 queries\n```\n\n## Warnings\n\n"
        "- pools: training has 32, the evaluation 64\n"
    )
    tags = client.get_experiment(experiment).tags
    view = json.loads(json.loads(tags["mlflow.sharedViewState.sweeper-losses"])["state"])
    assert view["orderByAsc"] is True
    assert "shot_1" not in str(view["selectedColumns"])
    inputs = {found.dataset.name for found in client.get_run(parent).inputs.dataset_inputs}
    assert inputs == {"questions", "training", "start", "reader"}


def test_every_trial_finds_its_files_beside_the_study_file(done: Done) -> None:
    config, records = read_study(done.workspace.study("losses"))
    specs = [training_of(config, record.values).spec for record in records]
    rollouts = {spec.task.rollouts for spec in specs if isinstance(spec.task, FilesSpec)}
    assert rollouts == {str(done.path.parent / name) for name in ("a.json", "b.json")}
    assert {spec.start for spec in specs} == {
        str(done.path.parent / name) for name in ("a.pt", "b.pt")
    }


def test_a_study_file_that_moved_goes_on_with_its_files(done: Done) -> None:
    moved = done.workspace.root / "elsewhere" / "losses.yaml"
    moved.parent.mkdir()
    done.path.rename(moved)
    Done(done.summary, done.heard, done.workspace, moved).run()
    config, records = read_study(done.workspace.study("losses"))
    assert training_of(config, records[0].values).spec.start == str(moved.parent / "a.pt")
    assert len(records) == 8


def test_an_instrument_that_is_dead_leaves_the_data_contract_in_mlflow(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DEAD", "1")
    monkeypatch.chdir(done.workspace.root)
    done.path.write_text(STUDY.replace("name: losses", "name: dead\nmlflow: {experiment: losses}"))
    with pytest.raises(InstrumentError, match=r"  0\.0 % of scores"):
        done.run()
    client, experiment = done.mlflow()
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    artifacts = client.list_artifacts(runs["dead"].info.run_id)
    assert {artifact.path for artifact in artifacts} == {"data.json", "data.md"}
