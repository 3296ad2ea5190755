"""What a trainer does wrong, and what becomes of it: class, jobs, trial, study."""

from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from fakes.bad_trainer import FAULTS
from fakes.run_fake_study import run_here

from sweeper.records import TrialState
from sweeper.store.reading import read_study
from sweeper.store.status import study_state
from sweeper.store.workspace import Workspace

STUDY = """\
name: bad
trainer:
  phases: [{grpo: {lr: "${lr}"}}]
parameters:
  lr: {values: [0.001, 0.002, 0.004]}
baseline: {lr: 0.001}
enqueue: [{lr: 0.002}, {lr: 0.004}]
trials: 3
"""


class Fate(NamedTuple):
    failure: str | None  # class of the trial; None: it is complete
    jobs: int = 1  # that were started for it
    exit_code: int = 1  # of the study
    state: TrialState = TrialState.FAILED
    limits: str = "{}"


ENDED = Fate(None, exit_code=0, state=TrialState.COMPLETE)
FATES = {
    "exits with 1": Fate("error", jobs=2),
    "exits with 0": Fate("bad_result", jobs=2),
    "segmentation fault": Fate("error", jobs=2),
    "killed": Fate("killed", jobs=3),
    "asked to leave": Fate("preempted", jobs=10),
    "CUDA out of memory": Fate("out_of_memory", jobs=3),
    "MemoryError": Fate("out_of_host_memory", jobs=3),
    "loss is NaN": Fate("not_finite"),
    "judge fails": Fate("judge", jobs=2),
    "no data": Fate("input"),
    "disk is full": Fate(None, state=TrialState.RUNNING),  # halts the study, and is tried again
    "NaN in an epoch": Fate("bad_result", jobs=2),
    "NaN as a score": Fate("bad_result", jobs=2),
    "hangs": Fate("stall", jobs=2, limits="{stall: 3s, grace: 1s}"),
    "floods": ENDED,
    "forks": ENDED,
}


def mlflow_runs(root: Path) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("bad")
    assert experiment is not None
    return {run.info.run_name or "": run for run in client.search_runs([experiment.experiment_id])}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_trainer_has_its_class_and_its_jobs_and_the_study_ends(
    tmp_path: Path, database: Path, fault: str
) -> None:
    fate = FATES[fault]
    study = tmp_path / "bad.yaml"
    study.write_text(f"{STUDY}limits: {fate.limits}\n")
    done = run_here(study, options=("--trainer=bad_trainer.py",), FAULT=fault)
    folder = Workspace(tmp_path).study("bad")
    assert done.returncode == fate.exit_code, done.stdout + done.stderr
    assert study_state(folder)["state"] != "running"
    first, bad, *last = read_study(folder)[1]
    assert (bad.state, bad.notes.failure) == (fate.state, fate.failure)
    assert len((folder.trial(1) / "begun").read_text().splitlines()) == fate.jobs
    runs = mlflow_runs(tmp_path)
    assert "RUNNING" not in {run.info.status for run in runs.values()}
    assert runs["trial 1"].data.tags.get("sweeper.failure") == fate.failure
    if fate.failure is not None:
        assert f"trial 1 failed ({fate.failure})" in done.stdout
    if fate.state is not TrialState.RUNNING:
        assert [one.state for one in (first, *last)] == [TrialState.COMPLETE] * 2
    if (daemon := folder.trial(1) / "daemon").exists():
        assert not psutil.pid_exists(int(daemon.read_text()))
