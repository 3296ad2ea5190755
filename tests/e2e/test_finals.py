"""Seeds, finals and races, through the whole command."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from fakes.run_fake_study import Done, run_here

from sweeper.errors import TrackingError
from sweeper.ranking import ranking
from sweeper.records import TrialRecord, TrialState
from sweeper.running.trial_runs import TrialRuns
from sweeper.store.reading import read_study
from sweeper.store.workspace import Workspace

SEEDED = """\
name: seeded
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: "${epochs}"}}]
parameters:
  lr: {values: [1e-4, 1e-3]}
  epochs: {min: 1, max: 3, fidelity: true}
baseline: {lr: 1e-4, epochs: 3}
sampler: {name: random}
trials: 6
seeds: SEEDS
"""


def runs(workspace: Path, name: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{workspace / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def records(workspace: Path, name: str) -> list[TrialRecord]:
    return read_study(Workspace(workspace).study(name))[1]


def fake_run(study: Path, seeds: str, **variables: str) -> Done:
    study.write_text(SEEDED.replace("SEEDS", seeds))
    return run_here(study, **variables)


@pytest.fixture
def study(tmp_path: Path, database: Path) -> Path:
    return tmp_path / "seeded.yaml"


def test_a_trial_of_several_seeds_is_told_their_mean(study: Path) -> None:
    done = fake_run(study, "[0, 1, 2]")
    assert done.returncode == 0, done.stderr
    rows = records(study.parent, "seeded")
    trials = [record for record in rows if record.prefix is None]
    for record in trials:
        scores = [entry.score for entry in record.notes.seeds]
        assert [entry.seed for entry in record.notes.seeds] == [0, 1, 2]
        assert record.score == pytest.approx(fmean(scores))
        assert record.notes.spread == pytest.approx(stdev(scores))
        assert record.notes.spread > 0.0
    for record in rows:  # a shorter training of several seeds is their mean, too
        grpo_epochs = record.params["epochs"]
        lr_penalty = abs(float(record.params["lr"]) - 1e-3) * 10
        single = 0.5 + 0.05 + 0.01 * float(grpo_epochs) - lr_penalty - 0.15 * 0.1
        expected = single + 0.003 * (0 + 1 + 4) / 3  # of the seeds 0, 1, 2
        assert record.score == pytest.approx(expected, abs=1e-9)
        assert abs(single - expected) > 1e-3  # one seed alone would be told
    below = {run.info.run_id for run in runs(study.parent, "seeded")}
    seeds = [
        run
        for run in runs(study.parent, "seeded")
        if run.data.tags["sweeper.run"].find("seed ") > 0
    ]
    trained = [record for record in trials if record.notes.origin != "cached"]
    assert len(seeds) == 3 * len(trained)
    assert all(run.data.tags["mlflow.parentRunId"] in below for run in seeds)
    assert all(run.info.status == "FINISHED" for run in seeds)
    assert "3 seeds ±" in done.stdout


def test_seeds_that_were_interrupted_are_gone_on_with(study: Path) -> None:
    fake_run(study, "[0, 1, 2]", FAKE_FULL_DISK="0.001")
    done = fake_run(study, "[0, 1, 2]")
    assert done.returncode == 0, done.stderr
    interrupted = [(r.name, r.score, dict(r.intermediate)) for r in records(study.parent, "seeded")]
    other = study.parent / "undisturbed"
    other.mkdir()
    assert fake_run(other / study.name, "[0, 1, 2]").returncode == 0
    undisturbed = [(r.name, r.score, dict(r.intermediate)) for r in records(other, "seeded")]
    assert interrupted == undisturbed
    assert {run.info.status for run in runs(study.parent, "seeded")} == {"FINISHED"}


def test_a_seed_whose_run_cannot_be_opened_leaves_no_run_open(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise TrackingError("MLflow: the run could not be opened")

    with monkeypatch.context() as failing:
        failing.setattr(TrialRuns, "open_seed", refuse)
        done = fake_run(study, "[0, 1, 2]")
    assert (done.returncode, done.stderr) == (1, "Error: MLflow: the run could not be opened\n")
    assert "RUNNING" not in {run.info.status for run in runs(study.parent, "seeded")}
    assert fake_run(study, "[0, 1, 2]").returncode == 0


def test_a_finalist_leads_and_more_of_the_study_keeps_them(study: Path) -> None:
    done = fake_run(study, "{values: [0, 1, 2], strategy: finalists}\nfinalists: 2")
    assert done.returncode == 0, done.stderr
    rows = records(study.parent, "seeded")
    finals = [record for record in rows if record.final is not None]
    assert 2 <= len(finals) <= 3
    assert any(record.number == 0 for record in finals)  # the baseline, to compare with
    ranked = ranking(rows, goal="maximize")
    assert ranked[0].final is not None
    for record in finals:
        final = record.final
        assert final is not None
        assert [entry.seed for entry in final.seeds] == [0, 1, 2]
        assert final.score == pytest.approx(record.score + 0.003 * 5 / 3)
    logged = [
        r.data.metrics["final_score"]
        for r in runs(study.parent, "seeded")
        if "final_score" in r.data.metrics
    ]
    assert sorted(logged) == sorted(
        record.final.score for record in finals if record.final is not None
    )
    again = fake_run(study, "{values: [0, 1, 2], strategy: finalists}\nfinalists: 2")
    assert "scoring" not in again.stdout


def test_a_final_that_fails_is_said_shown_and_tried_again(study: Path) -> None:
    seeds = "{values: [0, 7], strategy: finalists}\nfinalists: 1"
    done = fake_run(study, seeds, FAKE_FAIL="seed 7")
    assert done.returncode == 1
    assert "keeps the score of the search: grpo epoch 1, step 2: the loss is nan" in done.stdout
    assert "no final: not_finite" in done.stdout
    rows = records(study.parent, "seeded")
    assert {r.final for r in rows} == {None}
    assert any(r.final_failure is not None for r in rows)
    again = fake_run(study, seeds)
    assert again.returncode == 0, again.stderr
    rows = records(study.parent, "seeded")
    assert any(r.final is not None for r in rows)
    assert {r.final_failure for r in rows} == {None}


def test_a_full_disk_among_the_finals_halts_and_says_so(study: Path) -> None:
    seeds = "{values: [0, 7], strategy: finalists}\nfinalists: 1"
    done = fake_run(study, seeds, FAKE_FULL_DISK="seed 7")
    assert done.returncode == 1
    assert "No space left on device. The study stops here and nothing is lost" in done.stderr
    assert fake_run(study, seeds).returncode == 0
    assert any(r.final is not None for r in records(study.parent, "seeded"))


RACE = """\
name: race
trainer:
  task: {name: easy_vqa, training_queries: 200}
  phases: [{rce: {epochs: 4, lr: "${lr}"}}]
  evaluate: {screen: 480, confirm: 520, holdout: 20, every: last, race: true, remember: always}
parameters:
  lr: {values: [1e-3, 2e-3, 1e-8]}
baseline: {lr: 1e-3}
sampler: {name: grid}
lag: 1
trials: 3
finalists: 1
"""


def test_a_trial_that_cannot_win_is_asked_no_more_and_the_best_is_asked_the_rest(
    tmp_path: Path, database: Path
) -> None:
    (tmp_path / "race.yaml").write_text(RACE)
    sweeper = str(Path(sys.executable).with_name("sweeper"))
    command = [sweeper, "--workspace", str(tmp_path), "run", str(tmp_path / "race.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = records(tmp_path, "race")
    raced = [record for record in rows if record.state is TrialState.PRUNED]
    assert [record.params["lr"] for record in raced] == [1e-8]  # no step at all
    [lost] = raced
    told = lost.notes.raced_out
    assert told is not None
    assert told.asked < told.questions == 480
    assert told.upper < 0.0
    assert lost.notes.calls is not None
    assert lost.notes.calls.needed == 4 * told.asked
    finals = [record for record in rows if record.final is not None]
    assert {record.final.questions for record in finals if record.final is not None} == {520}
    assert lost not in finals
    for record in finals:
        final = record.final
        assert final is not None
        assert final.epochs_trained == 0
        assert final.calls.asked <= 4 * 40  # the first 480 questions are known
    assert "520 questions" in done.stdout
    state = json.loads((tmp_path / "sweeps" / "race" / "state.json").read_text())
    assert state["best"]["trial"] in [record.name for record in finals]
