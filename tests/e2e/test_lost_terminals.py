"""A study and what it writes to: a terminal, a pipe, files for people. None of them stops it."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes.run_fake_study import run_here

from sweeper.cli import cli
from sweeper.records import TrialState
from sweeper.running.recorder import Recorder
from sweeper.store.reading import read_study
from sweeper.store.workspace import Workspace

RUN = [sys.executable, str(Path(__file__).parents[1] / "fakes" / "run_fake_study.py")]
STUDY = """\
name: tiny
trainer:
  phases:
    - grpo: {lr: "${lr}", kl_beta: 0.1, epochs: 2}
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
sampler: {name: random}
trials: 6
"""
SLOW = {"FAKE_SECONDS": "0.15"}
HELD = {"FAKE_HOLD": "3"}  # it has something in hand until it is asked to stop


@pytest.fixture
def study(tmp_path: Path, database: Path) -> Path:
    path = tmp_path / "here" / "tiny.yaml"
    path.parent.mkdir()
    database.rename(path.parent / "mlflow.db")
    path.write_text(STUDY)
    return path


def command(study: Path) -> list[str]:
    return [*RUN, str(study), str(study.parent), "2"]


def told(workspace: Path) -> list[tuple[object, ...]]:
    records = read_study(Workspace(workspace).study("tiny"))[1]
    return [(r.number, dict(r.params), r.state, r.score, dict(r.intermediate)) for r in records]


def statuses(workspace: Path) -> dict[str, str]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{workspace / 'mlflow.db'}")
    [experiment] = client.search_experiments(filter_string="name = 'tiny'")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return {run.info.run_name or "": run.info.status for run in runs}


def undisturbed(tmp_path: Path, empty_database: Path) -> list[tuple[object, ...]]:
    other = tmp_path / "undisturbed" / "tiny.yaml"
    other.parent.mkdir()
    (other.parent / "mlflow.db").write_bytes(empty_database.read_bytes())
    other.write_text(STUDY)
    assert run_here(other).returncode == 0
    return told(other.parent)


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not is_so():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def has_trials(study: Path, count: int) -> Callable[[], bool]:
    trials = study.parent / "sweeps" / "tiny" / "trials"
    return lambda: len(list(trials.glob("*/result.json"))) >= count


def in_a_terminal(
    study: Path, variables: dict[str, str] = SLOW, **options: object
) -> tuple[subprocess.Popen[bytes], int]:
    ours, its = pty.openpty()
    process = subprocess.Popen(
        command(study),
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        env={**os.environ, **variables, "TERM": "xterm"},
        **options,  # type: ignore[call-overload]
    )
    os.close(its)
    return process, ours


def read_until(terminal: int, is_so: Callable[[], bool]) -> None:
    """Show what is written until then, as a terminal does: a full one would block the writer."""
    os.set_blocking(terminal, False)

    def look() -> bool:
        with contextlib.suppress(BlockingIOError):
            os.read(terminal, 2**16)
        return is_so()

    wait_for(look)


def finish(study: Path) -> None:
    assert run_here(study).returncode == 0
    assert set(statuses(study.parent).values()) == {"FINISHED"}


def test_a_closed_terminal_interrupts_the_study_and_loses_nothing(
    study: Path, tmp_path: Path, empty_database: Path
) -> None:
    process, terminal = in_a_terminal(study, HELD)
    read_until(terminal, has_trials(study, 2))
    os.close(terminal)
    os.kill(process.pid, signal.SIGHUP)  # as the shell does that ran it
    assert process.wait(60) == 130
    state = json.loads((study.parent / "sweeps" / "tiny" / "state.json").read_text())
    assert state["state"] == "interrupted"
    assert all(row[2] is not TrialState.FAILED for row in told(study.parent))
    finish(study)
    assert told(study.parent) == undisturbed(tmp_path, empty_database)


def test_without_a_signal_a_closed_terminal_does_not_matter(
    study: Path, tmp_path: Path, empty_database: Path
) -> None:
    process, terminal = in_a_terminal(study)
    read_until(terminal, has_trials(study, 1))
    os.close(terminal)
    assert process.wait(60) == 0
    assert set(statuses(study.parent).values()) == {"FINISHED"}
    assert told(study.parent) == undisturbed(tmp_path, empty_database)


def test_under_nohup_a_study_outlives_its_terminal(study: Path) -> None:
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    process, terminal = in_a_terminal(study, preexec_fn=ignore)
    read_until(terminal, has_trials(study, 1))
    os.close(terminal)
    os.kill(process.pid, signal.SIGHUP)
    assert process.wait(60) == 0
    assert len(told(study.parent)) == 6


def test_output_that_cannot_be_written_does_not_matter(study: Path) -> None:
    reader, target = os.pipe()
    os.close(reader)
    done = subprocess.run(command(study), stdout=target, stderr=subprocess.PIPE, check=False)
    os.close(target)
    assert done.returncode == 0
    assert done.stderr.decode().count("nothing more can be shown here") == 1
    assert "Traceback" not in done.stderr.decode()
    assert set(statuses(study.parent).values()) == {"FINISHED"}


def test_a_state_that_cannot_be_written_is_said_once(study: Path) -> None:
    state = study.parent / "sweeps" / "tiny" / "state.json"
    state.mkdir(parents=True)
    done = run_here(study)
    assert done.returncode == 0
    assert done.stdout.count("shows an older state") == 1
    assert set(statuses(study.parent).values()) == {"FINISHED"}
    assert not list(state.parent.glob("*.part"))


def test_a_workspace_that_is_renamed_halts_the_study(
    study: Path, tmp_path: Path, empty_database: Path
) -> None:
    process = subprocess.Popen(
        command(study),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **SLOW},
    )
    wait_for(has_trials(study, 2))
    there = study.parent.rename(tmp_path / "there")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "is not there any more" in said.decode()
    assert "Traceback" not in said.decode()
    assert not study.parent.exists()
    finish(there / study.name)
    assert told(there) == undisturbed(tmp_path, empty_database)


def test_ctrl_c_however_often_ends_in_a_line(study: Path) -> None:
    process = subprocess.Popen(
        command(study),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **HELD},
    )
    wait_for(has_trials(study, 1))
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said.decode()
    assert "Traceback" not in said.decode()
    assert "RUNNING" not in statuses(study.parent).values()
    finish(study)


def test_a_trial_that_was_told_stays_told_wherever_the_driver_is_cut_off(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_prefixes = Recorder.add_prefixes

    def cut_off(recorder: Recorder) -> None:
        add_prefixes(recorder)
        if any(row[2] is TrialState.COMPLETE for row in told(study.parent)):
            raise RuntimeError("cut off")

    monkeypatch.setattr(Recorder, "add_prefixes", cut_off)
    with pytest.raises(RuntimeError, match="cut off"):
        run_here(study)
    [done] = [row[0] for row in told(study.parent) if row[2] is TrialState.COMPLETE]
    assert statuses(study.parent)[f"trial {done}"] == "FINISHED"
    monkeypatch.undo()
    finish(study)


def test_sweeper_stop_ends_a_study_as_ctrl_c_does(study: Path) -> None:
    process = subprocess.Popen(
        command(study), stdout=subprocess.DEVNULL, env={**os.environ, **HELD}
    )
    wait_for(has_trials(study, 1))
    options = ["--workspace", str(study.parent), "stop", "tiny"]
    done = CliRunner().invoke(cli, options)
    assert (done.exit_code, process.wait(60)) == (0, 130)
    assert done.output.endswith("tiny has stopped\n")
    assert "RUNNING" not in statuses(study.parent).values()
    finish(study)
    assert "there is nothing to stop" in CliRunner().invoke(cli, options).output
