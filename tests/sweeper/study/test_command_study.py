"""Study files of a program: what they become, and every mistake at its line."""

from pathlib import Path

import pytest

from sweeper.errors import ConfigError
from sweeper.study.config import parse_study, stored_study, training_of

STUDY = """\
name: mine
command: [python, train.py, "--out=${trial.dir}/ckpt", "${args}"]
results: {file: "${trial.dir}/m.json", metrics: {accuracy: /eval/accuracy}}
metric: {name: accuracy, goal: minimize}
parameters: {lr: {min: 1e-5, max: 1e-2, log: true}, epochs: {values: [1, 2]}}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_study(text, Path("study.yaml"))
    return list(caught.value.problems)


def test_a_program_is_a_study_and_its_values_are_its_arguments() -> None:
    config = parse_study(STUDY, Path("study.yaml"))
    assert (config.goal, config.can.metric, config.controls) == ("minimize", "accuracy", ())
    training = training_of(config, {"lr": 1e-3, "epochs": 2})
    assert training.to_json()["params"] == {"lr": 1e-3, "epochs": 2}
    again = stored_study(config.to_json(), Path("study.yaml"))
    assert again.to_json() == config.to_json()
    assert list(training_of(again, {"lr": 1e-3, "epochs": 2}).path) == list(training.path)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("${trial.dir}/ckpt", "${trail.dir}", "unknown reference '${trail.dir}'"),
        ("[python, train.py", '["python train.py"', None),
        (
            '[python, train.py, "--out=${trial.dir}/ckpt", "${args}"]',
            "python train.py",
            "command: must be a list, but got 'python train.py'",
        ),
        ("accuracy: /eval", "accurasy: /eval", "did you mean 'accurasy'"),
        ("${args}", "--lr=${lr}", "epochs: is not used; write"),
        ("metric:", "cases: {lrr: {a: []}}\nmetric:", "cases.lrr: is no parameter"),
        ("metric:", "epochs: ${epochs}x\nmetric:", "epochs"),
        ("metric:", "time_limit: soon\nmetric:", "must be a time such as 90s"),
        ("metric:", "steps: []\nmetric:", "steps"),
        ("metric:", "reslts: {}\nmetric:", "did you mean 'results'?"),
        ("metric:", "retries: 3\nmetric:", "retries: unknown key"),
        ("metric:", "pruner: {name: median}\nmetric:", "say how many a trial reports"),
        ("metric:", "controls: [random]\nmetric:", "must be one of repeat, reseed"),
        ("/eval/accuracy", "/eval/~accuracy", "must be a JSON pointer"),
        ("metric:", "abort_if: '('\nmetric:", "abort_if"),
        (
            "metric:",
            "inputs: ['${trial.dir}/x']\nmetric:",
            "inputs: ${trial.dir} stands for nothing",
        ),
        ("metric:", "trainer: {}\nmetric:", "exclude each other"),
    ],
)
def test_a_mistake_is_told(old: str, new: str, problem: str | None) -> None:
    text = STUDY.replace(old, new)
    assert text != STUDY
    if problem is None:
        assert parse_study(text, Path("study.yaml")).name == "mine"  # a program with a blank
    else:
        told = problems(text)
        assert any(problem in line for line in told), told


def test_one_argument_with_blanks_alone_is_a_line_for_a_shell() -> None:
    text = STUDY.replace(
        '[python, train.py, "--out=${trial.dir}/ckpt", "${args}"]', '["a ${args}"]'
    )
    assert any("no line for a shell" in line for line in problems(text))
