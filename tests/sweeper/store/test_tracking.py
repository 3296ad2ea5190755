"""Everything here writes to a real MLflow database and reads it back with MLflow's own client."""

import contextlib
import functools
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.epochs import epoch_of

from sweeper.errors import TrackingError
from sweeper.store.tracking import open_tracking
from sweeper.store.tracking.view import StudyView

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from sweeper.store.tracking.enduring import Tracking

ROOT = Path(__file__).parents[3]
PARAMS: dict[str, str | int | float | None] = {"lr": 1e-05, "freeze": "none", "epochs": 2}


@pytest.fixture
def tracking(database: Path) -> "Tracking":
    return open_again(database)


@pytest.fixture
def client(database: Path) -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{database}")


def open_again(
    database: Path, *, now: float = 1000.0, say: Callable[[str], None] = print
) -> "Tracking":
    return open_tracking(
        database,
        experiment="lab",
        artifacts=database.parent / "mlartifacts",
        say=say,
        now=lambda: now,
    )


def latest_metrics(database: Path, run: str) -> list[tuple[str, float, int]]:
    """Key, value, whether it is NaN; in the order in which the run got them."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ? ORDER BY rowid",
            (run,),
        ).fetchall()


def history(client: "MlflowClient", run: str, key: str) -> list[tuple[int, float, int]]:
    return [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run, key)]


def test_a_trial_is_a_child_of_its_study_with_plain_params_and_final_numbers(
    tracking: "Tracking", client: "MlflowClient"
) -> None:
    parent = tracking.study_run(
        "kl_lr", study_id="s1", description="# Why", params={"sampler": "tpe"}
    )
    trial = tracking.trial_run(
        parent, name="trial 7", number=7, params={**PARAMS, "inactive": None}, tags={"a": "b"}
    )
    tracking.finish_trial(
        trial,
        status="FINISHED",
        score=0.7,
        parts={"shot_2": 0.8, "shot_1": 0.6},
        metrics={"calls": 3200},
    )
    tracking.finish_study(status="FINISHED")

    run = client.get_run(trial)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "trial 7"
    assert run.data.params == {"lr": "1e-05", "freeze": "none", "epochs": "2"}
    assert run.data.metrics == {"score": 0.7, "shot_1": 0.6, "shot_2": 0.8, "calls": 3200.0}
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.tags["sweeper.trial"] == "7"
    assert run.data.tags["a"] == "b"
    study = client.get_run(parent)
    assert study.info.status == "FINISHED"
    assert study.data.tags["mlflow.note.content"] == "# Why"
    assert study.data.metrics == {}  # a score would hide the trials behind their parent


def test_an_epoch_that_is_logged_twice_is_one_point(
    tracking: "Tracking", client: "MlflowClient"
) -> None:
    trial = tracking.trial_run(tracking.study_run("s", study_id="s1"), name="trial 0")
    tracking.log_epochs(trial, [epoch_of(1, loss=0.5, kl=None)])
    tracking.log_epochs(trial, [epoch_of(1, loss=0.5, kl=None), epoch_of(2, loss=0.25, kl=0.125)])
    assert history(client, trial, "grpo/loss") == [(1, 0.5, 1001000), (2, 0.25, 1002000)]
    first, second = history(client, trial, "grpo/kl")
    assert math.isnan(first[1])
    assert second == (2, 0.125, 1002000)


def test_numbers_added_later_leave_status_and_end_and_a_deleted_run_alone(
    tracking: "Tracking", client: "MlflowClient"
) -> None:
    trial = tracking.trial_run(tracking.study_run("s", study_id="s1"), name="trial 0")
    tracking.finish_trial(trial, status="FINISHED", score=0.5, ended=2000.0)
    for _ in range(2):
        tracking.add_metrics(trial, {"heldout_score": 0.25}, at=9000.0)
    info = client.get_run(trial).info
    assert (info.status, info.end_time) == ("FINISHED", 2_000_000)
    assert history(client, trial, "heldout_score") == [(0, 0.25, 9_000_000)]
    client.delete_run(trial)
    tracking.add_metrics(trial, {"heldout_score": 0.75}, at=9001.0)
    assert history(client, trial, "heldout_score") == [(0, 0.25, 9_000_000)]


def test_an_interrupted_trial_is_killed_until_it_is_resumed_in_the_same_run(
    database: Path, tracking: "Tracking", client: "MlflowClient"
) -> None:
    parent = tracking.study_run("s", study_id="s1")
    trial = tracking.trial_run(parent, name="trial 0", params=PARAMS)
    tracking.finish_trial(trial, status="KILLED")
    assert client.get_run(trial).info.status == "KILLED"

    resumed = open_again(database)
    assert resumed.study_run("s", study_id="s1") == parent
    assert resumed.trial_run(parent, name="trial 0", params=PARAMS, run_id=trial) == trial
    assert client.get_run(trial).info.status == "RUNNING"
    resumed.finish_trial(trial, status="FINISHED", score=0.5)
    assert client.get_run(trial).data.metrics["score"] == 0.5


def test_a_run_is_found_again_even_if_the_driver_died_before_noting_its_id(
    database: Path, tracking: "Tracking"
) -> None:
    parent = tracking.study_run("s", study_id="s1")
    trial = tracking.trial_run(parent, name="trial 3", params=PARAMS)
    resumed = open_again(database)
    assert (
        resumed.trial_run(resumed.study_run("s", study_id="s1"), name="trial 3", params=PARAMS)
        == trial
    )


def test_a_trial_whose_run_was_deleted_gets_a_new_one(
    tracking: "Tracking", client: "MlflowClient"
) -> None:
    parent = tracking.study_run("s", study_id="s1")
    trial = tracking.trial_run(parent, name="trial 0", params=PARAMS)
    client.delete_run(trial)
    again = tracking.trial_run(parent, name="trial 0", params=PARAMS, run_id=trial)
    assert again != trial
    assert client.get_run(again).data.params["lr"] == "1e-05"


def test_studies_of_one_experiment_do_not_take_each_others_runs(
    database: Path, tracking: "Tracking"
) -> None:
    one = tracking.study_run("one", study_id="s1")
    trial = tracking.trial_run(one, name="trial 0")
    other = open_again(database)
    parent = other.study_run("it's another", study_id="s2")
    assert parent != one
    assert other.trial_run(parent, name="trial 0") != trial
    assert trial not in other.close_stale(live=[parent])


def test_a_study_that_is_started_afresh_under_the_same_name_takes_over_no_run(
    database: Path, tracking: "Tracking", client: "MlflowClient"
) -> None:
    old_parent = tracking.study_run("s", study_id="s1")
    old = tracking.trial_run(old_parent, name="trial 0", params={"lr": 0.1})
    tracking.finish_trial(old, status="FINISHED", score=0.5)

    afresh = open_again(database)
    parent = afresh.study_run("s", study_id="s2")
    trial = afresh.trial_run(parent, name="trial 0", params={"lr": 0.2})
    assert afresh.close_stale(live=[parent, trial]) == ()
    assert {parent, trial}.isdisjoint({old_parent, old})
    assert client.get_run(old_parent).info.status == "RUNNING"  # perhaps of a driver at work
    assert client.get_run(old).data.params == {"lr": "0.1"}
    data = client.get_run(trial).data
    assert data.params == {"lr": "0.2"}
    assert (data.tags["sweeper.study"], data.tags["sweeper.study_id"]) == ("s", "s2")


def half_made_run(client: "MlflowClient", experiment: str, parent: str, *, name: str) -> str:
    """The run of a driver that was killed when it had made the run and written nothing else."""
    tags = {
        "sweeper.study": "s",
        "sweeper.study_id": "s1",
        "sweeper.run": name,
        "mlflow.parentRunId": parent,
    }
    run: str = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    return run


def test_a_half_made_run_gets_its_params_and_score_as_its_first_metric_when_it_is_resumed(
    database: Path, tracking: "Tracking", client: "MlflowClient"
) -> None:
    parent = tracking.study_run("s", study_id="s1")
    half = half_made_run(client, tracking.experiment_id, parent, name="trial 0")
    resumed = open_again(database)
    parent = resumed.study_run("s", study_id="s1")
    assert resumed.trial_run(parent, name="trial 0", params=PARAMS) == half
    assert client.get_run(half).data.params == {"lr": "1e-05", "freeze": "none", "epochs": "2"}
    assert math.isnan(client.get_run(half).data.metrics["score"])
    resumed.log_epochs(half, [epoch_of(1, a_loss=0.5)])
    resumed.finish_trial(half, status="FINISHED", score=0.5)
    assert [key for key, _, _ in latest_metrics(database, half)] == ["score", "grpo/a_loss"]


def test_a_resumed_run_gets_the_params_that_it_lacks_and_keeps_those_that_it_has(
    tracking: "Tracking", client: "MlflowClient"
) -> None:
    parent = tracking.study_run("s", study_id="s1", params={"trials": 10})
    trial = tracking.trial_run(parent, name="trial 0", params={"a@b": 1})
    tracking.finish_trial(trial, status="FINISHED", score=0.5, ended=7.0)
    tracking.study_run("s", study_id="s1", params={"trials": 20, "seed": 3})
    tracking.trial_run(parent, name="trial 0", params={"a@b": 2, "lr": 0.1})
    assert client.get_run(parent).data.params == {"trials": "10", "seed": "3"}
    assert client.get_run(parent).data.metrics == {}
    assert client.get_run(trial).data.params == {"a_b": "1", "lr": "0.1"}
    assert client.get_run(trial).data.metrics == {"score": 0.5}


def test_nothing_is_left_running_by_a_dead_driver_but_what_still_lives(
    database: Path, tracking: "Tracking", client: "MlflowClient"
) -> None:
    parent = tracking.study_run("s", study_id="s1")
    runs = [tracking.trial_run(parent, name=f"trial {n}") for n in range(3)]
    seed = tracking.trial_run(runs[0], name="trial 0 seed 1")
    tracking.finish_trial(runs[1], status="FINISHED", score=0.5)

    resumed = open_again(database)
    closed = resumed.close_stale(live=[resumed.study_run("s", study_id="s1"), runs[2]])
    assert sorted(closed) == sorted([runs[0], seed])
    statuses = [client.get_run(run).info.status for run in [parent, *runs, seed]]
    assert statuses == ["RUNNING", "KILLED", "FINISHED", "RUNNING", "KILLED"]


def test_score_is_the_first_metric_of_a_run_for_mlflow_compares_runs_by_that(
    tracking: "Tracking", database: Path
) -> None:
    trial = tracking.trial_run(tracking.study_run("s", study_id="s1"), name="trial 0")
    tracking.log_epochs(trial, [epoch_of(1, a_loss=0.5)])
    tracking.finish_trial(trial, status="FINISHED", score=0.5, parts={"shot_1": 0.5})
    assert latest_metrics(database, trial) == [
        ("score", 0.5, 0),
        ("grpo/a_loss", 0.5, 0),
        ("shot_1", 0.5, 0),
    ]


def test_a_trial_without_a_score_sorts_below_every_score(
    tracking: "Tracking", client: "MlflowClient"
) -> None:
    parent = tracking.study_run("s", study_id="s1")
    failed = tracking.trial_run(parent, name="trial 0")
    tracking.finish_trial(failed, status="FAILED", tags={"sweeper.failure": "not_finite"})
    poor = tracking.trial_run(parent, name="trial 1")
    tracking.finish_trial(poor, status="FINISHED", score=-5.0)
    runs = client.search_runs([tracking.experiment_id], order_by=["metrics.score DESC"])
    assert [run.info.run_id for run in runs] == [poor, failed, parent]


def test_a_control_that_is_finished_at_every_resume_with_the_same_time_has_one_score(
    database: Path, client: "MlflowClient"
) -> None:
    for resume in range(3):
        tracking = open_again(database, now=1000.0 + resume)
        run = tracking.trial_run(tracking.study_run("s", study_id="s1"), name="control random")
        tracking.finish_trial(run, status="FINISHED", score=0.5, parts={"shot_1": 0.25}, ended=7.0)
    opening, score = history(client, run, "score")
    assert math.isnan(opening[1])
    assert score == (0, 0.5, 7000)
    assert history(client, run, "shot_1") == [(0, 0.25, 7000)]
    info = client.get_run(run).info
    assert info.end_time == info.start_time  # opened after its job had ended: no negative duration


def test_names_in_any_script_and_values_of_any_length_arrive(
    tracking: "Tracking", client: "MlflowClient"
) -> None:
    parent = tracking.study_run("扫描 α", study_id="s1")
    trial = tracking.trial_run(
        parent, name="试验 1", params={"学习率": 0.1, "data file": "x" * 7000, "a@b": True}
    )
    tracking.finish_trial(trial, status="FINISHED", score=0.5, tags={"note": "y" * 9000})
    data = client.get_run(trial).data
    assert data.params["学习率"] == "0.1"
    assert data.params["data file"].endswith("[... cut, 7000 characters]")
    assert data.params["a_b"] == "True"
    assert data.tags["note"].endswith("[... cut, 9000 characters]")


def test_thousands_of_metrics_and_hundreds_of_params_are_logged_in_batches(
    tracking: "Tracking", client: "MlflowClient"
) -> None:
    trial = tracking.trial_run(
        tracking.study_run("s", study_id="s1"), name="t", params={f"p{n}": n for n in range(250)}
    )
    tracking.log_epochs(trial, [epoch_of(1, **{f"m{n}": float(n) for n in range(2500)})])
    data = client.get_run(trial).data
    assert len(data.params) == 250
    assert data.metrics["grpo/m2499"] == 2499.0


def test_artifacts_and_datasets_of_a_study_can_be_read_back(
    tracking: "Tracking",
    client: "MlflowClient",
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent = tracking.study_run("s", study_id="s1")
    tracking.log_datasets(parent, {"easy_vqa": "d" * 64})
    artifacts = {"study.yaml": "name: s\n", "best/早.md": "# 早\n"}
    tracking.finish_study(status="FINISHED", artifacts={"study.yaml": "older"})
    tracking.finish_study(status="FINISHED", artifacts=artifacts)
    monkeypatch.chdir(database.parent)  # where MLflow's pages are served
    folder = Path(client.download_artifacts(parent, ""))
    files = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.*")}
    assert files == artifacts
    run = client.get_run(parent)
    assert run.inputs is not None
    assert [i.dataset.digest for i in run.inputs.dataset_inputs] == ["d" * 36]


def test_the_deep_link_opens_the_saved_view_and_sorts_by_score_until_there_is_one(
    tracking: "Tracking", client: "MlflowClient"
) -> None:
    assert "orderByKey=metrics.%60score%60" in tracking.deep_link("http://h")
    tracking.save_view(StudyView(study="s", study_id="s1", question="Why?", params=["lr"]))
    assert "viewStateShareKey=sweeper-s" in tracking.deep_link("http://h")
    tags = client.get_experiment(tracking.experiment_id).tags
    assert tags["mlflow.note.content"] == "Why?"
    assert "mlflow.sharedViewState.sweeper-s" in tags


def test_a_view_that_mlflow_would_refuse_leaves_the_plain_link(tracking: "Tracking") -> None:
    params = [f"parameter_{n}" for n in range(500)]
    tracking.save_view(StudyView(study="s", study_id="s1", params=params, minimize=True))
    assert tracking.deep_link("http://h").endswith("&orderByAsc=true")


def test_a_server_that_fails_to_answer_once_is_no_reason_for_a_second_run(
    database: Path, tracking: "Tracking", client: "MlflowClient"
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from sweeper.store.tracking.runs import StudyRuns

    class UnreachableClient(MlflowClient):
        def get_run(self, run_id: str) -> Any:
            raise MlflowException("timeout")

    tracking.trial_run(tracking.study_run("s", study_id="s1"), name="trial 0")
    resumed = StudyRuns(
        UnreachableClient(f"sqlite:///{database}"), tracking.experiment_id, now=lambda: 0.0
    )
    with pytest.raises(TrackingError, match="the study's run could not be opened: timeout"):
        resumed.study_run("s", study_id="s1")
    assert len(client.search_runs([tracking.experiment_id])) == 2


def test_what_mlflow_refuses_is_told_as_one_message(tracking: "Tracking") -> None:
    with pytest.raises(TrackingError, match=r"final numbers could not be logged.*no-such-run"):
        tracking.finish_trial("no-such-run", status="FINISHED", score=0.5)


def test_a_deleted_experiment_is_an_error_that_says_how_to_restore_it(
    database: Path, tracking: "Tracking", client: "MlflowClient"
) -> None:
    client.delete_experiment(tracking.experiment_id)
    with pytest.raises(TrackingError, match="experiments restore --experiment-id"):
        open_again(database)


def test_an_experiment_that_was_renamed_is_found_again(
    database: Path, tracking: "Tracking", client: "MlflowClient"
) -> None:
    client.rename_experiment(tracking.experiment_id, 'it\'s "mine"')
    assert open_again(database).experiment_id == tracking.experiment_id
    client.create_experiment("lab")  # who has the name, has it
    assert open_again(database).experiment_id != tracking.experiment_id


@pytest.mark.parametrize(
    "name", ["My%20Sweeps", "v2?", "a#b", "学 é [1];x,y", "it's", 'a"b&c=d', "5%"]
)
def test_a_workspace_may_have_any_name(name: str, tmp_path: Path, empty_database: Path) -> None:
    from mlflow import MlflowClient

    from sweeper.store.tracking import database_uri

    folder = tmp_path / name
    folder.mkdir()
    database = Path(shutil.copyfile(empty_database, folder / "mlflow.db"))
    tracking = open_again(database)
    parent = tracking.study_run("s", study_id="s1")
    tracking.finish_study(status="FINISHED", artifacts={"best/早.md": "# 早"})
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208
    assert (folder / "mlartifacts" / parent / "artifacts" / "best" / "早.md").read_text() == "# 早"
    assert MlflowClient(database_uri(database)).get_run(parent).info.status == "FINISHED"


def test_a_database_is_made_where_the_path_has_signs_of_a_uri(tmp_path: Path) -> None:
    folder = tmp_path / "v2?x=1#%20"
    folder.mkdir()
    open_again(folder / "mlflow.db")
    assert (folder / "mlflow.db").stat().st_size > 0
    assert os.listdir(tmp_path) == [folder.name]  # noqa: PTH208


def test_a_uri_of_a_file_is_read_as_sqlalchemy_reads_it(
    empty_database: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "a b%20"
    folder.mkdir()
    shutil.copyfile(empty_database, folder / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/a%20b%2520/mlflow.db"
    open_tracking(
        uri, experiment="lab", artifacts=tmp_path / "elsewhere" / "mlartifacts", say=print
    )
    assert os.listdir(tmp_path) == [folder.name]  # noqa: PTH208


@pytest.mark.parametrize("move", [Path.rename, shutil.copytree], ids=["moved", "copied"])
def test_artifacts_follow_a_workspace(
    move: Any, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    first = open_again(Path(shutil.copyfile(empty_database, old / "mlflow.db")))
    parent = first.study_run("s", study_id="s1")
    first.finish_study(status="KILLED", artifacts={"a.txt": "old"})
    with contextlib.closing(sqlite3.connect(old / "mlflow.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    move(old, new)
    monkeypatch.chdir(new)  # as `mlflow ui` there
    client = MlflowClient(f"sqlite:///{new / 'mlflow.db'}")
    assert Path(client.download_artifacts(parent, "a.txt")).read_text() == "old"
    later = open_again(new / "mlflow.db")
    assert later.study_run("s", study_id="s1") == parent
    later.finish_study(status="FINISHED", artifacts={"a.txt": "new"})
    assert Path(client.download_artifacts(parent, "a.txt")).read_text() == "new"
    kept = old / "mlartifacts" / parent / "artifacts" / "a.txt"
    assert not kept.exists() or kept.read_text() == "old"


def test_places_of_artifacts_that_an_earlier_version_wrote_become_relative_and_no_others(
    database: Path, tracking: "Tracking", client: "MlflowClient"
) -> None:
    ours = tracking.study_run("s", study_id="s1")
    theirs = client.create_experiment("theirs", "file:///data/mlartifacts")
    of_theirs = client.create_run(theirs).info
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = 'file:///gone/mlartifacts' "
            "WHERE experiment_id = ?",
            (tracking.experiment_id,),
        )
        connection.execute(
            "UPDATE runs SET artifact_uri = 'file:///gone/mlartifacts/' || run_uuid || '/artifacts'"
            "WHERE run_uuid = ?",
            (ours,),
        )
    open_again(database)
    assert client.get_run(ours).info.artifact_uri == f"mlartifacts/{ours}/artifacts"
    assert client.get_experiment(tracking.experiment_id).artifact_location == "mlartifacts"
    assert client.get_run(of_theirs.run_id).info.artifact_uri == of_theirs.artifact_uri
    assert client.get_experiment(theirs).artifact_location == "file:///data/mlartifacts"


def test_a_run_is_closed_although_its_artifacts_cannot_be_written(
    database: Path, tracking: "Tracking", client: "MlflowClient"
) -> None:
    parent = tracking.study_run("s", study_id="s1")
    (database.parent / "mlartifacts").write_text("in the way")
    with pytest.raises(TrackingError, match="the study's run could not be closed"):
        tracking.finish_study(status="FINISHED", artifacts={"a.txt": "x"})
    assert client.get_run(parent).info.status == "FINISHED"


def test_what_a_killed_driver_left_of_a_half_built_database_is_removed(
    database: Path, tmp_path: Path
) -> None:
    for name in (".mlflow.db.123.part", ".mlflow.db.123.part-journal"):
        (tmp_path / name).touch()
    open_again(database)
    assert not [path.name for path in tmp_path.iterdir() if ".part" in path.name]


def test_an_empty_database_is_built_anew_and_takes_nothing_of_the_old_log(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.touch()
    (tmp_path / "mlflow.db-wal").write_bytes(b"of another database")
    parent = open_again(file).study_run("s", study_id="s1")
    assert open_again(file).study_run("s", study_id="s1") == parent


def test_a_database_of_another_mlflow_is_an_error_that_says_what_to_do(
    empty_database: Path, tmp_path: Path
) -> None:
    database = Path(shutil.copyfile(empty_database, tmp_path / "newer.db"))
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_2031'")
    with pytest.raises(TrackingError, match=r"from_2031(.|\n)*mlflow db upgrade"):
        open_again(database)


def test_a_damaged_database_of_a_workspace_is_put_aside_and_one_elsewhere_is_left_alone(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("my notes, not a database " * 100)
    with pytest.raises(TrackingError, match=r"mlflow\.db: MLflow's database cannot be written"):
        open_tracking(
            f"sqlite:///{file}", experiment="e", artifacts=tmp_path / "ws" / "x", say=print
        )
    assert file.read_text().startswith("my notes")
    said: list[str] = []
    open_again(file, say=said.append)
    assert said == [f"{file} was damaged (now mlflow.db.damaged-0); a new one was made"]
    assert (tmp_path / "mlflow.db.damaged-0").read_text().startswith("my notes")


def test_a_folder_that_cannot_be_written_is_an_error() -> None:
    # /proc refuses new files to everyone; root may write into a folder with mode 0o500
    with pytest.raises(TrackingError, match=r"/proc/mlflow\.db: .* cannot be written"):
        open_again(Path("/proc/mlflow.db"))


def test_a_server_that_does_not_answer_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"cannot be reached at 127\.0\.0\.1:9"):
        open_tracking("http://127.0.0.1:9", experiment="lab", artifacts=tmp_path, say=print)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "mysql+pymysql://127.0.0.1:9/db", "postgresql:///db?host=/none"]
)
def test_a_study_goes_on_without_a_server_that_does_not_answer(uri: str, tmp_path: Path) -> None:
    said: list[str] = []
    tracking = open_tracking(
        uri, experiment="lab", artifacts=tmp_path, say=said.append, endures=True
    )
    assert tracking.experiment_id == ""
    [told] = said
    assert told.startswith("MLflow cannot be reached at ")
    assert "The study goes on" in told


def test_a_host_that_nobody_knows_is_an_error_unless_the_study_was_there(tmp_path: Path) -> None:
    said: list[str] = []
    typo = functools.partial(
        open_tracking,
        "http://mlflow..lab:5000",
        experiment="lab",
        artifacts=tmp_path,
        say=said.append,
        endures=True,
    )
    with pytest.raises(TrackingError, match=r"at mlflow\.\.lab:5000 .* correct the address"):
        typo()
    assert typo(was_there=True).experiment_id == ""
    assert len(said) == 1


@pytest.mark.parametrize("uri", ["http://127.0.0.1:99999", "postgresql://127.0.0.1:99999/db"])
def test_an_address_that_is_none_is_an_error_for_everyone(uri: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="Port out of range"):
        open_tracking(
            uri, experiment="lab", artifacts=tmp_path, say=print, endures=True, was_there=True
        )


class _Unavailable(BaseHTTPRequestHandler):
    """Answers as a proxy does whose MLflow server is dead."""

    def do_GET(self) -> None:
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        self.send_error(503)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("own_setting", "requests"), [(None, 3), ("0", 1)])
def test_a_server_that_died_is_given_up_after_a_few_requests(
    own_setting: str | None, requests: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")  # the pauses between requests
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    if own_setting is None:
        monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    else:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", own_setting)
    with HTTPServer(("127.0.0.1", 0), _Unavailable) as server:
        seen: list[str] = []
        server.requests = seen  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(TrackingError, match=r"does not answer\. Start the server"):
                open_tracking(
                    f"http://127.0.0.1:{server.server_port}",
                    experiment="lab",
                    artifacts=tmp_path,
                    say=print,
                )
        finally:
            server.shutdown()
            thread.join()
    assert len(seen) == requests


def test_a_silent_server_is_waited_for_ten_seconds_a_request_unless_the_user_says_otherwise(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    open_again(database)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "10"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")
    open_again(database)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "300"


@pytest.mark.parametrize("uri", ["./mlruns", "sqlite:///:memory:", "sqlite://"])
def test_a_uri_that_names_no_store_is_an_error(uri: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="sqlite:///"):
        open_tracking(uri, experiment="lab", artifacts=tmp_path, say=print)


def test_a_password_that_was_stored_once_is_never_shown(tmp_path: Path) -> None:
    uri = "unknown+driver://me:hunter2@host/db?sslpassword=hunter2"
    with pytest.raises(TrackingError, match=r"unknown\+driver://me:\*\*\*@host") as refused:
        open_tracking(uri, experiment="lab", artifacts=tmp_path, say=print)
    assert "hunter2" not in str(refused.value)


def test_the_database_uses_write_ahead_mode_on_a_local_disk(
    database: Path, tracking: "Tracking"
) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_two_drivers_that_open_a_fresh_database_at_once_share_it_and_say_nothing(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "ärger mit Leerzeichen"
    program = (
        "import sys; from pathlib import Path; import sweeper.store.tracking as t; "
        "assert 'mlflow' not in sys.modules; "
        f"t = t.open_tracking(Path({str(folder / 'mlflow.db')!r}), experiment='e', "
        "artifacts=Path('a'), say=print); print(t.experiment_id)"
    )
    drivers = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    first, second = (driver.communicate(timeout=300) for driver in drivers)
    assert first == second == ("1\n", "")
    assert sorted(path.name for path in folder.iterdir()) == [".mlflow.db.lock", "mlflow.db"]


def test_a_database_that_stays_locked_is_told_with_its_file_and_no_sql(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow.exceptions import MlflowException

    from sweeper.store.patience import Patience
    from sweeper.store.tracking.opening import _PatientClient

    class Locked:
        tries = 0

        def get_run(self, run_id: str) -> str:
            self.tries += 1
            if self.tries < 3 or run_id == "never":
                raise MlflowException("(sqlite3.OperationalError) database is locked\n[SQL: x]")
            return run_id

    said: list[str] = []
    passed = iter(range(0, 10_000, 30))
    patience = Patience(
        name="mlflow.db", say=said.append, clock=lambda: next(passed), sleep=lambda _: None
    )
    client: Any = _PatientClient(Locked(), patience)  # type: ignore[arg-type]
    assert client.get_run("run") == "run"
    assert said == ["mlflow.db is locked by another program; waiting up to 120 s for it"]
    with pytest.raises(TrackingError, match=r"mlflow\.db has been locked .* for 120 s; close") as e:
        client.get_run("never")
    assert "SQL" not in str(e.value)


def test_a_report_is_attached_to_the_study_and_changes_nothing_else(
    tracking: "Tracking",
    client: "MlflowClient",
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(database.parent)
    parent = tracking.study_run("kl_lr", study_id="abc", description="how far?")
    tracking.finish_study(status="FINISHED")
    later = open_again(database, now=2000.0)
    files = {"report/report.en.md": "# Study"}
    assert later.attach("kl_lr", study_id="abc", artifacts=files, note="better")
    run = client.get_run(parent)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 1_000_000)
    assert run.data.tags["mlflow.note.content"] == "better"
    assert [file.path for file in client.list_artifacts(parent, "report")] == list(files)
    assert later.attach("kl_lr", study_id="abc", artifacts={})
    assert client.get_run(parent).data.tags["mlflow.note.content"] == "better"
    assert not later.attach("kl_lr", study_id="another", artifacts=files)


def test_a_trial_that_has_ended_is_written_at_once_as_if_it_had_been_opened_and_finished(
    tracking: "Tracking", client: "MlflowClient", database: Path
) -> None:
    parent = tracking.study_run("kl_lr", study_id="abc")
    told: dict[str, Any] = {
        "score": 0.75,
        "parts": {"shot_1": 0.5, "b": 1.0},
        "params": {"lr": 1e-3},
    }
    tags = {"sweeper.origin": "shared prefix"}
    at_once = tracking.ended_trial(parent, name="trial 7@2", tags=tags, ended=900.0, **told)
    opened = tracking.trial_run(parent, name="trial 8", params=told["params"], tags=tags)
    tracking.finish_trial(opened, status="FINISHED", score=0.75, parts=told["parts"], ended=900.0)
    one, other = client.get_run(at_once), client.get_run(opened)
    assert one.data.metrics == other.data.metrics
    assert one.data.params == other.data.params
    assert one.info.status == other.info.status == "FINISHED"
    assert one.info.end_time == other.info.end_time
    assert one.data.tags.keys() == other.data.tags.keys()
    assert latest_metrics(database, at_once)[0][0] == "score"
    again = tracking.ended_trial(parent, name="trial 7@2", tags=tags, ended=900.0, **told)
    assert again == at_once
    assert history(client, at_once, "score") == [(0, 0.75, 900_000)]


@pytest.mark.parametrize(
    "said",
    ["(sqlite3.OperationalError) database or disk is full", "[Errno 28] No space left on device"],
)
def test_a_full_disk_is_told_with_what_to_do(said: str) -> None:
    from mlflow.exceptions import MlflowException

    from sweeper.store.tracking.writer import explained

    told = pytest.raises(TrackingError, match=r"^MLflow: epochs: the disk is full; free some space")
    with told, explained("epochs"):
        raise MlflowException(f"{said}\n(Background on this error at: https://sqlalche.me)")
