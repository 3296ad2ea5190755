"""A study whose databases are lost, damaged or changed by hand ends as an undisturbed one."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fakes.run_fake_study import Done, run_here

from sweeper.cli import cli
from sweeper.records import TrialRecord
from sweeper.store.reading import read_study
from sweeper.store.tracking import database_uri
from sweeper.store.workspace import Workspace

STUDY = """\
name: rich
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: "${epochs}"}}]
parameters:
  lr: {values: [1e-5, 1e-4, 1e-3, 3e-2]}
  epochs: {min: 1, max: 3, fidelity: true}
baseline: {lr: 1e-4, epochs: 3}
enqueue:
  - {lr: 1e-3, epochs: 3}
  - {lr: 1e-5, epochs: 2}
  - {lr: 1e-4, epochs: 2}
  - {lr: 3e-2, epochs: 3}
sampler: {name: random}
lag: 1
trials: 10
"""
FINALISTS = "seeds: {values: [0, 1], strategy: finalists}\nfinalists: 2\n"
SEVERAL = "seeds: [0, 1]\npruner: {name: median, n_startup_trials: 1}\n"
FAILING = {"FAKE_FAIL": repr(1e-5)}  # the lr of a trial that fails


def run(study: Path) -> Done:
    return run_here(study, slots=1, **FAILING)


def records(study: Path) -> list[TrialRecord]:
    return read_study(Workspace(study.parent).study("rich"))[1]


def told(study: Path) -> list[tuple[Any, ...]]:
    return [
        (r.name, dict(r.params), r.state, r.score, dict(r.intermediate), r.notes.origin, r.final)
        for r in records(study)
    ]


def in_mlflow(study: Path, experiment: str = "rich") -> dict[str, Any]:
    """All that MLflow has of the study, but for ids and the times at which it was written."""
    from mlflow import MlflowClient

    client = MlflowClient(database_uri(study.parent / "mlflow.db"))
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = list(client.search_runs([found.experiment_id], max_results=1000))
    names = {run.info.run_id: run.info.run_name for run in runs}
    curves = {
        run.info.run_id: {
            key: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)]
            for key in run.data.metrics
            if "/" in key
        }
        for run in runs
    }
    return {
        run.info.run_name: (
            run.info.status,
            run.data.params,
            {key: repr(value) for key, value in run.data.metrics.items()},  # NaN equals NaN
            curves[run.info.run_id],
            {k: v for k, v in run.data.tags.items() if k.startswith("sweeper.")},
            names.get(run.data.tags.get("mlflow.parentRunId", "")),
        )
        for run in runs
    } | {"how many": len(runs)}


@pytest.fixture(scope="module", params=[FINALISTS, SEVERAL], ids=["finalists", "seeds"])
def whole(
    request: pytest.FixtureRequest, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A study that nobody has disturbed, with trials of every kind."""
    study = tmp_path_factory.mktemp("whole") / "rich.yaml"
    study.write_text(STUDY + request.param)
    shutil.copyfile(empty_database, study.parent / "mlflow.db")
    assert run(study).returncode == 1  # for the trial that fails
    kinds = {(r.state.value, r.notes.origin) for r in records(study)}
    assert {("failed", "trained"), ("complete", "shared prefix")} <= kinds
    other = ("pruned", "trained") if "pruner" in request.param else ("complete", "cached")
    assert other in kinds
    return study


ONE_STUDY = pytest.mark.parametrize("whole", [FINALISTS], indirect=True, ids=["finalists"])


def copied(study: Path, folder: Path) -> Path:
    with closing(sqlite3.connect(study.parent / "mlflow.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(study.parent, folder)
    return folder / study.name


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    return copied(whole, tmp_path / "copy")


@pytest.fixture(scope="module")
def all_of_it(whole: Path) -> dict[str, Any]:
    """What MLflow has of the study that nobody has disturbed."""
    return in_mlflow(whole)


@pytest.fixture(scope="module")
def grown(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study with a trial more."""
    study = copied(whole, tmp_path_factory.mktemp("grown") / "copy")
    study.write_text(study.read_text().replace("trials: 10", "trials: 11"))
    assert run(study).returncode == 1
    return study


def change(study: Path, *statements: str) -> None:
    with closing(sqlite3.connect(study.parent / "mlflow.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def remove(study: Path, template: Path) -> None:
    shutil.copyfile(template, study.parent / "mlflow.db")  # as a new one: to build it takes seconds


def contradict(study: Path, template: Path) -> None:
    change(
        study,
        "UPDATE runs SET status = 'FAILED' WHERE name = 'trial 0'",
        "UPDATE runs SET status = 'RUNNING' WHERE name IN ('trial 1', 'trial 3', 'rich')",
        "UPDATE runs SET status = 'KILLED' WHERE name LIKE 'trial % seed 1'",
    )


def thin_out(study: Path, template: Path) -> None:
    of_trial = "run_uuid IN (SELECT run_uuid FROM runs WHERE name = 'trial 0')"
    for table in ("metrics", "latest_metrics"):
        change(study, f"DELETE FROM {table} WHERE {of_trial} AND key != 'reader_calls_asked'")


@pytest.mark.parametrize("harm", [remove, contradict, thin_out])
def test_mlflow_is_completed_from_the_study_and_that_is_said(
    whole: Path,
    study: Path,
    empty_database: Path,
    all_of_it: dict[str, Any],
    harm: Callable[[Path, Path], None],
) -> None:
    harm(study, empty_database)
    done = run(study)
    assert "MLflow lacked the run" in done.stdout
    assert in_mlflow(study) == all_of_it
    assert told(study) == told(whole)
    ids = {r.notes.run_id for r in records(study)}
    assert len(ids) == len(records(study))  # `show` names the runs of today
    again = run(study)
    assert "MLflow lacked" not in again.stdout
    assert in_mlflow(study) == all_of_it


def test_repair_brings_both_databases_to_completeness_without_the_study_file(
    whole: Path, study: Path, empty_database: Path, all_of_it: dict[str, Any]
) -> None:
    remove(study, empty_database)
    Workspace(study.parent).study("rich").database.write_bytes(b"damaged" * 1000)
    study.unlink()
    first, second = (
        CliRunner().invoke(cli, ["--workspace", str(study.parent), "repair", "rich"])
        for _ in range(2)
    )
    assert first.exit_code == 0, first.output
    assert "study.db was damaged (now study.db.damaged-0); it was rebuilt with 10" in first.output
    assert "MLflow lacked the runs of" in first.output
    assert second.output == f"study.db and MLflow have all {len(records(whole))} rows of rich\n"
    assert told(study) == told(whole)
    assert in_mlflow(study) == all_of_it


@ONE_STUDY
def test_nothing_is_said_of_a_study_that_mlflow_has_whole(study: Path) -> None:
    assert "MLflow lacked" not in run(study).stdout


@ONE_STUDY
def test_a_run_that_someone_has_deleted_stays_deleted(
    study: Path, all_of_it: dict[str, Any]
) -> None:
    change(
        study, "UPDATE runs SET lifecycle_stage = 'deleted' WHERE name IN ('trial 0', 'trial 1')"
    )
    done = run(study)
    assert "MLflow lacked" not in done.stdout
    assert set(all_of_it) - set(in_mlflow(study)) >= {"trial 0", "trial 1"}


@pytest.mark.parametrize("database", ["mlflow.db", "study.db"])
def test_a_study_goes_on_after_a_database_is_lost(
    study: Path, grown: Path, database: str, empty_database: Path
) -> None:
    if database == "study.db":
        Workspace(study.parent).study("rich").database.unlink()
    else:
        remove(study, empty_database)
    study.write_text(grown.read_text())
    done = run(study)
    assert done.returncode == 1, done.stderr
    assert told(study) == told(grown)
    found, expected = in_mlflow(study), in_mlflow(grown)
    assert found.pop("rich")[1]["trials"] in ("10", "11")  # as its run was made
    assert expected.pop("rich")[1]["trials"] == "10"
    assert found == expected


def test_trials_without_rows_are_proposed_again_and_keep_their_folders_and_runs(
    whole: Path, study: Path
) -> None:
    folder = Workspace(study.parent).study("rich")
    folder.database.unlink()
    (folder.root / "rows.jsonl").unlink()
    written = (folder.trial(0) / "metrics.jsonl").stat().st_mtime_ns
    done = run(study)
    assert "they are proposed again, and what" in done.stdout
    assert (folder.trial(0) / "metrics.jsonl").stat().st_mtime_ns == written
    assert told(study) == told(whole)
    assert in_mlflow(study) == in_mlflow(whole)


@ONE_STUDY
def test_an_experiment_that_was_deleted_is_told_with_advice_that_works(
    study: Path, all_of_it: dict[str, Any]
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(database_uri(study.parent / "mlflow.db"))
    found = client.get_experiment_by_name("rich")
    assert found is not None
    client.delete_experiment(found.experiment_id)
    refused = run(study)
    assert refused.returncode == 1
    assert "or name another one under `mlflow: {experiment: NAME}`" in refused.stderr
    study.write_text(f"{study.read_text()}mlflow: {{experiment: another}}\n")
    done = run(study)
    assert "MLflow lacked the runs" in done.stdout, done.stderr
    assert in_mlflow(study, "another") == all_of_it


@ONE_STUDY
def test_an_experiment_that_was_renamed_gets_no_second_one(
    study: Path, all_of_it: dict[str, Any]
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(database_uri(study.parent / "mlflow.db"))
    found = client.get_experiment_by_name("rich")
    assert found is not None
    client.rename_experiment(found.experiment_id, "mine")
    run(study)
    assert client.get_experiment_by_name("rich") is None
    assert in_mlflow(study, "mine") == all_of_it
