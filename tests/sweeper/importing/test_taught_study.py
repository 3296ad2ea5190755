"""A study that is taught by imported results, run to its end by a trainer that does not train."""

import shutil
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from fakes import fake_trainer
from fakes.other_worker import OtherWorker
from mlflow import MlflowClient

from sweeper.importing.study import import_results
from sweeper.launchers.jobs import Launcher
from sweeper.launchers.local import open_local
from sweeper.results.evidence import gather
from sweeper.running.session import run_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig

STUDY = """\
name: taught
trainer:
  phases:
    - grpo: {lr: "${lr}", freeze: "${freeze}", epochs: 1, kl_beta: 0.1}
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
  freeze: {values: [backbone, none]}
trials: 3
"""
HEADER = "lr,freeze,shot_1,shot_2,shot_3,shot_4,questions,source"
ROWS = [
    f"{(1 + n) * 1e-4:g},{freeze},0.6,0.5,0.{n}5,0.5,800,an older run"
    for n in range(1, 7)
    for freeze in ("none", "backbone")
]


class Quiet:
    """Hears and shows nothing."""

    def say(self, line: str) -> None:
        pass

    def show(self, state: Any) -> None:
        pass


def workspace_with(folder: Path, database: Path, rows: list[str]) -> tuple[Path, Workspace]:
    """A workspace whose study knows ``rows``."""
    folder.mkdir()
    shutil.copyfile(database, folder / "mlflow.db")
    study, table = folder / "taught.yaml", folder / "older.csv"
    study.write_text(STUDY)
    table.write_text("\n".join([HEADER, *rows]))
    workspace = Workspace(folder)
    import_results(study, [table], workspace, same_evaluation=True)
    return study, workspace


def run(study: Path, workspace: Workspace, *, slots: int) -> list[dict[str, Any]]:
    """Run the study; return what its trials tried."""

    def open_launcher(config: StudyConfig, folder: StudyFolder) -> Launcher:
        local = open_local(
            devices="cpu", slots_per_device=slots, log_folder=folder.root / "workers"
        )
        return OtherWorker(local, (sys.executable, str(fake_trainer.__file__)))

    summary = run_study(study, workspace=workspace, open_launcher=open_launcher, progress=Quiet())
    assert summary.exit_code == 0
    assert [record.number for record in summary.records] == [0, 1, 2]
    return [dict(record.params) for record in summary.records]


def test_imported_results_come_before_trial_0_and_stay_beside_the_trials(
    tmp_path: Path, empty_database: Path
) -> None:
    study, workspace = workspace_with(tmp_path / "a", empty_database, ROWS)
    tried = run(study, workspace, slots=2)
    assert run(study, workspace, slots=2) == tried  # resumed: nothing is shown twice
    client = MlflowClient(f"sqlite:///{workspace.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("taught")
    assert experiment is not None
    condition = "tags.`sweeper.origin` = 'imported'"
    found = {
        run.info.run_name: run
        for run in client.search_runs([experiment.experiment_id], condition, max_results=100)
    }
    assert sorted(found) == sorted(f"imported {number}" for number in range(1, 13))
    first = found["imported 1"]
    assert first.data.params == {"lr": "0.0002", "freeze": "none"}
    assert first.data.metrics["score"] == pytest.approx(0.4375)
    assert first.data.metrics["shot_3"] == 0.15
    assert (first.info.status, first.data.tags["sweeper.source"]) == ("FINISHED", "an older run")
    folder = workspace.study("taught")
    rows = optuna.load_study(study_name="taught", storage=f"sqlite:///{folder.database}").trials
    origins = [row.user_attrs["begun"]["origin"] for row in rows]
    assert origins == ["imported"] * 12 + ["trained"] * 3
    evidence = gather(folder)
    assert {row.evaluation for row in evidence.imported} == {""}
    assert len(evidence.trials) == 3

    other = workspace_with(tmp_path / "b", empty_database, ROWS[::-1])
    assert run(*other, slots=1) == tried  # in another order, on another number of slots
