import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import UsageError
from sweeper.study.config import parse_study
from sweeper.study.file import parse_document
from sweeper.study.from_command import study_of_command
from sweeper.trainers.command.macros import Macros


def study(call: str, **options: str) -> dict[str, Any]:
    text = study_of_command(shlex.split(call), **{"name": "my", **options})
    document = parse_document(text, Path("study.yaml"))
    assert document.problems == ()
    return document.values


def searched(options: str) -> dict[str, Any]:
    """What is searched of some options, beside a learning rate."""
    found = study(f"python train.py --lr 1e-4 {options}")["parameters"]
    del found["lr"]
    return found


def test_a_call_becomes_a_study_whose_first_trial_it_is() -> None:
    call = "python train.py --lr 1e-4 --epochs 3 --fp16 --model=gpt2 --output_dir runs/a data.json"
    assert study(call) == {
        "name": "my",
        "command": [
            *("python", "train.py", "--lr", "${lr}", "--epochs", "${epochs}", "${fp16}"),
            *("--model=gpt2", "--output_dir", "${trial.dir}/a", "data.json"),
        ],
        "cases": {"fp16": {"true": ["--fp16"], "false": []}},
        "results": {"reported": True},
        "metric": {"name": "score", "goal": "maximize"},
        "parameters": {
            "lr": {"min": 1e-5, "max": 1e-3, "log": True},
            "epochs": {"min": 1, "max": 6},
            "fp16": {"values": [True, False]},
        },
        "baseline": {"lr": 1e-4, "epochs": 3, "fp16": True},
        "sampler": {"name": "tpe", "seed": 0},
        "trials": 32,
    }


def test_the_study_of_a_call_loads() -> None:
    call = ["python", "t.py", "--lr", "1e-4", "--fp16", "--n=8", "--seed", "3", "--out", "x"]
    config = parse_study(study_of_command(call, name="my", cwd=".."), Path("study.yaml"))
    assert config.space.names == ("lr", "fp16", "n")
    assert config.baseline == {"lr": 1e-4, "fp16": True, "n": 8}
    assert config.can.seed == 3


def test_every_guess_is_marked() -> None:
    text = study_of_command(
        ["python", "t.py", "--lr", "3e-4", "--fp16", "--out", "x", "--n", "4"], name="my"
    )
    guesses = [line.partition("# guess: ")[2] for line in text.splitlines() if "# guess:" in line]
    assert guesses == [
        "out: written by each trial to its own folder",
        "where the score stands. One of three ways is yours:",
        "its name, and that more is better",
        "a rate: a tenth to ten times what was given",
        "a switch: with and without it",
        "a count: half to twice what was given",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--weight_decay 0.1", {"weight_decay": {"min": 0.01, "max": 1.0, "log": True}}),
        ("--optimizer.lr=3e-4", {"optimizer.lr": {"min": 3e-5, "max": 3e-3, "log": True}}),
        ("trainer.max_epochs=5", {"trainer.max_epochs": {"min": 2, "max": 10}}),
        ("--batch-size 16", {"batch-size": {"values": [8, 16, 32]}}),
        ("--per_device_train_batch_size 1", {"per_device_train_batch_size": {"min": 1, "max": 2}}),
        ("--lora_rank 8", {"lora_rank": {"values": [4, 8, 16]}}),
        ("--dropout 0.1", {"dropout": {"min": 0.05, "max": 0.2}}),
        ("--dropout_rate 0.1", {"dropout_rate": {"min": 0.05, "max": 0.2}}),
        ("--momentum 0.9", {"momentum": {"min": 0.8, "max": 0.95}}),
        ("--temperature 1.0", {"temperature": {"min": 0.5, "max": 2.0}}),
        ("--use_lora True", {"use_lora": {"values": [True, False]}}),
        ("--seed 3 --port 80 --local_rank 0 --save_steps 500 --eval_batch_size 8", {}),
        ("--num_workers 4 --do_train --overwrite_output_dir -v", {}),
        ("--betas 0.9 0.95 --name a --data d.json --warmup 0 --bias -1", {}),
        ("--lr 1e-3", {}),
    ],
)
def test_names_and_values_decide_what_is_searched(
    options: str, expected: dict[str, object]
) -> None:
    assert searched(options) == expected


def test_true_and_false_are_written_as_they_were() -> None:
    found = study("t --a True --b=false")
    assert found["cases"] == {
        "a": {"true": ["--a", "True"], "false": ["--a", "False"]},
        "b": {"true": ["--b=true"], "false": ["--b=false"]},
    }
    assert found["command"] == ["t", "${a}", "${b}"]
    assert found["baseline"] == {"a": True, "b": False}


@pytest.mark.parametrize(
    ("option", "ours"),
    [
        ("--output_dir runs/a/", ["--output_dir", "${trial.dir}/a"]),
        ("--out=m.json", ["--out=${trial.dir}/m.json"]),
        ("-o .", ["-o", "${trial.dir}/out"]),
        ("hydra.run.dir=x", ["hydra.run.dir=${trial.dir}/x"]),
        ("--logging_dir l", ["--logging_dir", "${trial.dir}/l"]),
        ("--save_path p", ["--save_path", "${trial.dir}/p"]),
        ("--resume_from_checkpoint p", ["--resume_from_checkpoint", "p"]),
        ("--resume_from_output_dir p", ["--resume_from_output_dir", "p"]),
        ("--checkpoint c.pt", ["--checkpoint", "c.pt"]),
        ("--data_dir d", ["--data_dir", "d"]),
    ],
)
def test_what_a_trial_writes_goes_to_its_own_folder(option: str, ours: list[str]) -> None:
    assert study(f"t.py --lr 1 {option}")["command"] == ["t.py", "--lr", "${lr}", *ours]


@pytest.mark.parametrize(
    ("call", "kept"),
    [
        ("accelerate launch --num_processes 2 t.py --lr 1e-4", 5),
        ("launch --count 2 -m pkg.train --lr 1e-4", 5),
        ("torchrun --nproc_per_node=2 t.py --lr 1e-4", 3),
        ("./train --lr 1e-4", 1),
    ],
)
def test_what_stands_before_the_script_is_the_launchers(call: str, kept: int) -> None:
    found = study(call)
    assert found["command"] == [*shlex.split(call)[:kept], "--lr", "${lr}"]
    assert list(found["parameters"]) == ["lr"]


def test_a_seed_is_the_trials() -> None:
    found = study("t.py --lr 1e-4 --seed 42")
    assert (found["seed"], found["command"][-2:]) == (42, ["--seed", "${seed}"])


def test_dollars_of_the_call_are_no_macros() -> None:
    assert study("t.py --lr 1 '${x}' 'a$$b' '$c'")["command"][3:] == ["$${x}", "a$$$b", "$c"]


tokens = st.sampled_from(
    [
        *("--lr", "--epochs", "--fp16", "--do_eval", "--seed", "-v", "--betas", "--a.b"),
        *("0.0001", "3", "16", "0.5", "True", "false", "x", "$$", "${a}", "", "-", "--"),
        *("--lr=0.001", "--on=False", "opt.wd=0.01", "--batch=", "--n=8", "a=b", "t.py", "-m"),
    ]
)


@settings(deadline=None)
@given(st.lists(tokens, max_size=8))
def test_trial_0_is_called_as_the_call_was(arguments: list[str]) -> None:
    call = ["t.py", "--rate=0.1", *arguments]
    found = study(shlex.join(call))
    macros = Macros(
        params=found["baseline"],
        own={"seed": str(found.get("seed"))},
        environment={},
        cases=found.get("cases", {}),
    )
    assert macros.arguments(found["command"]) == call


def test_a_call_made_elsewhere_runs_there() -> None:
    assert study("t.py --lr 1", cwd="../..")["cwd"] == "../.."
    assert "cwd" not in study("t.py --lr 1")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("", "`--command` needs a program: --command -- python train.py --lr 1e-4"),
        ("python t.py --name x", "no option of the call is a rate, a count or a switch that could"),
    ],
)
def test_a_call_with_nothing_to_search_is_refused(call: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        study(call)
