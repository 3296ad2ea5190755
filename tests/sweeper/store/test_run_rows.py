import contextlib
import math
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.epochs import epoch_of

from sweeper.store.tracking import open_tracking
from sweeper.store.tracking.run_rows import Place, Written, read_runs

if TYPE_CHECKING:
    from sweeper.store.tracking.runs import StudyRuns


@pytest.fixture
def tracking(database: Path) -> "StudyRuns":
    """Of a study that has a run of each kind, beside another one's."""
    tracking = open_tracking(
        database,
        experiment="lab",
        artifacts=database.parent / "mlartifacts",
        say=print,
        now=lambda: 1000.0,
    ).open()
    other = tracking.study_run("s", study_id="s2")
    tracking.trial_run(other, name="trial 0", params={"lr": 0.5})
    parent = tracking.study_run("s", study_id="s1", params={"seed": 0})
    whole = tracking.trial_run(parent, name="trial 0", params={"lr": 0.1, "decay rate": "1/2"})
    tracking.trial_run(whole, name="trial 0 seed 1")
    tracking.log_epochs(whole, [epoch_of(1, score=0.25), epoch_of(2, score=0.5)])
    tracking.finish_trial(
        whole, status="FINISHED", score=1 / 3, metrics={"inf": math.inf, "nan": math.nan, "n": 2}
    )
    failed = tracking.trial_run(parent, name="trial 1")
    tracking.finish_trial(failed, status="FAILED")
    deleted = tracking.trial_run(parent, name="trial 2")
    tracking._client.delete_run(deleted)
    tracking._client.create_run(  # as two drivers at once might leave it
        tracking.experiment_id, 500, {"sweeper.study_id": "s1", "sweeper.run": "s"}
    )
    return tracking


def found_by(tracking: "StudyRuns", *, file: Path | None) -> dict[Place, Written]:
    """What another driver finds; without a file MLflow's own client says it, as of a server."""
    from sweeper.store.tracking.runs import StudyRuns

    other = StudyRuns(tracking._client, tracking.experiment_id, now=lambda: 0.0, file=file)
    other._runs.turn_to("s", "s1")
    return other.written()


def plain(found: dict[Place, Written]) -> str:
    """In an order of its own, and with a NaN that is equal to itself."""
    return str({place: (*_parts(run),) for place, run in sorted(found.items())})


def _parts(run: Written) -> tuple[object, ...]:
    return run.run_id, run.status, sorted(run.params), sorted(run.metrics.items())


def test_runs_are_read_from_the_tables_as_mlflows_client_reads_them(
    tracking: "StudyRuns", database: Path
) -> None:
    found = read_runs(database, tracking.experiment_id, "s1")
    assert found is not None
    assert plain(found) == plain(found_by(tracking, file=None))
    assert sorted(name for _, name in found) == ["s", "trial 0", "trial 0 seed 1", "trial 1"]
    [whole] = [run for (_, name), run in found.items() if name == "trial 0"]
    assert whole.metrics["grpo/score"] == 0.5
    assert math.isnan(whole.metrics["nan"])


def test_tables_that_are_not_todays_are_left_to_mlflows_client(
    tracking: "StudyRuns", database: Path
) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE latest_metrics RENAME COLUMN is_nan TO nan")
    assert read_runs(database, tracking.experiment_id, "s1") is None


def test_where_the_tables_cannot_be_read_the_client_is_asked(
    tracking: "StudyRuns", tmp_path: Path
) -> None:
    found = found_by(tracking, file=tmp_path / "no such folder" / "mlflow.db")
    assert plain(found) == plain(found_by(tracking, file=None))
    assert len(found) == 4


def test_a_study_without_runs_has_none(tracking: "StudyRuns", database: Path) -> None:
    assert read_runs(database, tracking.experiment_id, "s3") == {}
