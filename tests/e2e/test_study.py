"""Whole studies with real processes, a real MLflow database and a trainer that does not train."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from click.testing import CliRunner, Result
from fakes.run_fake_study import run_here

from sweeper.cli import cli
from sweeper.records import TrialRecord, TrialState
from sweeper.report.writing import write_report
from sweeper.results.evidence import gather
from sweeper.running.retrying import retry_trials
from sweeper.store.reading import read_study
from sweeper.store.status import study_state
from sweeper.store.workspace import Workspace
from sweeper.trainers.builtin import BuiltinTrainer
from trainer.answers.file import AnswerFile
from trainer.contract import Epoch, read_epochs

RUN = [sys.executable, str(Path(__file__).parents[1] / "fakes" / "run_fake_study.py")]
STUDY = """\
# Question: does it go on?
name: tiny
trainer:
  phases:
    - rce: {epochs: 1}
    - grpo: {lr: "${lr}", kl_beta: "${kl_beta}", epochs: "${epochs}", freeze: "${freeze}"}
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
  kl_beta: {min: 0.01, max: 0.3}
  epochs: {min: 1, max: 3}
  freeze: {values: [backbone, none]}
baseline: {lr: 1e-4, kl_beta: 0.15, epochs: 1, freeze: backbone}
trials: 14
"""


@pytest.fixture
def study(tmp_path: Path, database: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(STUDY)
    return path


def command(study: Path, *, slots: int = 2) -> list[str]:
    return [*RUN, str(study), str(study.parent), str(slots)]


def records(study: Path) -> list[TrialRecord]:
    return read_study(Workspace(study.parent).study("tiny"))[1]


def told(study: Path) -> list[tuple[Any, ...]]:
    """What must not depend on slots, order or interruptions."""
    return [
        (r.number, dict(r.params), r.state, r.score, dict(r.intermediate)) for r in records(study)
    ]


def mlflow_statuses(study: Path) -> dict[str, str]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{study.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    return {
        run.info.run_name or "": run.info.status
        for run in client.search_runs([experiment.experiment_id], max_results=1000)
    }


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ended(study: Path) -> int:
    state = Workspace(study.parent).study("tiny").read_state()
    return state.get("counts", {}).get("complete", 0) if state else 0


@pytest.fixture(scope="module")
def undisturbed(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The study on one slot, from start to end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copyfile(empty_database, folder / "mlflow.db")
    path = folder / "tiny.yaml"
    path.write_text(STUDY)
    assert run_here(path, slots=1).returncode == 0
    return told(path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_an_interrupted_study_goes_on_to_the_same_trials(
    study: Path, undisturbed: Any, number: signal.Signals
) -> None:
    driver = subprocess.Popen(
        command(study),
        env={**os.environ, "FAKE_HOLD": "8"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: ended(study) >= 5)
    workers = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(number)
    code = driver.wait(timeout=30)
    assert code == (130 if number is signal.SIGINT else -signal.SIGKILL)
    wait_for(lambda: not any(worker.is_running() for worker in workers))
    assert study_state(Workspace(study.parent).study("tiny"))["state"] == "interrupted"
    if number is signal.SIGINT:
        assert "RUNNING" not in mlflow_statuses(study).values()
    assert len(records(study)) < 14
    done = run_here(study)
    assert done.returncode == 0, done.stderr
    assert told(study) == undisturbed
    statuses = mlflow_statuses(study)
    assert set(statuses.values()) == {"FINISHED"}
    assert len(statuses) == 14 + 3 + 1  # trials, controls, study


def test_a_second_ctrl_c_stops_at_once_and_leaves_nothing_running(study: Path) -> None:
    driver = subprocess.Popen(
        command(study),
        env={**os.environ, "FAKE_SECONDS": "60"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = Workspace(study.parent).study("tiny")
    wait_for(lambda: bool(folder.read_state().get("running")))
    workers = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGINT)
    wait_for(lambda: (folder.trial(0) / "stop").exists())
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=30) == 130
    wait_for(lambda: not any(worker.is_running() for worker in workers))
    statuses = mlflow_statuses(study)
    assert statuses["trial 0"] == "KILLED"
    assert "RUNNING" not in statuses.values()


def test_two_drivers_cannot_work_on_one_study(study: Path) -> None:
    driver = subprocess.Popen(
        command(study),
        env={**os.environ, "FAKE_SECONDS": "60"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = Workspace(study.parent).study("tiny")
    wait_for(lambda: bool(folder.read_state().get("running")))
    second = run_here(study)
    driver.kill()
    driver.wait()
    assert second.returncode == 1
    assert "another `sweeper run` works on 'tiny'" in second.stderr


def test_a_dead_instrument_stops_the_study_before_any_trial(study: Path) -> None:
    done = run_here(study, FAKE_DEAD="1")
    assert done.returncode == 1
    assert "the evaluation does not react to what is trained" in done.stderr
    assert "head                    0.0 % of selections changed" in done.stderr
    assert records(study) == []
    assert mlflow_statuses(study) == {"tiny": "FAILED"}


def test_the_real_trainer_that_does_not_load_its_weights_is_caught_before_any_trial(
    study: Path,
) -> None:
    small = STUDY.replace(
        "trainer:", "trainer:\n  task: {name: easy_vqa, training_queries: 32}"
    ).replace("parameters:", "  evaluate: {questions: 60, holdout: 60}\nparameters:")
    study.write_text(small)
    done = run_here(study, slots=1, options=("--trainer=blind_trainer.py",))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the evaluation does not react to what is trained" in done.stderr
    assert "cross_attn_layers       0.0 % of selections changed" in done.stderr
    assert records(study) == []
    workspace = Workspace(study.parent)
    told = write_report(workspace.study("tiny"), language="zh", workspace=workspace)
    assert told[0].startswith("警报：评估看不到训练的内容。")
    page = (workspace.study("tiny").root / "report" / "report.zh.html").read_text()
    assert "cross_attn_layers" in page
    assert told[-1] == "logged to MLflow"


def test_force_goes_on_with_a_dead_instrument_and_says_so(study: Path) -> None:
    done = run_here(study, options=("--force",), FAKE_DEAD="1")
    assert done.returncode == 0
    assert "warning: the evaluation does not react" in done.stdout
    assert len(records(study)) == 14


def test_a_setting_that_failed_by_itself_fails_at_once_when_it_is_proposed_again(
    study: Path,
) -> None:
    setting = "{lr: 1e-4, kl_beta: 0.15, epochs: 1, freeze: backbone}"
    study.write_text(STUDY.replace("trials: 14", f"enqueue: [{setting}]\ntrials: 2\nlag: 1"))
    done = run_here(study, slots=1, FAKE_FAIL=repr(1e-4))
    reason = "grpo epoch 1, step 2: the loss is nan"
    assert f"trial 1 failed (not_finite): {reason}" in done.stdout
    first, again = records(study)
    assert (again.state, again.notes.failure, again.notes.reason) == (
        TrialState.FAILED,
        "not_finite",
        reason,
    )
    assert (again.notes.origin, again.notes.source) == ("cached", 0)
    assert first.notes.origin != "cached"
    assert not Workspace(study.parent).study("tiny").trial(1).exists()
    assert mlflow_statuses(study)["trial 1"] == "FAILED"


@pytest.mark.parametrize("slots", [1, 3])
def test_the_search_ends_when_trials_bring_no_gain_and_goes_on_where_more_are_allowed(
    study: Path, slots: int
) -> None:
    text = STUDY.replace(
        "trials: 14", "sampler: {name: random}\ntrials: 40\nlag: 4\nstop: {no_gain: 6}"
    )
    study.write_text(text)
    done = run_here(study, slots=slots)
    assert done.returncode == 0, done.stderr
    assert "the search ends here: 6 complete trials brought no better score" in done.stdout
    scores = [record.score or 0.0 for record in records(study)]
    ended = len(scores)
    known = scores[: ended - 3]  # trial n is decided upon with trials 0 to n - 4
    assert ended < 40
    assert max(known[-6:]) <= max(known[:-6])
    assert all(max(known[k - 6 : k]) > max(known[: k - 6]) for k in range(7, len(known)))
    assert "the search ends here" in run_here(study, slots=slots).stdout
    study.write_text(text.replace("no_gain: 6", "no_gain: 30"))
    run_here(study, slots=slots)
    assert len(records(study)) > ended


def test_a_bound_stops_a_trial_and_says_which(study: Path) -> None:
    study.write_text(STUDY + 'stop_if: {loss: "<= 0.5", kll: "> 5"}\n')
    done = run_here(study)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("warning: stop_if: no epoch so far has kll") == 1
    pruned = [record for record in records(study) if record.state is TrialState.PRUNED]
    assert {record.number for record in pruned} == {
        record.number for record in records(study) if record.params["epochs"] == 3
    }  # the loss is 1 / epoch: two epochs end with the bound
    reason = "stopped by `loss <= 0.5`: 0.5 in grpo epoch 2"
    assert {record.notes.reason for record in pruned} == {reason}
    assert {max(record.intermediate) for record in pruned} == {2}
    assert mlflow_statuses(study)[f"trial {pruned[0].number}"] == "FINISHED"


def test_curves_of_a_stopped_trial_end_where_it_was_stopped_whoever_was_quicker(
    study: Path, empty_database: Path
) -> None:
    from mlflow import MlflowClient

    def steps(study: Path) -> list[int]:
        client = MlflowClient(f"sqlite:///{study.parent / 'mlflow.db'}")
        [run] = [run for run in mlflow_runs(study) if run.info.run_name == "trial 1"]
        return [point.step for point in client.get_metric_history(run.info.run_id, "grpo/score")]

    longest = "\nenqueue: [{lr: 1e-3, kl_beta: 0.1, epochs: 3, freeze: none}]\ntrials: 2"
    study.write_text(STUDY.replace("\ntrials: 14", longest) + 'stop_if: {loss: "<= 0.5"}\n')
    assert run_here(study).returncode == 0
    assert records(study)[-1].state is TrialState.PRUNED
    assert steps(study) == [1, 2]
    lines = Workspace(study.parent).study("tiny").trial(1) / "metrics.jsonl"
    [*_, last] = read_epochs(lines.parent)[0]
    further = last.model_copy(update={"epoch": last.epoch + 1})  # trained before it saw the request
    with lines.open("a") as file:
        file.write(f"{json.dumps(further.to_json())}\n")
    moved = study.parent / "moved" / study.name
    shutil.copytree(study.parent / "sweeps", moved.parent / "sweeps")
    shutil.copyfile(empty_database, moved.parent / "mlflow.db")
    moved.write_text(study.read_text())
    assert run_here(moved).returncode == 0
    assert steps(moved) == [1, 2]


def test_a_failed_trial_is_tried_again_where_that_is_asked_for(study: Path) -> None:
    assert run_here(study, FAKE_FAIL=repr(1e-4)).returncode == 1
    assert run_here(study).returncode == 1  # its setting is to blame: not by itself
    assert retry_trials(Workspace(study.parent).study("tiny"), kind="not_finite") == [0]
    assert run_here(study).returncode == 0
    assert TrialState.FAILED not in [record.state for record in records(study)]


def test_a_worker_short_of_memory_fails_no_trial(study: Path, undisturbed: Any) -> None:
    done = run_here(study, slots=1, FAKE_LIMIT=repr(1e-4))
    assert done.returncode == 0
    assert done.stdout.count("trial 0: no memory; tried again") == 1
    assert told(study) == undisturbed


def test_a_judge_that_is_down_halts_the_study_and_fails_no_trial(
    study: Path, undisturbed: Any
) -> None:
    halted = run_here(study, FAKE_DOWN="3")
    assert halted.returncode == 1
    assert "failed alike (judge), for a reason that is not theirs: no answer" in halted.stderr
    assert {r.state for r in records(study)[3:]} == {TrialState.RUNNING}
    assert len(records(study)) <= 3 + 3 + 2  # no more than halt it, and one a slot
    assert "RUNNING" not in mlflow_statuses(study).values()
    assert run_here(study).returncode == 0
    assert told(study) == undisturbed
    assert set(mlflow_statuses(study).values()) == {"FINISHED"}


def test_what_failed_for_a_reason_not_its_own_is_tried_by_the_next_run(
    study: Path, undisturbed: Any
) -> None:
    """One trial that fails at the end of a search is told; it is no result of its setting."""
    failed = run_here(study, FAKE_DOWN="13")
    assert failed.returncode == 1
    assert "trial 13 failed (judge): no answer" in failed.stdout
    assert mlflow_statuses(study)["trial 13"] == "FAILED"
    mended = run_here(study)
    assert mended.returncode == 0
    assert "once more, since they failed for reasons not their own: trials 13" in mended.stdout
    assert told(study) == undisturbed
    [run] = [run for run in mlflow_runs(study) if run.info.run_name == "trial 13"]
    assert run.info.status == "FINISHED"
    assert not {"sweeper.failure", "sweeper.reason"} & set(run.data.tags)


def test_a_job_that_hangs_holds_no_driver_that_is_asked_to_stop(study: Path) -> None:
    study.write_text(STUDY + "limits: {grace: 1s}\n")
    driver = subprocess.Popen(
        command(study, slots=1),
        env={**os.environ, "FAKE_SECONDS": "100000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    metrics = Workspace(study.parent).study("tiny").trial(0) / "metrics.jsonl"
    wait_for(metrics.exists)
    driver.send_signal(signal.SIGTERM)
    assert driver.wait(timeout=60) == 130
    assert [record.state for record in records(study)] == [TrialState.RUNNING]
    assert "RUNNING" not in mlflow_statuses(study).values()


def test_a_full_disk_halts_the_study_and_fails_no_trial(study: Path, undisturbed: Any) -> None:
    halted = run_here(study, FAKE_FULL_DISK=repr(1e-4))
    assert halted.returncode == 1
    assert "No space left on device. The study stops here and nothing is lost" in halted.stderr
    assert TrialState.FAILED not in [record.state for record in records(study)]
    assert "RUNNING" not in mlflow_statuses(study).values()
    assert run_here(study).returncode == 0
    assert told(study) == undisturbed


def test_another_instrument_is_not_ranked_beside_the_first(study: Path) -> None:
    assert run_here(study).returncode == 0
    study.write_text(STUDY.replace("trials: 14", "trials: 16"))
    mixed = run_here(study, FAKE_TORCH="9")
    assert mixed.returncode == 1
    told = "trial 14 was measured otherwise than the controls: torch '9' instead of '0'"
    assert told in mixed.stderr
    assert len([r for r in records(study) if r.state is TrialState.COMPLETE]) == 14


def test_epochs_that_make_no_sense_are_told_anew(study: Path) -> None:
    study.write_text(STUDY.replace("trials: 14", "trials: 4"))
    folder = Workspace(study.parent).study("tiny")
    driver = subprocess.Popen(
        command(study, slots=1),
        env={**os.environ, "FAKE_SECONDS": "0.3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: (folder.trial(1) / "metrics.jsonl").exists())
    with (folder.trial(1) / "metrics.jsonl").open("a") as file:
        file.write("no JSON\n")
    assert driver.wait(timeout=120) == 0
    assert [record.state for record in records(study)] == [TrialState.COMPLETE] * 4


def test_the_epochs_before_the_damage_are_in_mlflow(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: object, folder: Path, *, offset: int) -> tuple[list[Epoch], int]:
        epochs, _ = read_epochs(folder)
        if folder.name != "0001" or not epochs:
            return read_epochs(folder, offset=offset)
        if offset > 0:
            raise ValueError("no JSON")
        return epochs[:1], 1

    study.write_text(STUDY.replace("trials: 14", "trials: 2"))
    monkeypatch.setattr(BuiltinTrainer, "news", damaged)
    done = run_here(study, slots=1, FAKE_SECONDS="0.3")
    assert "trial 1 failed (bad_result)" in done.stdout
    [failed] = [run for run in mlflow_runs(study) if run.info.run_name == "trial 1"]
    assert "grpo/loss" in failed.data.metrics


def test_a_changed_study_is_refused_and_a_larger_total_goes_on(study: Path) -> None:
    assert run_here(study).returncode == 0
    before = told(study)
    study.write_text(STUDY.replace("max: 0.3", "max: 0.4"))
    refused = run_here(study)
    assert refused.returncode == 2
    assert "parameters.kl_beta.max: 0.3 -> 0.4" in refused.stderr
    study.write_text(STUDY.replace("trials: 14", "trials: 16"))
    assert run_here(study).returncode == 0
    assert told(study)[:14] == before
    assert len(told(study)) == 16


def test_pruning_depends_on_no_race(study: Path) -> None:
    pruner = "pruner: {name: median, n_startup_trials: 2}\nlag: 2"
    study.write_text(STUDY.replace("trials: 14", f"trials: 14\n{pruner}"))
    assert run_here(study, FAKE_SECONDS="0.03").returncode == 0
    slow = told(study)
    shutil.rmtree(study.parent / "sweeps")
    assert run_here(study, slots=1).returncode == 0
    assert told(study) == slow
    assert TrialState.PRUNED in [entry[2] for entry in slow]


def test_the_study_leaves_ranking_best_and_study_file_in_mlflow(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    assert run_here(study).returncode == 0
    monkeypatch.chdir(study.parent)  # where artifacts begin
    client = MlflowClient(f"sqlite:///{study.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parent = next(run for run in runs if run.info.run_name == "tiny")
    names = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
    found = {"best.yaml", "ranking.md", "study.yaml", "trials.csv"}
    assert names - {"data.json", "data.md"} == found
    best = max(run.data.metrics["score"] for run in runs if "score" in run.data.metrics)
    state = json.loads((study.parent / "sweeps/tiny/state.json").read_text())
    assert state["best"]["score"] == best


FINITE = """\
name: tiny
trainer:
  phases:
    - rce: {epochs: 1}
    - grpo: {lr: "${lr}", epochs: "${epochs}"}
parameters:
  lr: {values: [1e-4, 1e-3]}
  epochs: {min: 1, max: 3, fidelity: true}
sampler: {name: random}
trials: 60
lag: 1
"""


def mlflow_runs(study: Path) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{study.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def finite(study: Path, more: str = "") -> list[TrialRecord]:
    study.write_text(FINITE + more)
    done = run_here(study, slots=1)
    assert done.returncode == 0, done.stderr
    return records(study)


def test_settings_that_are_known_need_no_job_and_a_finite_space_ends_the_study(
    study: Path,
) -> None:
    rows = finite(study)
    trials = [record for record in rows if record.prefix is None]
    assert {(r.params["lr"], r.params["epochs"]) for r in trials} == {
        (lr, epochs) for lr in (1e-4, 1e-3) for epochs in (1, 2, 3)
    }
    assert 6 < len(trials) < 60
    by_setting = {}
    for record in trials:
        first = by_setting.setdefault(str(record.params), record)
        assert record.score == first.score
        assert record.intermediate == first.intermediate
    cached = [record for record in trials if record.notes.origin == "cached"]
    assert len(cached) >= len(trials) - len(by_setting)
    assert all(record.notes.epochs_trained == 0 for record in cached)
    shorter = [record for record in rows if record.prefix is not None]
    for record in shorter:
        whole = trials[record.number]
        assert record.score == whole.intermediate[record.prefix or 0]
        assert record.notes.origin == "shared prefix"
        assert record.params["epochs"] == record.prefix
    assert len({str(record.params) for record in shorter}) == len(shorter)
    origins = Counter(
        r.data.tags["sweeper.origin"] for r in mlflow_runs(study) if "sweeper.origin" in r.data.tags
    )
    assert origins["shared prefix"] == len(shorter)
    assert origins["cached"] == len(cached)


def test_a_setting_that_is_proposed_again_can_be_spent_as_another_seed(study: Path) -> None:
    trials = [r for r in finite(study, "duplicates: reseed\n") if r.prefix is None]
    assert len(trials) == 60
    cached = [record for record in trials if record.notes.origin == "cached"]
    assert all(not record.notes.repeat for record in cached)  # their seed was scored before
    assert len(cached) < 6
    seeds = {
        (str(record.params), json.loads(trial_json(study, record.number))["spec"]["seed"])
        for record in trials
        if record not in cached
    }
    assert len(seeds) == 60 - len(cached)


def trial_json(study: Path, number: int) -> str:
    return (Workspace(study.parent).study("tiny").trial(number) / "trial.json").read_text()


def test_a_budget_of_reader_calls_ends_the_search_and_more_of_it_goes_on(study: Path) -> None:
    study.write_text(FINITE + "duplicates: reseed\nlimits: {reader_calls: 250}\n")
    done = run_here(study, FAKE_CALLS="100")
    assert done.returncode == 0, done.stderr
    assert "the study's limit is 250" in done.stdout
    few = records(study)
    assert 250 <= reader_calls(few) <= 250 + 2 * 100  # what was in hand is finished
    study.write_text(FINITE + "duplicates: reseed\nlimits: {reader_calls: 800}\n")
    assert run_here(study, FAKE_CALLS="100").returncode == 0
    assert len(records(study)) > len(few)


def reader_calls(rows: list[TrialRecord]) -> int:
    return sum(record.notes.calls.asked for record in rows)


SHARED = """\
name: {name}
trainer:
  task: {{name: easy_vqa, training_queries: 64}}
  phases:
    - rce: {{epochs: 2}}
    - grpo: {{epochs: "${{epochs}}", lr: "${{lr}}", rollouts: recorded}}
  evaluate: {{questions: 40, holdout: 40, remember: always}}
parameters:
  epochs: {{values: {epochs}}}
  lr: {{values: [1e-3]}}
sampler: {{name: grid}}
trials: 3
"""


def test_two_drivers_that_share_stages_make_none_twice_and_ask_nothing_twice(
    tmp_path: Path, database: Path
) -> None:
    """Through the whole command, with the real trainer: epochs trained and answers asked."""
    program = str(Path(sys.executable).with_name("sweeper"))
    drivers = []
    for name, epochs in (("one", "[1, 3, 4]"), ("two", "[2, 3, 5]")):
        (tmp_path / f"{name}.yaml").write_text(SHARED.format(name=name, epochs=epochs))
        command = [program, "--workspace", str(tmp_path), "run", str(tmp_path / f"{name}.yaml")]
        drivers.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    said = [driver.communicate(timeout=240)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], said
    trained = asked = 0
    scores: dict[object, set[float | None]] = {}
    for name in ("one", "two"):
        folder = Workspace(tmp_path).study(name)
        controls = json.loads((folder.controls / "result.json").read_text())
        trials = [record for record in read_study(folder)[1] if record.prefix is None]
        trained += controls["epochs_trained"] + sum(r.notes.epochs_trained for r in trials)
        asked += controls["reader_calls"]["asked"]
        asked += sum(record.notes.calls.asked for record in trials)
        for record in trials:
            scores.setdefault(record.params["epochs"], set()).add(record.score)
    assert trained == 2 + 5  # RCE, and the longest GRPO: all others are its beginnings
    assert all(len(found) == 1 for found in scores.values())
    stages = [path.name for path in (tmp_path / "sweeps" / "stages").iterdir() if path.is_dir()]
    assert len(stages) == 1 + 2 + 5 + 2  # the start; the rollouts and the evaluations
    confirm_scores_every_setting_on_other_questions(tmp_path)
    store = AnswerFile(tmp_path / "sweeps" / "answers.db")
    confirmed = [
        json.loads(path.read_text())["reader_calls"]["asked"]
        for path in (tmp_path / "sweeps").glob("*/confirm/*/result.json")
    ]
    assert asked + sum(confirmed) == len(store)  # whatever is known was asked once
    gc_removes_only_what_no_study_needs(tmp_path)


def sweeper(workspace: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--workspace", str(workspace), *arguments])


def confirm_scores_every_setting_on_other_questions(workspace: Path) -> None:
    done = sweeper(workspace, "confirm", "one")
    assert (done.exit_code, done.stderr) == (0, "")  # no stage had to be trained
    evidence = gather(Workspace(workspace).study("one"))
    confirmed = {row.label: row for row in evidence.confirmed.values()}
    searched = {row.label: row for row in (evidence.control("start"), *evidence.trials) if row}
    assert confirmed.keys() == searched.keys()
    for label, row in confirmed.items():
        assert row.scores is not None
        assert row.scores.mean() == pytest.approx(row.score)
        assert not np.array_equal(row.choices, searched[label].choices)
    assert f"on {evidence.confirmed['best'].questions} held-out questions" in done.stdout


def gc_removes_only_what_no_study_needs(workspace: Path) -> None:
    stages = workspace / "sweeps" / "stages"
    before = sorted(path.name for path in stages.iterdir())
    assert sweeper(workspace, "gc").stdout == "freed 0.0 MB\n"
    assert sorted(path.name for path in stages.iterdir()) == before
    some = next(path for path in stages.iterdir() if (path / "stage.json").exists())
    for name in ("0" * 32, f"{some.name}.damaged-0", f".{some.name}.abcd.part"):
        shutil.copytree(some, stages / name)
    (stages / "evaluations" / "unknown.safetensors").write_bytes(b"1" * 1000)
    said = sweeper(workspace, "gc", "--dry-run").stdout
    assert len(list(stages.iterdir())) == len(before) + 3
    assert "would free" in said
    assert [line.split()[-3] for line in said.splitlines()[:-1]] == ["1"] * 4
    with Workspace(workspace).study("one").locked():
        assert "another `sweeper run` works on 'one'" in sweeper(workspace, "gc").stderr
    sweeper(workspace, "gc")
    assert sorted(path.name for path in stages.iterdir()) == before
    for name in ("one", "two"):
        path = workspace / f"{name}.yaml"
        path.write_text(path.read_text() + "keep: best\n")
        assert sweeper(workspace, "run", str(path)).exit_code == 0
    sweeper(workspace, "gc")
    left = [path for path in stages.iterdir() if (path / "stage.json").exists()]
    assert 1 + 1 + 2 + 1 <= len(left) <= 1 + 1 + 2 + 2  # rollouts, start, RCE, the best of each
    for name in ("one", "two"):
        out = workspace / f"best of {name}"
        assert sweeper(workspace, "export", name, "--checkpoint", str(out)).exit_code == 0
        assert (out / "policy.safetensors").exists()
