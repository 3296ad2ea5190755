import csv
import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from fakes.started_study import files_in, finished_study, start_study, unfinished

from sweeper.records import TrialState
from trainer.contract import LOG, read_job

Invoke = Callable[..., Result]


def test_an_unknown_trial_is_bad_input(invoke: Invoke, tmp_path: Path) -> None:
    finished_study(tmp_path)
    for command in ("show", "logs"):
        done = invoke(command, "kl_lr", "9")
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == "Error: study 'kl_lr' has no trial 9; it has trials 0 to 2\n"


def test_logs_of_a_trial_that_wrote_none_is_bad_input(invoke: Invoke, tmp_path: Path) -> None:
    folder = finished_study(tmp_path)
    done = invoke("logs", "kl_lr", "1")
    assert done.exit_code == 2
    log = folder.trial(1) / LOG
    assert done.stderr == f"Error: trial 1 (complete) has written no log: {log}\n"


@pytest.mark.parametrize("command", [["best"], ["export"], ["export", "--format", "json"]])
def test_nothing_complete_is_refused_with_the_counts(
    invoke: Invoke, tmp_path: Path, command: list[str]
) -> None:
    start_study(tmp_path, unfinished(0, TrialState.FAILED), unfinished(1))
    done = invoke(command[0], "kl_lr", *command[1:])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: study 'kl_lr' has no complete trial to export "
        "(1 running, 0 complete, 0 pruned, 1 failed); run it first\n"
    )


def test_a_refused_export_writes_nothing(invoke: Invoke, tmp_path: Path) -> None:
    start_study(tmp_path, unfinished(0))
    before = files_in(tmp_path)
    done = invoke("export", "kl_lr", "--checkpoint", "weights", "--trial-dir", "again")
    assert done.exit_code == 2
    assert files_in(tmp_path) == before


def test_every_format_tells_the_best_setting(invoke: Invoke, tmp_path: Path) -> None:
    finished_study(tmp_path)
    texts = {
        form: invoke("export", "kl_lr", "--format", form).stdout
        for form in ("yaml", "json", "env", "args")
    }
    content = json.loads(texts["json"])
    assert list(content) == ["study", "trial", "score", "params", "spec"]
    assert (content["trial"], content["score"]) == (1, 0.625)
    assert yaml.safe_load(texts["yaml"]) == content
    assert texts["env"] == "LR=0.001\nEPOCHS=2\nFREEZE=none\n"
    assert shlex.split(texts["args"]) == ["--lr", "0.001", "--epochs", "2", "--freeze", "none"]
    assert invoke("export", "kl_lr").stdout == texts["yaml"]
    assert invoke("export", "kl_lr", "--format", "toml").exit_code == 2


def test_another_trial_can_be_exported_and_a_failed_one_cannot(
    invoke: Invoke, tmp_path: Path
) -> None:
    finished_study(tmp_path)
    assert "LR=0.0001\n" in invoke("export", "kl_lr", "--trial", "0", "--format", "env").stdout
    failed = invoke("export", "kl_lr", "--trial", "2")
    assert failed.exit_code == 2
    assert "trial 2 of study 'kl_lr' is failed; only a complete trial is exported" in failed.stderr


def test_all_trials_are_a_table_for_other_programs(invoke: Invoke, tmp_path: Path) -> None:
    finished_study(tmp_path)
    [baseline, best, failed] = csv.DictReader(
        io.StringIO(invoke("export", "kl_lr", "--all").stdout)
    )
    assert list(baseline) == [
        *("trial", "origin", "state", "lr", "epochs", "freeze"),
        *("score", "shot_1", "shot_2", "shot_3", "shot_4"),
    ]
    assert (best["trial"], best["state"], best["score"]) == ("1", "complete", "0.625")
    assert (failed["state"], failed["score"], failed["shot_1"]) == ("failed", "", "")


@pytest.mark.parametrize("option", [["--trial", "0"], ["--checkpoint", "x"], ["--trial-dir", "x"]])
def test_all_trials_go_without_the_options_of_one(
    invoke: Invoke, tmp_path: Path, option: list[str]
) -> None:
    finished_study(tmp_path)
    done = invoke("export", "kl_lr", "--all", *option)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--all lists every trial; leave out --trial" in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_trial_folder_is_written_and_its_command_said_aside(
    invoke: Invoke, tmp_path: Path
) -> None:
    finished_study(tmp_path)
    done = invoke("export", "kl_lr", "--format", "json", "--trial-dir", "a/again")
    assert done.stderr == "wrote a/again; run it with `python -m trainer run a/again`\n"
    assert read_job(tmp_path / "a/again").spec.to_json() == json.loads(done.stdout)["spec"]


@pytest.mark.parametrize("option", ["--trial-dir", "--checkpoint"])
def test_a_folder_that_holds_something_is_not_written_to(
    invoke: Invoke, tmp_path: Path, option: str
) -> None:
    finished_study(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").touch()
    done = invoke("export", "kl_lr", option, "mine")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "Error: mine exists and is not an empty folder; choose another\n"
    assert files_in(tmp_path / "mine") == ["work.txt"]


def test_the_checkpoint_of_the_best_trial_is_copied(invoke: Invoke, tmp_path: Path) -> None:
    stage = finished_study(tmp_path).stages / "stage1"
    stage.mkdir()
    (stage / "policy.safetensors").write_bytes(b"weights")
    done = invoke("export", "kl_lr", "--checkpoint", "best")
    assert (done.exit_code, done.stderr) == (0, "wrote best\n")
    assert files_in(tmp_path / "best") == ["configuration.json", "policy.safetensors"]


def test_failed_trials_are_opened_for_the_next_run(invoke: Invoke, tmp_path: Path) -> None:
    finished_study(tmp_path)
    done = invoke("retry", "kl_lr", "--class", "judge")
    assert (done.exit_code, done.stdout) == (0, "no trial failed so\n")
    done = invoke("retry", "kl_lr", "2")
    assert (done.exit_code, done.stdout) == (0, "`sweeper run` takes on: trials 2\n")
    done = invoke("retry", "kl_lr")
    assert done.exit_code == 2
    assert "one of the three" in done.stderr
