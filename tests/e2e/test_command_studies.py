"""The studies of programs that nobody wrote for the sweeper, and what is taken away from them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from fakes.waiting import wait_for

from sweeper.cli import cli

STUDIES = Path(__file__).parents[2] / "studies"


def told(root: Path, *arguments: str) -> str:
    done = CliRunner().invoke(cli, ["--workspace", str(root), *arguments])
    assert done.exit_code == 0, f"{done.output}{done.exception!r}"
    return done.stdout


@pytest.mark.usefixtures("database")
def test_a_shell_script_is_searched_and_its_best_called_by_hand(tmp_path: Path) -> None:
    for name in ("shell_trainer.yaml", "shell_trainer.sh"):
        shutil.copy(STUDIES / name, tmp_path)
    assert "6 complete" in told(tmp_path, "run", str(tmp_path / "shell_trainer.yaml"))
    said = told(tmp_path, "report", "shell_trainer", "--format", "md")
    assert said.startswith("trial 3 (lr=0.0001 kl_beta=0.01) is better than the baseline: 74.00 %")
    steps = yaml.safe_load(told(tmp_path, "export", "shell_trainer"))["run"]
    assert steps[0]["argv"] == ["bash", "shell_trainer.sh", "train", "out", "okvqa"]
    assert steps[0]["env"]["GRPO_LR"] == "0.0001"
    script = told(tmp_path, "export", "shell_trainer", "--format", "shell")
    subprocess.run(["bash", "-e", "-c", script], check=True)
    [metrics] = json.loads((tmp_path / "out" / "okvqa_metrics.json").read_text()).values()
    assert metrics == {"accuracy": 0.74}
    folder = tmp_path / "sweeps" / "shell_trainer" / "trials" / "0003"
    epochs = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [
        epoch["metrics"]["train_loss"] for epoch in epochs if "train_loss" in epoch["metrics"]
    ]
    assert len(losses) == 5
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.0


@pytest.mark.usefixtures("database")
def test_a_python_script_is_searched_and_compared_by_question(tmp_path: Path) -> None:
    text = (STUDIES / "own_script.yaml").read_text()
    for long, short in (("{value: 8}", "{value: 2}"), ("[repeat, reseed]", "[repeat]")):
        assert long in text
        text = text.replace(long, short)
    study = tmp_path / "own_script.yaml"
    study.write_text(text)
    shutil.copy(STUDIES / "digits.py", tmp_path)
    said = told(tmp_path, "run", str(study), "--trials", "2")
    assert "control repeat" in said
    assert "2 complete" in said
    assert "after correction for" in told(tmp_path, "report", "own_script", "--format", "md")
    assert "--lr" in yaml.safe_load(told(tmp_path, "export", "own_script"))["run"][0]["argv"]


CLI = "from sweeper.cli import cli; cli()"
KILLED = """\
name: "kl und lr ü"
steps:
  - name: train
    command:
      - "${interpreter}"
      - -c
      - |
        import sys
        folder, lr = sys.argv[1:]
        open(folder + "/trained", "a").write(lr + " ")
      - "${trial.dir}"
      - "${lr}"
  - name: evaluate
    command:
      - "${interpreter}"
      - -c
      - |
        import os, sys, time
        folder = sys.argv[1]
        open(folder + "/evaluating", "w").close()
        while os.path.exists("shut"): time.sleep(0.02)
        print("score=" + open(folder + "/trained").read().split()[0])
      - "${trial.dir}"
results: {stdout: 'score=(?P<score>)'}
parameters: {lr: {min: 0.1, max: 0.9}}
baseline: {lr: 0.5}
sampler: {name: random}
trials: 3
resources: {devices: cpu, slots_per_device: 1}
"""


def table(root: Path) -> str:
    return told(root, "export", "kl und lr ü", "--all")


def test_a_study_killed_between_two_steps_goes_on_with_the_second(
    tmp_path: Path, empty_database: Path
) -> None:
    undisturbed, killed = (tmp_path / name for name in ("undisturbed", "killed"))
    for root in (undisturbed, killed):
        root.mkdir()
        shutil.copy(empty_database, root / "mlflow.db")
        (root / "s.yaml").write_text(KILLED)
    told(undisturbed, "run", str(undisturbed / "s.yaml"))
    (killed / "shut").touch()
    trials = killed / "sweeps" / "kl und lr ü" / "trials"
    driver = subprocess.Popen(
        [sys.executable, "-c", CLI, "--workspace", str(killed), "run", "s.yaml"],
        cwd=killed,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for((trials / "0000" / "evaluating").exists)
    finally:
        driver.kill()
        driver.wait()
    (killed / "shut").unlink()
    told(killed, "run", str(killed / "s.yaml"))
    assert table(killed) == table(undisturbed)
    assert "3 complete" in told(killed, "status", "kl und lr ü")
    assert (trials / "0000" / "trained").read_text() == "0.5 "  # once
