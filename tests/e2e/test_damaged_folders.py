"""Studies whose folders were damaged between two runs: what can be known is used, the rest done."""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fakes.run_fake_study import run_here

from sweeper.outcomes import METRICS, RESULT, Check, read_result
from sweeper.records import TrialRecord
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace

STUDY = """\
name: damaged
trainer:
  policy: {hidden_dim: 16}
  evaluate: {questions: 32, holdout: 32, remember: never}
  phases:
    - rce: {epochs: 1, lr: 3e-3, batch_size: 8}
    - grpo: {rollouts: recorded, lr: "${lr}", epochs: 2, batch_size: 8}
parameters:
  lr: {values: [1e-3, 2e-3, 4e-3]}
baseline: {lr: 1e-3}
enqueue: [{lr: 2e-3}, {lr: 4e-3}]
"""


def run(root: Path, *, trials: int) -> str:
    study = root / "damaged.yaml"
    study.write_text(f"{STUDY}trials: {trials}\n")
    done = run_here(study, slots=1, options=("--trainer=toy_trainer.py",))
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout


def folder_of(root: Path) -> StudyFolder:
    return Workspace(root).study("damaged")


def told(root: Path) -> list[dict[str, Any]]:
    def row(record: TrialRecord) -> dict[str, Any]:
        told = record.notes.to_json()
        own = {key: told.get(key) for key in ("stage", "evaluation", "epochs_trained")}
        own |= {"needed": record.notes.calls and record.notes.calls.needed}
        return {"score": record.score, "intermediate": dict(record.intermediate), **own}

    return [row(record) for record in read_study(folder_of(root))[1]]


def open_again(folder: StudyFolder, number: int) -> None:
    """Make a trial one that the driver was killed with before it could tell its end."""
    with contextlib.closing(sqlite3.connect(folder.database)) as connection, connection:
        [(row,)] = connection.execute("SELECT trial_id FROM trials WHERE number = ?", (number,))
        connection.execute("UPDATE trials SET state = 'RUNNING' WHERE trial_id = ?", (row,))
        for table in ("trial_values", "trial_intermediate_values"):
            connection.execute(f"DELETE FROM {table} WHERE trial_id = ?", (row,))
        connection.execute(
            "DELETE FROM trial_user_attributes WHERE key = 'ended' AND trial_id = ?", (row,)
        )


@pytest.fixture(scope="module")
def whole(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that has done two trials."""
    root = tmp_path_factory.mktemp("whole")
    shutil.copyfile(empty_database, root / "mlflow.db")
    run(root, trials=2)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(whole / "mlflow.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(shutil.copytree(whole, tmp_path / "copy"))


@pytest.mark.parametrize("what", ["of a trial", "null", "no object"])
def test_controls_that_are_another_thing_are_scored_again(root: Path, what: str) -> None:
    controls = folder_of(root).controls / RESULT
    before = json.loads(controls.read_text())
    null = {**before, "controls": {"random": {"score": 0.5, "accuracy": {"1": None}}}}
    others = folder_of(root).trial(0) / RESULT
    damaged = {"of a trial": others.read_text(), "null": json.dumps(null), "no object": "[]"}
    controls.write_text(damaged[what])
    (folder_of(root).controls / "data.json").write_text('{"lines": 5}')
    run(root, trials=3)
    check = read_result(folder_of(root).controls)
    assert isinstance(check, Check)
    again = json.loads(controls.read_text())
    assert again["controls"] == before["controls"]
    assert len(told(root)) == 3


@pytest.mark.parametrize("damage", ["nothing", "lines", "result", "of another", "both"])
def test_an_open_trial_ends_as_it_would_have_whatever_befell_its_files(
    root: Path, damage: str
) -> None:
    before, folder = told(root), folder_of(root)
    open_again(folder, 1)
    trial = folder.trial(1)
    lines = (trial / METRICS).read_bytes().splitlines(keepends=True)
    if damage in ("lines", "both"):
        (trial / METRICS).write_bytes(b"".join([lines[0], b"\0" * 80 + b"\n", *lines[2:]]))
    if damage == "result":
        (trial / RESULT).write_text('{"score": 0.5, "accuracy": {"1": null}}')
    if damage in ("of another", "both"):
        (trial / RESULT).write_bytes((folder.trial(0) / RESULT).read_bytes())
    run(root, trials=2)
    assert told(root) == before
    assert len((trial / METRICS).read_bytes().splitlines()) == len(lines)
