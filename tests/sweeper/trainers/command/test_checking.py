"""What is wrong with a program's section, and whether what it names is there."""

import sys
from pathlib import Path
from typing import Any

import pytest

from sweeper.trainers import command_trainer
from sweeper.trainers.command.checking import check, metric_of, reads_all, with_numbers
from sweeper.trainers.command.spec import CommandSpec
from sweeper.trainers.command.training import CommandTraining

SECTION: dict[str, Any] = {
    "command": [sys.executable, "train.py", "${args}"],
    "results": {"file": "m.json", "metrics": {"accuracy": "/a"}},
    "metric": {"name": "accuracy"},
    "params": {"lr": 0.5, "freeze": "none", "amp": True, "epochs": 3},
}


def refusals(**changes: Any) -> list[str]:
    found = command_trainer().refusals({**SECTION, **changes})
    return [f"{'.'.join(map(str, one.where))}: {one.text}" for one in found]


def complaints(*, prunes: bool = False, **changes: Any) -> list[str]:
    section = {**SECTION, **changes}
    found = command_trainer().complaints(section, prunes=prunes)
    return [f"{'.'.join(map(str, where))}: {text}" for where, text in found]


def training(below: Path, **changes: Any) -> CommandTraining:
    section = {**SECTION, **changes}
    found = command_trainer().training(section, seed=None, repeat=0, below=below, trusted=False)
    assert isinstance(found, CommandTraining)
    return found


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        (
            {"metric": {"name": "acuracy"}},
            ["metric: 'acuracy' is in no `results`, which have accuracy; did you mean 'accuracy'?"],
        ),
        (
            {"metric": {"mean_of": ["accuracy", "f1"]}},
            ["metric: 'f1' is in no `results`, which have accuracy"],
        ),
        ({"results": [SECTION["results"], {"reported": True}], "metric": {"name": "f1"}}, []),
        ({"results": None, "metric": {"name": "f1"}}, []),
        ({"epochs": "${epochs}"}, []),
        ({"epochs": "${lr}"}, ["epochs: must be a whole number >= 1, but got 0.5"]),
        ({"epochs": "many"}, ["epochs: must be a whole number >= 1, but got 'many'"]),
        ({"epochs": 0}, ["epochs: must be a whole number >= 1, but got 0"]),
        ({"cases": {"freeze": {"none": []}}}, []),
        ({"cases": {"amp": {"true": ["--amp"], "false": []}}}, []),
        (
            {"cases": {"freeze": {"backbone": ["-f"]}}},
            ["cases.freeze: has no case for 'none'; write `none: [...]`"],
        ),
    ],
)
def test_a_section_is_refused_for_what_its_values_make_of_it(
    changes: dict[str, Any], told: list[str]
) -> None:
    assert refusals(**changes) == told


def test_a_line_for_a_shell_is_refused_with_what_to_write() -> None:
    [told] = refusals(command=["python train.py --lr 1"])
    assert "no line for a shell" in told
    assert '["bash", "-c", "..."]' in told
    [told] = refusals(steps=[{"name": "a", "command": ["true"]}])
    assert "needs `command` or `steps`, one of them" in told


def test_what_no_value_could_mend_is_told() -> None:
    assert complaints() == []
    unknown = {"lrr": {"a": []}}
    assert complaints(cases=unknown)[0].startswith("cases.lrr: is no parameter; there are lr, ")
    effective = {"kl": {"stdout": "(?P<v>.)"}}
    assert complaints(effective=effective)[0].startswith("effective.kl: is no parameter")
    assert "say how many a trial reports: `epochs:`" in complaints(prunes=True)[0]
    assert complaints(prunes=True, epochs=3) == []


def test_the_one_metric_of_the_results_need_not_be_named() -> None:
    without = {key: value for key, value in SECTION.items() if key != "metric"}
    assert metric_of(without).name == "accuracy"
    two = {"file": "m.json", "metrics": {"accuracy": "/a", "f1": "/f"}}
    assert metric_of({**without, "results": two}).name == "score"
    assert metric_of({**without, "metric": {"mean_of": ["a", "b"]}}).name == "a and b"
    spec = CommandSpec.model_validate({**without, "epochs": "${epochs}"})
    assert (with_numbers(spec).epochs, with_numbers(spec).metric.name) == (3, "accuracy")


def test_a_program_reads_all_values_where_it_is_handed_them_together() -> None:
    assert reads_all(SECTION)
    assert not reads_all({**SECTION, "command": ["train", "${lr}"]})
    assert reads_all({**SECTION, "command": ["train", "--json=${args_json_file}"]})
    assert reads_all({**SECTION, "command": ["train"], "results": {"reported": True}})


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({}, []),
        ({"command": ["./train.sh"]}, []),
        ({"command": ["no-such-program"]}, ["run: there is no program 'no-such-program'"]),
        (
            {
                "command": None,
                "steps": [
                    {"name": "train", "command": ["true"]},
                    {"name": "evaluate", "command": ["no-such-program"]},
                ],
            },
            ["evaluate: there is no program 'no-such-program'"],
        ),
        ({"cwd": "nowhere"}, ["cwd: {below}/nowhere is no folder"]),
        ({"inputs": ["no.json"]}, ["inputs: {below}/no.json cannot be read"]),
        (
            {"env": {"A": "${env:SWEEPER_NOWHERE}"}},
            ["${{env:SWEEPER_NOWHERE}}: the environment has no SWEEPER_NOWHERE"],
        ),
        (
            {"command": ["true", "--all=${args}"]},
            ["${{args}} stands for several arguments: let it stand alone"],
        ),
    ],
)
def test_what_a_program_needs_is_looked_for_before_it_runs(
    tmp_path: Path, changes: dict[str, Any], problems: list[str]
) -> None:
    script = tmp_path / "train.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    report = check(training(tmp_path, **changes), device="cpu")
    assert list(report.problems) == [text.format(below=tmp_path) for text in problems]


def test_the_check_shows_the_call(tmp_path: Path) -> None:
    one = training(tmp_path, command=["true", "${trial.dir}", "${args}"])
    [fact] = check(one, device="cpu").facts
    assert fact == "run: true /TRIAL --lr 0.5 --freeze none --amp true --epochs 3"
