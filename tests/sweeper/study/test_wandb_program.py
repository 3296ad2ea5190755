from pathlib import Path

import pytest

from sweeper.errors import ConfigError
from sweeper.study.config import parse_study
from sweeper.study.file import parse_document
from sweeper.study.wandb import convert

SWEEP = """\
program: train.py
project: post-training
method: random
metric: {name: eval/loss, goal: minimize}
early_terminate: {type: hyperband, min_iter: 2}
parameters:
  learning_rate: {distribution: log_uniform_values, min: 1e-5, max: 1e-2}
  optimizer: {values: [adam, sgd], probabilities: [0.9, 0.1]}
  fp16: {values: [true, false]}
  num_train_epochs: {values: [3, 9]}
  layers: {values: [[1, 2], null]}
"""


def values(text: str) -> dict[str, object]:
    document = parse_document(convert(text).text, Path("study.yaml"))
    assert document.problems == ()
    return document.values


def command(written: str, **keys: str) -> object:
    """The study's command for a sweep's."""
    lines = "\n".join(f"{key}: {value}" for key, value in {"program": "t.py", **keys}.items())
    parameters = "parameters: {lr: {min: 0.1, max: 0.2}, opt: {values: [a, b]}}"
    return values(f"{lines}\ncommand: {written}\n{parameters}\n")["command"]


def test_a_sweep_with_a_program_becomes_a_study_that_runs_it() -> None:
    assert values(SWEEP) == {
        "name": "converted",
        "mlflow": {"experiment": "post-training"},
        "command": ["${interpreter}", "train.py", "${args}"],
        "cases": {"fp16": {"true": ["--fp16=True"], "false": ["--fp16=False"]}},
        "epochs": "${num_train_epochs}",
        "results": {"reported": True},
        "metric": {"name": "eval/loss", "goal": "minimize"},
        "parameters": {
            "learning_rate": {"min": 1e-5, "max": 1e-2, "log": True},
            "optimizer": {"values": ["adam", "sgd"], "probabilities": [0.9, 0.1]},
            "fp16": {"values": [True, False]},
            "num_train_epochs": {"values": [3, 9]},
            "layers": {"values": ["[1, 2]", "None"]},
        },
        "sampler": {"name": "random", "seed": 0},
        "pruner": {"name": "hyperband", "min_resource": 2, "reduction_factor": 3},
        "trials": 32,
    }


def test_the_study_of_a_program_loads() -> None:
    config = parse_study(convert(SWEEP).text, Path("study.yaml"))
    assert (config.can.metric, config.goal) == ("eval/loss", "minimize")
    assert (config.pruner.name, config.sampler.name) == ("hyperband", "random")
    assert config.space.parameters[1].probabilities == (0.9, 0.1)


def test_every_guess_is_marked_with_what_else_there_is() -> None:
    lines = convert(SWEEP).text.splitlines()
    guesses = [line.partition("guess: ")[2] for line in lines if "guess: " in line]
    assert guesses == [
        "the program reports once an epoch",
        "where the score stands. One of three ways is yours:",
    ]
    start = lines.index("# guess: where the score stands. One of three ways is yours:")
    assert lines[start + 1 : start + 4] == [
        "#   from sweeper.client import report; "
        'report(step=epoch, **{"eval/loss": score})   in the program',
        '#   results: {file: "${trial.dir}/metrics.json", metrics: {"eval/loss": /eval/loss}}   '
        "if it writes a file",
        "#   results: {stdout: 'eval/loss[=: ]+(?P<eval_loss>)'}   if it prints a line",
    ]


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ('["${env}", python3, "${program}", "${args}"]', ["python3", "t.py", "${args}"]),
        ('["${program}", "${args_no_hyphens}"]', ["t.py", "${args_equals}"]),
        ('["${program}", "${args_no_boolean_flags}"]', ["t.py", "${args}"]),
        ('["${program}", "${args_json_file}"]', ["t.py", "${args_json_file}"]),
        (
            '["${program}", "--json=${args_json}"]',
            ["t.py", '--json={"lr": ${lr}, "opt": "${opt}"}'],
        ),
        ('["${envvar:HOME}/run", "--lr=${lr}", 3]', ["${env:HOME}/run", "--lr=${lr}", "3"]),
        ('[a, "$$", "${other}", "$HOME"]', ["a", "$$$$", "$${other}", "$HOME"]),
    ],
)
def test_macros_become_ours(written: str, ours: list[str]) -> None:
    assert command(written) == ours


@pytest.mark.parametrize(
    ("macro", "cases"),
    [
        ("args", {"true": ["--on=True"], "false": ["--on=False"]}),
        ("args_no_hyphens", {"true": ["on=True"], "false": ["on=False"]}),
        ("args_no_boolean_flags", {"true": ["--on"], "false": []}),
    ],
)
def test_true_and_false_are_written_as_the_agent_of_wandb_does(
    macro: str, cases: dict[str, list[str]]
) -> None:
    text = f'command: [a, "${{{macro}}}"]\nparameters: {{on: {{values: [true, false]}}}}\n'
    assert values(text)["cases"] == {"on": cases}


def test_epochs_are_counted_for_a_pruner_alone() -> None:
    assert "epochs" not in values(SWEEP.replace("early_terminate", "# early_terminate"))
    words = SWEEP.replace("{values: [3, 9]}", "{values: [few, many]}")
    assert not {"pruner", "epochs"} & set(values(words))


def test_without_epochs_nobody_is_stopped_early_and_that_is_said() -> None:
    text = SWEEP.replace("num_train_epochs", "size")
    assert not {"pruner", "epochs"} & set(values(text))
    assert convert(text).warnings == (
        "early_terminate: left out: it looks for the first time after 2 logged values, and nothing "
        "says how many epochs a trial has",
    )


def test_a_metric_that_the_sweep_does_not_name_is_a_guess() -> None:
    text = convert(SWEEP.replace("metric: {name: eval/loss, goal: minimize}\n", "")).text
    assert "metric: {name: score, goal: minimize}   # guess: the sweep names no metric" in text


def test_nested_parameters_are_said_to_be_written_otherwise() -> None:
    found = convert("program: a\nparameters: {a: {parameters: {b: {min: 1, max: 2}}}}")
    assert found.warnings == (
        "nested parameters are written `--group.name`; W&B writes the group as one",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("command: [a, '${program}']", "sweep.yaml: program: is missing, and the command runs it"),
        ("command: python a.py", "sweep.yaml: command: must be a list of arguments, as W&B has it"),
        ("command: [a, [b]]", "sweep.yaml: command: must be a list of texts and numbers"),
        ("program: a\nrun_cap: 3", None),
    ],
)
def test_a_sweep_that_runs_nothing_is_refused(text: str, problem: str | None) -> None:
    sweep = f"{text}\nparameters: {{lr: {{min: 0.1, max: 0.2}}}}\n"
    if problem is None:
        assert values(sweep)["trials"] == 3
        return
    with pytest.raises(ConfigError) as caught:
        convert(sweep)
    assert caught.value.problems == (problem,)


def test_a_sweep_of_constants_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        convert("program: a\nparameters: {lr: {value: 1}, n: {distribution: normal}}")
    assert caught.value.problems == (
        "sweep.yaml: parameters.n: has the distribution 'normal'; give it min and max, or values",
        "sweep.yaml: no parameter is left to search",
    )
