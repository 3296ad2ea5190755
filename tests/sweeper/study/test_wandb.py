from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import ConfigError
from sweeper.space import Parameter
from sweeper.study.config import StudyConfig, parse_study
from sweeper.study.wandb import convert
from sweeper.study.yaml_text import yaml_value

SWEEP = """\
name: my sweep/1
method: bayes
metric: {name: val_loss, goal: minimize}
early_terminate: {type: hyperband, min_iter: 3, eta: 2}
parameters:
  learning_rate: {distribution: log_uniform_values, min: 1e-5, max: 1e-2}
  kl_coef: {min: 0.01, max: 0.3}
  optimizer: {values: [adam, sgd]}
  model:
    parameters:
      hidden_dim: {values: [32, 64]}
  freeze: {values: [bottom, none]}
  seed: {value: 3}
  epochs: {min: 1, max: 9}
run_cap: 20
entity: team
"""


def converted(text: str) -> tuple[str, StudyConfig]:
    study = convert(text).text
    return study, parse_study(study, Path("study.yaml"))


def one(entry: str) -> tuple[str, Parameter]:
    """Convert a sweep over one parameter `dropout`; return its line's comment and the parameter."""
    text, config = converted(f"parameters: {{lr: {{min: 0.1, max: 0.2}}, dropout: {entry}}}")
    [line] = [line for line in text.splitlines() if line.startswith("  dropout:")]
    return line.partition("#")[2].strip(), config.space.parameters[1]


def test_a_sweep_becomes_a_study_that_loads() -> None:
    _, config = converted(SWEEP)
    assert config.name == "my sweep_1"
    assert (config.sampler.name, config.trials) == ("tpe", 20)
    assert config.pruner.options == {"min_resource": 3, "reduction_factor": 2}
    assert config.space.parameters == (
        Parameter(name="learning_rate", low=1e-5, high=1e-2, log=True),
        Parameter(name="kl_coef", low=0.01, high=0.3),
        Parameter(name="model.hidden_dim", choices=(32, 64)),
        Parameter(name="seed", fixed=3),
        Parameter(name="epochs", low=1, high=9, integer=True),
    )


def test_parameters_stand_in_the_fields_that_they_name() -> None:
    _, config = converted(SWEEP)
    grpo = config.trainer["phases"][1]["grpo"]
    assert (grpo["lr"], grpo["kl_beta"]) == ("${learning_rate}", "${kl_coef}")
    assert config.trainer["policy"]["hidden_dim"] == "${model.hidden_dim}"
    assert config.trainer["seed"] == "${seed}"


def test_what_is_not_carried_over_stands_in_comments_with_the_reason() -> None:
    text, _ = converted(SWEEP)
    lost = text[text.index("# Not carried over:") :].splitlines()[1:]
    assert lost == [
        "#   optimizer: {values: [adam, sgd]}   (no field of the trainer has this name)",
        "#   freeze: {values: [bottom, none]}   ('bottom' does not fit "
        "trainer.phases[1].grpo.freeze: must be backbone, none, projections or head_then_all: N "
        "with N >= 1 epochs)",
        "#   entity: team   (has no counterpart)",
    ]
    assert "# The sweep's metric was {name: val_loss, goal: minimize}." in text


@pytest.mark.parametrize(
    ("name", "phase", "field"),
    [
        ("lr", 1, "lr"),
        ("grpo_lr", 1, "lr"),
        ("rce-lr", 0, "lr"),
        ("rce_num_epochs", 0, "epochs"),
        ("temperature_start", 0, "temperature_start"),
        ("train.weight_decay", 1, "weight_decay"),
        ("Batch_Size", 1, "batch_size"),
    ],
)
def test_a_parameter_goes_to_the_phase_that_its_name_says(
    name: str, phase: int, field: str
) -> None:
    _, config = converted(f"parameters: {{{name}: {{min: 1, max: 4}}}}")
    [settings] = config.trainer["phases"][phase].values()
    assert settings[field] == f"${{{name}}}"


def test_the_second_parameter_of_one_field_is_left_out() -> None:
    text, config = converted("parameters: {lr: {min: 0.1, max: 0.2}, learning_rate: {value: 1}}")
    assert config.space.names == ("lr",)
    assert "#   learning_rate: {value: 1}   (is the same field as lr)" in text


@pytest.mark.parametrize(
    ("entry", "expected", "note"),
    [
        ("{min: 0, max: 0.5}", Parameter(name="dropout", low=0.0, high=0.5), ""),
        (
            "{distribution: uniform, min: 0, max: 0.5}",
            Parameter(name="dropout", low=0.0, high=0.5),
            "",
        ),
        (
            "{distribution: q_uniform, min: 0.0, max: 0.55, q: 0.1}",
            Parameter(name="dropout", low=0.0, high=0.5, step=0.1),
            "multiples of 0.1 between 0.0 and 0.55",
        ),
        (  # e^-4.605 = 0.0100017, e^-0.693 = 0.500074
            "{distribution: log_uniform, min: -4.605, max: -0.693}",
            Parameter(name="dropout", low=0.0100017, high=0.500074, log=True),
            "the sweep's bounds were exponents: -4.605 to -0.693",
        ),
        (
            "{distribution: q_log_uniform_values, min: 0.01, max: 0.5, q: 0.01}",
            Parameter(name="dropout", low=0.01, high=0.5, log=True),
            "not only multiples of 0.01",
        ),
        (
            "{values: [0.1, 0.2], probabilities: [0.5, 0.5]}",
            Parameter(name="dropout", choices=(0.1, 0.2), probabilities=(0.5, 0.5)),
            "",
        ),
        ("{distribution: constant, value: 0.5}", Parameter(name="dropout", fixed=0.5), ""),
    ],
)
def test_a_distribution_keeps_its_meaning(entry: str, expected: Parameter, note: str) -> None:
    assert one(entry) == (note, expected)


def test_whole_multiples_on_a_log_scale_stay_whole_numbers() -> None:
    entry = "{distribution: q_log_uniform_values, q: 8, min: 32, max: 256}"
    text, config = converted(f"parameters: {{batch_size: {entry}}}")
    [found] = config.space.parameters
    assert found == Parameter(name="batch_size", low=32, high=256, log=True, integer=True)
    assert "# not only multiples of 8" in text


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("learn_rate", "lr"),
        ("epsilon", "clip_epsilon"),
        ("beta", "kl_beta"),
        ("num_generations", "group_size"),
        ("per_device_train_batch_size", "batch_size"),
        ("num_train_epochs", "epochs"),
        ("max_grad_norm", "max_grad_norm"),
    ],
)
def test_the_names_of_trl_are_known(name: str, field: str) -> None:
    low, high = (0.1, 0.2) if field in ("lr", "clip_epsilon", "kl_beta") else (2, 4)
    _, config = converted(f"parameters: {{{name}: {{min: {low}, max: {high}}}}}")
    assert config.trainer["phases"][1]["grpo"][field] == f"${{{name}}}"


def test_a_prefix_decides_the_place_and_loses_nothing() -> None:
    text, config = converted(
        "parameters: {rce: {parameters: {lr: {min: 0.1, max: 0.2}}}, "
        "grpo: {parameters: {lr: {min: 0.3, max: 0.4}}}}"
    )
    rce, grpo = config.trainer["phases"]
    assert (rce["rce"]["lr"], grpo["grpo"]["lr"]) == ("${rce.lr}", "${grpo.lr}")
    assert "Not carried over" not in text


def test_what_belongs_to_a_critic_takes_nobodys_place() -> None:
    found = convert(
        "parameters: {critic.lr: {value: 1}, actor.lr: {min: 0.1, max: 0.2}, "
        "optimizer: {parameters: {epsilon: {value: 1e-8}, lr: {value: 1}}}}"
    )
    assert 'grpo: {lr: "${actor.lr}"}' in found.text
    assert found.warnings == (
        "parameters.critic.lr is not carried over: no field of the trainer has this name",
        "parameters.optimizer.epsilon is not carried over: no field of the trainer has this name",
        "parameters.optimizer.lr is not carried over: is the same field as actor.lr",
    )


@pytest.mark.parametrize(
    ("stop", "pruner", "said"),
    [
        ("min_iter: 3, eta: 2", (3, 2), "after 3 logged values, which are taken for epochs"),
        # 27 / 3^2 = 3
        ("max_iter: 27, s: 2, eta: 3", (3, 3), "after 3 logged values"),
        ("max_iter: 27, s: 3", (1, 3), "after 1 logged value,"),
        ("min_iter: 3, strict: true", (3, 3), "epochs; `strict` has no counterpart"),
        ("min_iter: 300", None, "left out: it looks for the first time after 300 logged values, "),
        ("min_iter: 9", None, "and a trial has at most 9 epochs; write `min_resource` in epochs"),
        ("min_iter: 0.5", None, "left out; it names no whole numbers"),
        ("max_iter: 2, s: 9", None, "left out; it names no whole numbers"),
    ],
)
def test_early_stops_are_taken_for_epochs_or_left_out_and_said(
    stop: str, pruner: tuple[int, int] | None, said: str
) -> None:
    text = SWEEP.replace("min_iter: 3, eta: 2", stop)
    _, config = converted(text)
    if pruner is None:
        assert config.pruner.name == "none"
    else:
        options = {"min_resource": pruner[0], "reduction_factor": pruner[1]}
        assert (config.pruner.name, config.pruner.options) == ("hyperband", options)
    [warning] = [text for text in convert(text).warnings if text.startswith("early_terminate: ")]
    assert said in warning


@pytest.mark.parametrize(
    ("sweep", "warning"),
    [
        (
            "parameters: {kl_beta: {min: 0, max: 1}}",
            "parameters.kl_beta: the whole numbers 0 and 1, as W&B has it; write 0.0 and 1.0 for "
            "fractions",
        ),
        (
            "parameters: {lr: {distribution: log_uniform, min: 1e-4, max: 1e-3}}",
            "parameters.lr: the sweep's bounds were exponents: 0.0001 to 0.001; if values were "
            "meant, write these",
        ),
        (
            "method: bayes\nparameters: {freeze: {values: [none, backbone], "
            "probabilities: [0.9, 0.1]}}",
            "probabilities: tpe learns what to draw; they hold with random",
        ),
        (
            "metric: {name: x, target: 3}\nparameters: {lr: {min: 0.1, max: 0.2}}",
            "metric.target: 3 ends nothing here",
        ),
    ],
)
def test_what_may_be_meant_otherwise_is_said(sweep: str, warning: str) -> None:
    assert convert(sweep).warnings == (warning,)


def test_distributions_without_counterpart_are_left_out() -> None:
    text, config = converted(
        "parameters: {lr: {min: 0.1, max: 0.2}, dropout: {distribution: normal, mu: 0, sigma: 1}}"
    )
    assert config.space.names == ("lr",)
    assert "(has the distribution 'normal'; give it min and max, or values)" in text


def test_a_grid_without_end_becomes_random_and_says_so() -> None:
    text, config = converted("method: grid\nparameters: {lr: {min: 0.1, max: 0.2}}")
    assert config.sampler.name == "random"
    assert "# method: grid; without steps this space has no end, hence random" in text


def test_a_grid_of_values_stays_a_grid() -> None:
    _, config = converted("method: grid\nparameters: {lr: {values: [0.1, 0.2]}}")
    assert config.sampler.name == "grid"


def test_a_sweep_that_fits_nowhere_says_why() -> None:
    with pytest.raises(ConfigError) as caught:
        convert("parameters: {optimizer: {values: [a]}, lr: {value: 1}}")
    reason, fields = caught.value.problems
    assert reason == "sweep.yaml: parameters.optimizer: no field of the trainer has this name"
    assert fields.startswith(
        "sweep.yaml: no parameter to search fits the trainer; it has adaptive_kl,"
    )


@pytest.mark.parametrize(
    "text", ["a: 1", "parameters: {}", "parameters: [1]", "parameters:", "- 1"]
)
def test_what_is_no_sweep_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        convert(text)


words = st.sampled_from(["lr", "min", "max", "values", "value", "distribution", "log_uniform", "q"])
scalars = words | st.floats() | st.integers(-9, 9) | st.text(max_size=3) | st.none() | st.booleans()
entries = st.dictionaries(words, scalars | st.lists(scalars, max_size=3), max_size=4)
names = st.sampled_from(["lr", "rce_lr", "epochs", "freeze", "a\nb", "seed"]) | st.text(max_size=4)
sweeps = st.fixed_dictionaries(
    {"parameters": st.dictionaries(names, entries | scalars, max_size=4)},
    optional={
        "name": scalars,
        "method": scalars | st.just("grid"),
        "metric": scalars | entries,
        "early_terminate": entries,
        "run_cap": scalars,
        "description": scalars,
    },
)


@settings(max_examples=150, deadline=None)
@given(sweeps)
def test_any_sweep_becomes_a_study_that_loads_or_is_refused(sweep: dict[str, object]) -> None:
    sweep = {**sweep, "parameters": {"kl_beta": {"min": 0.1, "max": 0.2}, **sweep["parameters"]}}  # type: ignore[dict-item]
    text = "\n".join(f"{key}: {yaml_value(value)}" for key, value in sweep.items())
    converted(text)
