"""`sweeper confirm` and the end of a run, with jobs that are done at once."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import Result
from fakes.instant_launcher import InstantLauncher
from fakes.started_study import complete, start_study
from mlflow import MlflowClient

from sweeper.errors import InstrumentError, StudyLockedError, UsageError
from sweeper.ranking import ranking
from sweeper.results.best import best_trial
from sweeper.results.evidence import gather
from sweeper.running.confirming import Confirmation, confirm_study
from sweeper.running.session import run_study
from sweeper.running.summary import Summary
from sweeper.store.reading import read_study
from sweeper.store.status import study_state
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace

STUDY = """\
name: held
trainer:
  phases: [{grpo: {lr: "${step}", kl_beta: 0.1, epochs: "${length}", freeze: none}}]
parameters:
  step: {values: [1e-3, 2e-3, 1e-2]}
  length: {values: [1, 2]}
baseline: {step: 1e-2, length: 1}
sampler: {name: grid}
trials: 6
"""


@dataclass
class Heard:
    """What was said."""

    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def show(self, state: Mapping[str, Any]) -> None:
        """States are not looked at."""


@dataclass(frozen=True)
class Held:
    """A study that was run to its end."""

    workspace: Workspace
    summary: Summary | None = None

    @property
    def folder(self) -> StudyFolder:
        return self.workspace.study("held")

    def confirm(
        self, *, top: int = 2, launcher: InstantLauncher | None = None
    ) -> tuple[Confirmation, list[str], list[str]]:
        """What it ended with, the folders that were asked for, and what was said."""
        launcher, heard = launcher or InstantLauncher(), Heard()
        done = confirm_study(
            self.folder,
            workspace=self.workspace,
            top=top,
            open_launcher=lambda config, folder: launcher,
            say=heard.say,
        )
        return done, [path.name for path in launcher.folders], heard.lines

    @property
    def ranked(self) -> list[str]:
        """Names of the trials, the best first; the baseline is the last."""
        _, records = read_study(self.folder)
        return [str(record.name) for record in ranking(records, goal="maximize")]

    def heldout(self) -> dict[str, float]:
        """The metric in MLflow, by the run's name."""
        return {
            run.info.run_name: run.data.metrics["heldout_score"]
            for run in self.mlflow()[1]
            if "heldout_score" in run.data.metrics
        }

    def mlflow(self) -> tuple[MlflowClient, list[Any]]:
        client = MlflowClient(f"sqlite:///{self.workspace.root / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("held")
        assert experiment is not None
        return client, list(client.search_runs([experiment.experiment_id]))


def run(workspace: Workspace, text: str = STUDY) -> Held:
    path = workspace.root / "held.yaml"
    path.write_text(text)
    launcher = InstantLauncher()
    summary = run_study(
        path,
        workspace=workspace,
        open_launcher=lambda config, folder: launcher,
        progress=Heard(),
    )
    return Held(workspace, summary)


@pytest.fixture(scope="module")
def finished(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the study at its end."""
    root = tmp_path_factory.mktemp("finished")
    shutil.copyfile(empty_database, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_QUESTIONS", "200")
        run(Workspace(root))
    return root


@pytest.fixture
def held(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    monkeypatch.setenv("FAKE_QUESTIONS", "200")
    return Held(Workspace(Path(shutil.copytree(finished, tmp_path / "workspace"))))


def test_the_end_of_a_run_confirms_start_baseline_and_best_by_their_numbers(held: Held) -> None:
    best, baseline = held.ranked[0], held.ranked[-1]
    found = {path.name for path in held.folder.confirmations()}
    assert found == {"start", best, baseline}
    assert list(held.folder.read_state()["confirmed"]) == ["start", "baseline", "best"]
    assert set(held.heldout()) == {f"trial {best}", f"trial {baseline}"}


def test_the_best_settings_are_asked_once_beside_what_is_known(held: Held) -> None:
    names = held.ranked
    done, asked, said = held.confirm(top=3)
    assert (done.exit_code, said) == (0, [])
    assert asked == names[1:3]
    assert held.confirm(top=3) == (done, [], [])
    assert done.lines[0] == "on 200 held-out questions, which selected nothing:"
    shown = [line.split("  ")[1] for line in done.lines[2:-1]]
    assert shown == ["control start", *(f"trial {name}" for name in (*names[:3], names[-1]))]
    assert done.lines[-1].startswith(f"trial {names[0]} against the baseline: p = ")
    assert "paired sign-flip test" in done.lines[-1]


def test_what_was_confirmed_is_evidence_with_scores_by_question(held: Held) -> None:
    held.confirm(top=2)
    names = held.ranked
    confirmed = gather(held.folder).confirmed
    assert list(confirmed) == ["start", "baseline", "best", f"trial {names[1]}"]
    assert [confirmed[key].label for key in ("start", "baseline", "best")] == [
        "control start",
        f"trial {names[-1]}",
        f"trial {names[0]}",
    ]
    best, searched = confirmed["best"], gather(held.folder).trials[0]
    assert best.scores is not None
    assert best.scores.shape == (200, 4)
    assert best.scores.mean() == pytest.approx(best.score)
    assert not np.array_equal(best.scores, searched.scores)  # of other questions
    assert best.params == searched.params


def test_mlflow_has_each_held_out_score_once(held: Held) -> None:
    held.confirm(top=2)
    held.confirm(top=2)
    confirmed = gather(held.folder).confirmed
    trials = {row.label: row.score for row in confirmed.values() if row.kind != "control"}
    assert held.heldout() == trials
    client, runs = held.mlflow()
    for found in runs:
        history = client.get_metric_history(found.info.run_id, "heldout_score")
        assert len(history) == (found.info.run_name in trials)
        assert found.info.status == "FINISHED"


def test_an_interrupt_keeps_what_is_done_and_the_next_call_does_the_rest(held: Held) -> None:
    done, asked, _ = held.confirm(top=5, launcher=InstantLauncher(interrupt_at=2))
    assert done.exit_code == 130
    assert done.lines[-1] == "interrupted; the same command goes on from here"
    assert len(asked) == 4
    again, rest, _ = held.confirm(top=5)
    assert (again.exit_code, rest) == (0, asked[1:])
    assert len(again.lines) > len(done.lines)


def test_what_fails_is_said_and_hides_nothing(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    _, records = read_study(held.folder)
    failing = [r for r in records if r.params["step"] == 2e-3]
    monkeypatch.setenv("FAKE_FAIL", "0.002")
    done, asked, said = held.confirm(top=6)
    assert done.exit_code == 1
    told = "the held-out questions could not be scored: grpo epoch 1"
    assert {line.partition(told)[0] for line in said} == {f"trial {r.name}: " for r in failing}
    assert len(asked) == 4
    assert len(gather(held.folder).confirmed) == 7 - len(failing)
    monkeypatch.delenv("FAKE_FAIL")
    again, asked, _ = held.confirm(top=6)
    assert (again.exit_code, set(asked)) == (0, {str(record.name) for record in failing})


def test_what_had_to_be_trained_again_is_said(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_GONE", "1")
    [said] = held.confirm(top=2)[2]
    assert said.startswith(f"trial {held.ranked[1]}: its stages were gone, trained ")


def test_another_instrument_is_refused_and_its_result_forgotten(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TORCH", "1")
    name = held.ranked[1]
    with pytest.raises(InstrumentError, match=f"trial {name} was scored .* torch '1' instead of"):
        held.confirm(top=2)
    assert f"trial {name}" not in gather(held.folder).confirmed
    monkeypatch.delenv("FAKE_TORCH")
    assert held.confirm(top=2)[1] == [name]


def test_a_study_at_work_is_refused(held: Held) -> None:
    with held.folder.locked(), pytest.raises(StudyLockedError):
        held.confirm()


def test_a_study_that_holds_nothing_out_says_so(invoke: Callable[..., Result]) -> None:
    start_study(Path.cwd(), complete(0, 4.0), loss=True)
    done = invoke("confirm", "kl_lr")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: study 'kl_lr' holds nothing out: whoever scores it has")


def test_a_study_without_a_complete_trial_or_controls_is_refused(tmp_path: Path) -> None:
    start_study(tmp_path)
    workspace = Workspace(tmp_path)
    options: dict[str, Any] = {"workspace": workspace, "top": 1, "say": Heard().say}
    options["open_launcher"] = lambda config, folder: InstantLauncher()
    with pytest.raises(UsageError, match="no complete trial to confirm"):
        confirm_study(workspace.study("kl_lr"), **options)
    start_study(tmp_path, complete(0, 0.5), name="lost")
    with pytest.raises(UsageError, match="has lost its controls"):
        confirm_study(workspace.study("lost"), **options)


def test_the_rule_decides_what_the_end_of_a_run_confirms_and_exports(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_QUESTIONS", "20")
    held = run(Workspace(database.parent), f"{STUDY}best: {{rule: one_standard_error}}\n")
    best = best_trial(held.folder, *read_study(held.folder))
    assert best is not None
    highest, mildest = held.ranked[0], str(best.record.name)
    assert highest != mildest
    assert held.summary is not None
    assert held.summary.chosen == best.reason != ""
    assert study_state(held.folder)["best"]["trial"] == int(mildest)
    assert mildest in {path.name for path in held.folder.confirmations()}
    assert highest not in {path.name for path in held.folder.confirmations()}
    assert gather(held.folder).confirmed["best"].label == f"trial {mildest}"
    client, runs = held.mlflow()
    monkeypatch.chdir(database.parent)  # where artifacts begin
    [parent] = [found.info.run_id for found in runs if found.info.run_name == "held"]
    told = yaml.safe_load(Path(client.download_artifacts(parent, "best.yaml")).read_text())
    assert (str(told["trial"]), told["rule"]) == (mildest, "one_standard_error")
    assert json.loads((held.folder.root / "state.json").read_text())["state"] == "finished"
    assert held.confirm(top=2)[1] == [highest]  # the study's choice first, then the ranking
