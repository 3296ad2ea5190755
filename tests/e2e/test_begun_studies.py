"""Studies that go on with another file than they were begun with."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.run_fake_study import run_here
from fakes.waiting import wait_for

from sweeper.records import TrialRecord
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace

RUN = [sys.executable, str(Path(__file__).parents[1] / "fakes" / "run_fake_study.py")]
STUDY = """\
name: begun
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: "${epochs}"}}]
parameters:
  lr: {values: [1e-4, 2e-4, 4e-4, 8e-4, 1e-3, 2e-3, 4e-3, 8e-3]}
  epochs: {min: 1, max: 3, fidelity: true}
sampler: {name: random}
lag: 2
"""
SETTINGS = ["{lr: 1e-4, epochs: 2}", "{lr: 1e-3, epochs: 2}", "{lr: 1e-4, epochs: 1}"]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, empty_database: Path) -> Write:
    """Writes the study file, in a workspace of its own by this name."""

    def write_one(name: str, *, trials: int, enqueued: int, more: str = "") -> Path:
        root = tmp_path / name
        if not root.exists():
            root.mkdir()
            shutil.copyfile(empty_database, root / "mlflow.db")
        path = root / "begun.yaml"
        enqueue = ", ".join(SETTINGS[:enqueued])
        path.write_text(f"{STUDY}trials: {trials}\nenqueue: [{enqueue}]\n{more}")
        return path

    return write_one


def folder_of(path: Path) -> StudyFolder:
    return Workspace(path.parent).study("begun")


def records(path: Path) -> list[TrialRecord]:
    return read_study(folder_of(path))[1]


def told(path: Path) -> list[tuple[Any, ...]]:
    return [
        (r.name, dict(r.params), r.state, r.score, r.notes.proposed, r.notes.origin, r.notes.source)
        for r in records(path)
    ]


def test_a_study_that_is_extended_and_killed_ends_as_one_that_is_extended(write: Write) -> None:
    path = write("whole", trials=4, enqueued=1)
    assert run_here(path).returncode == 0
    before = told(path)
    shutil.copytree(path.parent, path.parent.with_name("killed"))
    more = "limits: {stall: 1h}\nretry: {judge: 5}\nstop: {no_gain: 50}\n"
    whole, killed = (write(name, trials=9, enqueued=3, more=more) for name in ("whole", "killed"))
    done = run_here(whole)
    assert done.returncode == 0, done.stderr
    assert "2 enqueued settings are new: tried next, as far as 9 trials allow" in done.stdout
    driver = subprocess.Popen(
        [*RUN, str(killed), str(killed.parent), "2"],
        env={**os.environ, "FAKE_SECONDS": "0.2"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: len([r for r in records(killed) if r.prefix is None]) > 5)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert run_here(killed).returncode == 0
    assert told(killed) == told(whole)
    proposed = [r.notes.proposed for r in records(whole) if r.prefix is None]
    assert proposed == ["enqueued", *["sampled"] * 3, *["enqueued"] * 2, *["sampled"] * 3]
    assert told(whole)[: len(before)] == before


def test_a_file_that_replaces_an_enqueued_setting_is_refused_with_the_reason(write: Write) -> None:
    path = write("study", trials=1, enqueued=1)
    assert run_here(path).returncode == 0
    path.write_text(path.read_text().replace("{lr: 1e-4, epochs: 2}", "{lr: 1e-4, epochs: 3}"))
    done = run_here(path)
    assert done.returncode == 2
    assert "enqueue[0].epochs: 2 -> 3\n" in done.stderr
    assert "Further settings go to the end of `enqueue`." in done.stderr


def test_a_setting_that_one_at_work_may_answer_waits_for_it(write: Write) -> None:
    path = write("study", trials=3, enqueued=3)
    path.write_text(path.read_text().replace("lag: 2", "lag: 1"))
    assert run_here(path, slots=3, FAKE_SECONDS="0.2").returncode == 0
    last = records(path)[-1]
    assert (last.name, last.notes.origin, last.notes.source) == (2, "cached", 0)


def test_a_study_notifies_where_it_halts_and_at_its_end(write: Write) -> None:
    path = write("study", trials=1, enqueued=1)
    assert run_here(path).returncode == 0
    told = path.with_name("told")
    path.with_name("tell.sh").write_text(f'echo "$SWEEPER_STATE: $SWEEPER_MESSAGE" >> "{told}"\n')
    path = write("study", trials=2, enqueued=2, more="notify: sh tell.sh\n")
    assert run_here(path, FAKE_FULL_DISK="0.001").returncode == 1
    assert run_here(path).returncode == 0
    halted, *_, finished = told.read_text().splitlines()
    assert halted.startswith("failed: trial 1: [Errno 28] No space left on device")
    assert finished.startswith("finished: begun: 2 complete of 2 trials")
