"""Trials that someone cancels from another terminal, with and without a driver at work."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fakes.instant_launcher import InstantLauncher
from fakes.run_fake_study import run_here
from fakes.waiting import wait_for
from mlflow import MlflowClient

from sweeper.cli import cli
from sweeper.launchers.jobs import JobId, JobRequest
from sweeper.records import State, TrialRecord, TrialState
from sweeper.running.session import run_study
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace

RUN = [sys.executable, str(Path(__file__).parents[1] / "fakes" / "run_fake_study.py")]
STUDY = """\
name: long
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: "${epochs}"}}]
parameters:
  lr: {values: [1e-4, 1e-3]}
  epochs: {values: [1, 1000]}
enqueue: [{lr: 1e-4, epochs: 1000}, {lr: 1e-3, epochs: 1}]
trials: 2
"""
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def study(tmp_path: Path, database: Path) -> Path:
    path = tmp_path / "long.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def start(study: Path) -> Iterator[Start]:
    """Starts a driver on two slots whose epochs take so many seconds."""
    drivers = []

    def one(seconds: float) -> "subprocess.Popen[bytes]":
        drivers.append(
            subprocess.Popen(
                [*RUN, str(study), str(study.parent), "2"],
                env={**os.environ, "FAKE_SECONDS": str(seconds)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return drivers[-1]

    yield one
    for driver in drivers:
        driver.kill()
        driver.wait()


class Cancels(InstantLauncher):
    """Trial 1 is cancelled while it runs."""

    def submit(self, request: JobRequest) -> JobId:
        if request.folder.name == "0001":
            StudyFolder(request.folder.parents[1], request.folder).ask_to_cancel(1)
        return super().submit(request)


class Silent:
    def say(self, line: str) -> None:
        """Nobody listens."""

    def show(self, state: State) -> None:
        """Nobody looks."""


def folder_of(study: Path) -> StudyFolder:
    return Workspace(study.parent).study("long")


def record(study: Path, number: int) -> TrialRecord:
    return read_study(folder_of(study))[1][number]


def asks(study: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--workspace", str(study.parent), *arguments])


def at_work(study: Path) -> int:
    return len(folder_of(study).read_state().get("running", ()))


def is_shown_as_cancelled(study: Path) -> None:
    told = record(study, 0)
    assert (told.state, told.notes.reason) == (TrialState.PRUNED, "cancelled")
    assert "  reason          cancelled\n" in asks(study, "show", "long", "0").output
    assert "  cancelled: trials 0" in asks(study, "status", "long").output
    client = MlflowClient(f"sqlite:///{study.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("long")
    assert experiment is not None
    runs = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
    assert runs["trial 0"].info.status == "FINISHED"
    assert runs["trial 0"].data.tags["sweeper.reason"] == "cancelled"
    assert folder_of(study).asked_to_cancel() == set()


def test_a_trial_at_work_is_cancelled_and_the_study_goes_on_to_its_end(
    study: Path, start: Start
) -> None:
    driver = start(0.1)
    wait_for(lambda: at_work(study) == 1 and record(study, 1).state is TrialState.COMPLETE)
    done = asks(study, "cancel", "long", "0")
    assert done.output == ("these leave after the epoch in hand: trials 0\ntrial 0 is cancelled\n")
    assert driver.wait(60) == 0
    is_shown_as_cancelled(study)
    again = asks(study, "cancel", "long", "0")
    assert again.exit_code == 2
    assert "trial 0 is cancelled; only what runs" in again.output
    assert asks(study, "retry", "long", "--failed").output == "no trial failed so\n"


def test_a_cancelled_trial_is_not_taken_on_after_a_driver_that_was_killed(
    study: Path, start: Start
) -> None:
    driver = start(600)
    wait_for(lambda: at_work(study) == 2)
    folder_of(study).ask_to_cancel(0)
    wait_for(lambda: (folder_of(study).trial(0) / "stop").exists())
    driver.kill()
    driver.wait()
    assert "cancelled as soon as a driver" in asks(study, "show", "long", "0").output
    assert asks(study, "cancel", "long", "0").output == (
        "no driver works on 'long': the next `sweeper run` takes on none of: 0\n"
    )
    folder_of(study).ask_to_cancel(7)  # of no trial: forgotten
    done = run_here(study)
    assert done.returncode == 0, done.stderr
    assert "trial 0 pruned (cancelled)" in done.stdout
    assert not (folder_of(study).trial(0) / "metrics.jsonl").read_text()
    is_shown_as_cancelled(study)


def test_a_cancelled_trial_that_fails_is_no_failure(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DOWN", "1")
    study.write_text(
        STUDY.replace("1000}, {", "1}, {") + "retry: {judge: 1}\nlimits: {failures: 1}\n"
    )
    summary = run_study(
        study,
        workspace=Workspace(study.parent),
        open_launcher=lambda config, folder: Cancels(),
        progress=Silent(),
    )
    assert summary.exit_code == 0
    assert record(study, 1).is_cancelled
