import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.trainers import ByHand, command_trainer


def called(below: Path, **section: object) -> ByHand:
    params = {"lr": 1e-4, "name": "two words"}
    trainer = command_trainer()
    section = {"params": params, **section}
    training = trainer.training(section, seed=3, repeat=0, below=below, trusted=True)
    return trainer.by_hand(training, study="study", trial="7", device="cpu")


def only(found: ByHand) -> Mapping[str, object]:
    [step] = found.steps
    return step


def test_arguments_and_variables_have_the_values_in_their_places(tmp_path: Path) -> None:
    step = only(
        called(
            tmp_path,
            command=[
                "bash",
                "train.sh",
                "${args}",
                "${trial.dir}/x",
                "${trial.id}",
                "${study.name}",
            ],
            env={"GRPO_LR": "${lr}"},
        )
    )
    assert step["argv"] == [
        *("bash", "train.sh", "--lr", "0.0001", "--name", "two words", "out/x", "7", "study")
    ]
    assert step["env"] == {
        "GRPO_LR": "0.0001",
        "SWEEPER_PARAMS": "out/params.json",
        "SWEEPER_SEED": "3",
    }
    assert step["cwd"] == str(tmp_path)


def test_the_lines_do_in_a_shell_what_the_trial_did(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("lr: 1  # the rate\n")
    shown = 'echo "$1|$LR|$(cat out/made/own.yaml)|$(cat "$SWEEPER_PARAMS")|$2"'
    found = called(
        tmp_path,
        command=["bash", "-c", shown, "-", "${name}", "${env:TOKEN} is $$kept"],
        env={"LR": "${lr}"},
        configs=[{"from": "base.yaml", "to": "${trial.dir}/made/own.yaml", "set": {"lr": "${lr}"}}],
    )
    shell = ["bash", "-e", "-c", found.script]
    done = subprocess.run(
        shell, env={"PATH": "/usr/bin:/bin", "TOKEN": "a b"}, capture_output=True, text=True
    )
    assert done.stdout == (
        'two words|0.0001|lr: 0.0001  # the rate|{"lr": 0.0001, "name": "two words"}|a b is $kept\n'
    )


def test_what_a_variable_of_the_environment_holds_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    found = called(tmp_path, command=["bash", "x.sh"], env={"KEY": "${env:TOKEN}"})
    assert 'KEY="${TOKEN}" ' in found.script
    assert "secret" not in f"{found}"


def test_a_config_file_whose_base_is_gone_is_refused(tmp_path: Path) -> None:
    configs = [{"from": "gone.yaml", "to": "${trial.dir}/own.yaml", "set": {"lr": "${lr}"}}]
    with pytest.raises(UsageError, match=r"trial 7 cannot be called by hand: .*gone\.yaml"):
        called(tmp_path, command=["bash", "x.sh"], configs=configs)
