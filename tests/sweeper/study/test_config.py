import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import ConfigError
from sweeper.space import Parameter, complete_values
from sweeper.study.config import (
    StudyConfig,
    load_study,
    parse_study,
    stored_study,
    training_of,
)
from sweeper.study.sections import Best, Metric
from trainer.contract import FilesSpec

PATH = Path("study.yaml")

KL_LR = """\
# Question: how large a step and how weak a KL help,
# and is it worth unfreezing the projections?
name: kl_lr
trainer:
  task: easy_vqa
  phases:
    - rce:  {epochs: 5, lr: 1e-3}
    - grpo: {lr: "${lr}", kl_beta: "${kl_beta}", epochs: "${epochs}", freeze: "${freeze}"}
  evaluate: {shots: [1, 2, 3, 4], questions: 800, holdout: 800}
metric: {name: mean_shot_accuracy, goal: maximize}
parameters:
  lr:      {min: 1e-5, max: 1e-2, log: true}
  kl_beta: {min: 0.01, max: 0.3}
  epochs:  {min: 1, max: 6, fidelity: true}
  freeze:  {values: [backbone, none]}
baseline:  {lr: 1e-4, kl_beta: 0.15, epochs: 1, freeze: backbone}
controls:  [random, start, nearest]
sampler:   {name: tpe, seed: 0}
pruner:    {name: none}
trials: 32
resources: {devices: auto, slots_per_device: auto}
mlflow:    {experiment: kl_lr}
"""

# A study with as little as possible; tests put their lines in.
SMALL = """\
name: small
trainer:
  phases:
    - grpo: {{lr: "${{lr}}"{grpo}}}
parameters:
  lr: {{min: 1e-5, max: 1e-2, log: true}}
{parameters}
{rest}
"""

CONDITIONAL = """\
name: conditional
trainer:
  phases:
    - grpo: {freeze: "${mode}", lr: "${lr}", reward: "${reward}"}
parameters:
  lr: {min: 1e-4, max: 1e-2, log: true, when: {mode: [none, projections]}, otherwise: 1}
  mode: {values: [backbone, none, projections]}
  reward: {value: hard_only}
"""


def small(*, grpo: str = "", parameters: str = "", rest: str = "") -> str:
    return SMALL.format(grpo=grpo, parameters=parameters, rest=rest)


def parse(text: str) -> StudyConfig:
    return parse_study(text, PATH)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return list(caught.value.problems)


def only_problem(text: str) -> str:
    [problem] = problems(text)
    return problem


# ---- what a good file becomes


def test_the_default_study_becomes_a_config() -> None:
    config = parse(KL_LR)
    assert config.space.parameters == (
        Parameter(name="lr", low=1e-5, high=1e-2, log=True),
        Parameter(name="kl_beta", low=0.01, high=0.3),
        Parameter(name="epochs", low=1, high=6, integer=True, fidelity=True),
        Parameter(name="freeze", choices=("backbone", "none")),
    )
    assert config.baseline == {"lr": 1e-4, "kl_beta": 0.15, "epochs": 1, "freeze": "backbone"}
    assert config.controls == ("random", "start", "nearest")
    assert (config.sampler.name, config.pruner.name, config.trials) == ("tpe", "none", 32)
    assert (config.lag, config.order, config.experiment) == ("auto", "fixed", "kl_lr")
    assert config.question == (
        "how large a step and how weak a KL help, and is it worth unfreezing the projections?"
    )


def test_a_spec_has_the_values_in_place_of_the_references() -> None:
    config = parse(KL_LR)
    assert config.baseline is not None
    grpo = training_of(config, config.baseline).spec.phases[1].grpo
    assert grpo is not None
    assert (grpo.lr, grpo.epochs, grpo.kl_beta, grpo.freeze) == (1e-4, 1, 0.15, "backbone")


def test_a_reference_within_a_text_is_written_out() -> None:
    text = small(grpo=', freeze: "head_then_all:${n}"', parameters="  n: {min: 1, max: 3}")
    config = parse(text)
    spec = training_of(config, {"lr": 1e-3, "n": 2}).spec
    assert spec.phases[0].grpo is not None
    assert spec.phases[0].grpo.freeze == "head_then_all:2"


def test_values_that_only_together_are_wrong_are_a_config_error_that_names_them() -> None:
    text = small(parameters="  heads: {values: [1, 3]}\n  width: {values: [48, 32]}")
    policy = '  policy: {num_heads: "${heads}", hidden_dim: "${width}"}'
    config = parse(text.replace("trainer:", f"trainer:\n{policy}"))
    with pytest.raises(
        ConfigError, match=r'trainer.policy: hidden_dim 32 .* num_heads 3, with .*"width": 32'
    ):
        training_of(config, {"lr": 1e-3, "heads": 3, "width": 32})


def test_an_unfreezing_epoch_becomes_one_text_everywhere() -> None:
    text = small(
        grpo=', freeze: "${freeze}"',
        parameters="  freeze: {values: [none, {head_then_all: 2}]}",
        rest="enqueue: [{lr: 1e-3, freeze: {head_then_all: 2}}]",
    )
    config = parse(text)
    assert config.space.parameters[1].choices == ("none", "head_then_all:2")
    assert config.enqueue == ({"lr": 1e-3, "freeze": "head_then_all:2"},)


def test_a_parameter_stands_after_those_that_it_depends_on() -> None:
    config = parse(CONDITIONAL)
    assert config.space.names == ("mode", "lr", "reward")
    assert complete_values(config.space, {"mode": "backbone"}) == {
        "mode": "backbone",
        "lr": 1.0,
        "reward": "hard_only",
    }


def test_whole_numbers_are_written_as_floats_for_a_float_parameter() -> None:
    text = small(grpo=', kl_beta: "${b}"', parameters="  b: {min: 0.0, max: 1}")
    config = parse(text + "\nbaseline: {lr: 1e-3, b: 1}")
    assert config.baseline is not None
    assert type(config.baseline["b"]) is float


def test_wandb_words_mean_sampler_and_trials() -> None:
    config = parse(small(rest="method: bayes\nrun_cap: 7"))
    assert (config.sampler.name, config.trials) == ("tpe", 7)


REST = (
    "pruner: {name: median}\nlimits: {reader_calls: 7}\n"
    'stop: {no_gain: 3}\nstop_if: {kl: "> 5", loss: ">= 1e2"}'
)


@pytest.mark.parametrize("text", [KL_LR, CONDITIONAL, small(rest=REST)])
def test_a_config_survives_json_with_sorted_keys(text: str) -> None:
    config = parse(text)
    assert stored_study(json.loads(json.dumps(config.to_json(), sort_keys=True))) == config


def test_the_search_part_knows_neither_name_nor_trainer() -> None:
    other = KL_LR.replace("name: kl_lr", "name: other").replace("epochs: 5", "epochs: 4")
    assert parse(other).search_part() == parse(KL_LR).search_part()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 0", "seed: 1"),
        ("max: 0.3", "max: 0.4"),
        ("epochs: 1, freeze", "epochs: 2, freeze"),
        ("trials: 32", "trials: 32\nenqueue: [{lr: 1e-3, kl_beta: 0.1, epochs: 1, freeze: none}]"),
    ],
)
def test_the_search_part_holds_all_that_decides_proposals(old: str, new: str) -> None:
    assert parse(KL_LR.replace(old, new)).search_part() != parse(KL_LR).search_part()


def test_importing_the_config_loads_no_heavy_library() -> None:
    code = (
        "import sys, sweeper.study.config; print({'torch', 'mlflow', 'optuna'} & set(sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"


def test_probabilities_are_stored_with_the_study() -> None:
    entry = "  freeze: {values: [none, backbone], probabilities: [0.9, 0.1]}"
    config = parse(small(grpo=', freeze: "${freeze}"', parameters=entry))
    assert config.space.parameters[1].probabilities == (0.9, 0.1)
    assert stored_study(config.to_json()) == config


# ---- what a bad file is told


def test_the_word_of_wandb_for_a_sampler_is_answered_with_its_counterparts() -> None:
    assert only_problem(small(rest="sampler: {name: bayes}")) == (
        f"{PATH}:8:17: sampler.name: must be tpe or gp: these learn from the results, as in "
        "W&B, but got 'bayes'"
    )


def test_a_pruner_needs_scores_before_the_last_epoch() -> None:
    text = KL_LR.replace("evaluate: {", "evaluate: {every: last, ")
    assert parse_study(text, PATH).trainer["evaluate"]["every"] == "last"
    pruned = text.replace("pruner:    {name: none}", "pruner:    {name: median}")
    assert pruned != text
    with pytest.raises(ConfigError, match=r"evaluate\.every: `last` leaves the pruner nothing"):
        parse_study(pruned, PATH)


def test_every_problem_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "name: a/b\n"
        "trainer:\n"
        "  phases:\n"
        '    - grpo: {lr: "${lr}", kl_beta: "${kl_bta}", group_sze: 4}\n'
        "parameters:\n"
        "  lr: {min: 1e-2, max: 1e-5, log: true}\n"
        "  kl_beta: {min: 0.1, max: .nan}\n"
        "controls: [random, strat]\n"
        "trials: 0\n"
        "trails: 3\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    found = [problem.removeprefix(f"{path}:") for problem in caught.value.problems]
    allowed = (
        "lr, weight_decay, max_grad_norm, batch_size, dropout, attention_dropout, reward, "
        "reward_weights, epochs, kl_beta, adaptive_kl, clip_epsilon, rollouts, group_size, "
        "reference, freeze, advantage, advantage_min_std, advantage_clamp, curriculum"
    )
    assert found == [
        "1:7: name: must be letters, digits, spaces and `_ - .`, begin with a letter, digit or `_` "
        "and not end with a space or dot, but got 'a/b'",
        "4:36: trainer.phases[0].grpo.kl_beta: unknown reference '${kl_bta}'; parameters: "
        "kl_beta, lr; did you mean 'kl_beta'?",
        f"4:49: trainer.phases[0].grpo.group_sze: unknown key; allowed: {allowed}; "
        "did you mean 'group_size'?",
        "6:24: parameters.lr.max: must be greater than min 0.01, but got 1e-05; "
        "one value alone is written `value:`",
        "7:28: parameters.kl_beta.max: must be a finite number, but got nan",
        "8:20: controls[1]: must be one of random, start, nearest, but got 'strat'; "
        "did you mean 'start'?",
        "9:9: trials: must be >= 1, but got 0",
        "10:1: trails: unknown key; allowed: name, title, description, trainer, metric, "
        "parameters, baseline, enqueue, controls, sampler, method, pruner, trials, run_cap, lag, "
        "order, duplicates, seeds, finalists, best, limits, stop, stop_if, retry, notify, keep, "
        "resources, mlflow; did you mean 'trials'?",
    ]
    assert str(caught.value).startswith(f"{path} has 8 problems:\n  {path}:1:7: name:")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trials: many", "8:9: trials: must be a whole number, but got 'many'"),
        ("trials: true", "8:9: trials: must be a whole number, but got true"),
        ("title: 3", "8:8: title: must be text, but got 3; put it in quotes"),
        ("title:", "8:1: title: has no value; give it one or remove the key"),
        (
            "sampler: {sed: 1}",
            "8:11: sampler.sed: unknown key; allowed: name, seed, n_startup_trials",
        ),
        ("sampler: {name: grid}", "8:17: sampler.name: grid needs finitely many settings; give lr"),
        (
            "sampler: {name: random, n_startup_trials: 3}",
            "8:25: sampler.n_startup_trials: is no option of random; it is one of tpe, cmaes, gp",
        ),
        ("sampler: {name: cmaes}", "8:17: sampler.name: cmaes needs two parameters with a range"),
        ("pruner: median", "8:9: pruner: must be a mapping of keys and values, but got 'median'"),
        ("pruner: {name: hyperband, percentile: 3}", "8:27: pruner.percentile: is no option of"),
        ("method: bayes\nsampler: {seed: 1}", "8:1: method: says the same as `sampler`"),
        ("run_cap: 3\ntrials: 3", "8:1: run_cap: says the same as `trials`; leave one out"),
        ("controls: [start, start]", "8:19: controls[1]: start stands here twice"),
        ("lag: 0", "8:6: lag: must be auto or a whole number >= 1, but got 0"),
        (
            "order: fre",
            "8:8: order: must be one of fixed, free, but got 'fre'; did you mean 'free'?",
        ),
        ("resources: {devices: gpu}", "8:22: resources.devices: must be auto, cpu or a list of"),
        ("resources: {devices: [0, 0]}", "8:22: resources.devices: must name each device once"),
        ("resources: {devices: [-1]}", "8:22: resources.devices: must list device numbers"),
        ("metric: {goal: minimize}", "8:16: metric.goal: must be maximize: more mean_shot"),
        (
            "metric: {name: loss}",
            "8:16: metric.name: must be one of mean_shot_accuracy, validation",
        ),
        (
            "metric: {name: validation_loss}",
            "8:16: metric.name: must be mean_shot_accuracy: `trainer.evaluate.score` decides",
        ),
        (
            "best: {rule: hihgest}",
            "8:14: best.rule: must be one of highest, one_standard_error, sig",
        ),
        ("best: significant", "8:7: best: must be a mapping of keys and values, but got 'signif"),
        ("early_terminate: {type: x}", "8:1: early_terminate: not a key of this file; write `prun"),
        (
            "program: a.py",
            "8:1: program: not a key of this file; write `command: [python, train.py",
        ),
        ("baseline: {lr: 1}", "8:16: baseline.lr: must be a number from 1e-05 to 0.01, but got 1"),
        (
            "baseline: {lr: true}",
            "8:16: baseline.lr: must be a number from 1e-05 to 0.01, but got tr",
        ),
        ("baseline: {lr: 1e-3, lo: 1}", "8:22: baseline.lo: unknown parameter; known: lr"),
        ("baseline: {}", "8:11: baseline: lr missing; a setting names them all"),
        ("enqueue: [{lr: 1e-3}, {lr: x}]", "8:28: enqueue[1].lr: must be a number from 1e-05 to"),
        ("enqueue: {lr: 1e-3}", "8:10: enqueue: must be a list, but got {lr: 0.001}"),
    ],
)
def test_a_wrong_section_is_told_at_its_line_and_column(line: str, message: str) -> None:
    assert only_problem(small(rest=line)).startswith(f"study.yaml:{message}")


@pytest.mark.parametrize(
    "name",
    ["a/b", ".hidden", "", " a", "a ", "x" * 101, "学" * 80, "a\x07", "stages", "a\nb", ".."],
)
def test_a_name_that_makes_no_folder_is_refused(name: str) -> None:
    text = small().replace("name: small", f"name: {json.dumps(name)}")
    assert "study.yaml:1:7: name: must" in only_problem(text)


@pytest.mark.parametrize(
    "name", ["Stages", "answers.db", "answers.db-wal", "Answers.db-shm", "answers.db.host-1.added"]
)
def test_a_name_of_what_the_workspace_itself_writes_is_refused(name: str) -> None:
    told = only_problem(small().replace("name: small", f"name: {name}"))
    assert "name: must not be stages or begin with answers.db: these files" in told
    assert told.endswith(f"but got {name!r}")


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:hunter2@host:5000",
        "postgresql://host/db?sslpassword=hunter2",
        "[http://me:hunter2@h]",
    ],
)
def test_a_password_in_an_address_is_refused_unquoted_with_its_places(uri: str) -> None:
    value = uri if uri.startswith("[") else json.dumps(uri)
    told = only_problem(small(rest=f"mlflow: {{tracking_uri: {value}}}"))
    assert told.startswith("study.yaml:8:24: mlflow.tracking_uri: ")
    assert "hunter2" not in told
    assert uri.startswith("[") or "MLFLOW_TRACKING_TOKEN" in told


@pytest.mark.parametrize("name", ["kl_lr", "学习率 2", "a-b.c", "x" * 100, "2026-11-22"])
def test_a_name_may_have_letters_of_any_language(name: str) -> None:
    assert parse(small().replace("name: small", f"name: {name}")).name == name


def test_missing_sections_say_what_they_are_for() -> None:
    assert problems("title: x\n") == [
        "study.yaml:1:1: name: is missing; it names the folder and the experiment",
        "study.yaml:1:1: trainer: is missing; it says what a trial trains; or give `command`",
        "study.yaml:1:1: parameters: is missing; it says what is searched",
    ]


@pytest.mark.parametrize("entries", ["{}", "{lr: {value: 1e-3}}"])
def test_a_study_that_searches_nothing_is_refused(entries: str) -> None:
    text = f"name: x\ntrainer: {{phases: [{{grpo: {{lr: '${{lr}}'}}}}]}}\nparameters: {entries}\n"
    assert any("parameters: leaves nothing to search" in problem for problem in problems(text))


def test_a_key_without_a_space_after_its_colon_is_explained() -> None:
    text = small().replace("{min: 1e-5", "{min:1e-5")
    assert only_problem(text) == (
        "study.yaml:6:8: parameters.lr.min:1e-5: has no value; a space is missing after the colon"
    )


def test_yaml_problems_are_told_together_with_the_others() -> None:
    assert problems(small(rest="trials: 3\ntrials: 4\nlag: 0")) == [
        "study.yaml:9:1: trials: duplicate key; it stands already at 8:1",
        "study.yaml:10:6: lag: must be auto or a whole number >= 1, but got 0",
    ]


def test_a_value_that_yaml_cannot_give_is_told_once() -> None:
    assert only_problem(small(rest="trials: 99999999999999999999")) == (
        "study.yaml:8:9: trials: whole numbers end at 9223372036854775807"
    )


# ---- the lab's own files

FILES = """\
name: files
trainer:
  task:
    name: files
    rollouts: data/rl.json
    embeddings: {{train: "${{embeddings}}"}}
  start: /weights/rce.pt
  phases: [{{grpo: {{lr: "${{lr}}"}}}}]
  evaluate: {{{evaluate}}}
parameters:
  lr: {{min: 1e-5, max: 1e-2, log: true}}
  embeddings: {{values: [a.npy, /b.npy]}}
{rest}
"""


def files(evaluate: str = "score: validation_loss", rest: str = "") -> str:
    return FILES.format(evaluate=evaluate, rest=rest)


def test_paths_begin_at_the_folder_of_the_study_file() -> None:
    config = parse_study(files(), Path("studies/files.yaml"))
    spec = training_of(config, {"lr": 1e-3, "embeddings": "a.npy"}).spec
    below = Path("studies").absolute()
    assert isinstance(spec.task, FilesSpec)
    assert spec.task.rollouts == str(below / "data/rl.json")
    assert spec.task.embeddings.train == str(below / "a.npy")
    assert spec.start == "/weights/rce.pt"
    other = training_of(config, {"lr": 1e-3, "embeddings": "/b.npy"}).spec
    assert isinstance(other.task, FilesSpec)
    assert other.task.embeddings.train == "/b.npy"


def test_the_folder_of_the_study_file_is_no_part_of_the_study() -> None:
    here, there = (parse_study(files(), Path(f"{name}/files.yaml")) for name in ("a", "b"))
    assert here.to_json() == there.to_json()
    assert here.to_json()["trainer"]["task"]["rollouts"] == "data/rl.json"


def test_the_metric_follows_what_a_trial_is_scored_by() -> None:
    assert parse(files()).metric == Metric(name="validation_loss", goal="minimize")
    assert parse(files("reader: recorded")).metric == Metric(
        name="mean_shot_accuracy", goal="maximize"
    )
    assert parse(files(rest="metric: {name: validation_loss}")).goal == "minimize"
    assert stored_study(parse(files()).to_json()) == parse(files())


def test_a_rule_that_needs_answers_is_refused_where_a_loss_is_the_score() -> None:
    assert parse(files(rest="best: {rule: highest}")).best == Best(rule="highest")
    problem = only_problem(files(rest="best: {rule: significant}"))
    assert problem.endswith(
        "best.rule: significant needs scores by question, a loss has none; leave `highest`"
    )


def test_a_loss_is_never_maximized() -> None:
    problem = only_problem(files(rest="metric: {name: validation_loss, goal: maximize}"))
    assert problem.endswith("metric.goal: must be minimize: less validation_loss is better")


def test_a_metric_that_is_not_what_a_trial_is_scored_by_is_told() -> None:
    problem = only_problem(files(rest="metric: {name: mean_shot_accuracy}"))
    assert problem == (
        "study.yaml:13:16: metric.name: must be validation_loss: `trainer.evaluate.score` decides "
        "what a trial is scored by"
    )


@pytest.mark.parametrize("key", ["score", "reward"])
def test_what_scores_the_trials_is_no_parameter(key: str) -> None:
    values = {"score": "[accuracy, validation_loss]", "reward": "[hard_only, soft_only]"}[key]
    text = small(parameters=f"  how: {{values: {values}}}")
    text = text.replace("trainer:", f'trainer:\n  evaluate: {{{key}: "${{how}}"}}')
    assert only_problem(text).endswith(
        f"trainer.evaluate.{key}: must be written out, without `${{...}}`: all trials are scored "
        "alike"
    )


def test_task_files_alone_lacks_its_files() -> None:
    text = small().replace("trainer:", "trainer:\n  task: files")
    assert problems(text) == [
        "study.yaml:3:9: trainer.task.rollouts: is missing",
        "study.yaml:3:9: trainer.task.embeddings: is missing",
    ]


@pytest.mark.parametrize("task", ["filez", "{name: filez, rollouts: a}"])
def test_an_unknown_task_gets_the_near_one(task: str) -> None:
    text = small().replace("trainer:", f"trainer:\n  task: {task}")
    assert only_problem(text).endswith(
        "trainer.task.name: must be one of easy_vqa, files, but got 'filez'; did you mean 'files'?"
    )


def test_a_wrong_key_of_the_files_is_told_at_its_place() -> None:
    text = files().replace("rollouts:", "rolouts:")
    [first, second] = problems(text)
    assert first == "study.yaml:3:3: trainer.task.rollouts: is missing"
    assert second.startswith("study.yaml:5:5: trainer.task.rolouts: unknown key; allowed: name, ")


def test_a_value_of_the_files_is_told_where_the_parameter_has_it() -> None:
    text = files().replace("    rollouts:", '    split: "${split}"\n    rollouts:')
    text = text.replace("parameters:", "parameters:\n  split: {values: [0.5, 1.5]}")
    assert only_problem(text).endswith(
        "parameters.split.values[1]: 1.5 does not fit trainer.task.split: must be < 1"
    )


def test_what_sections_of_the_trainer_say_of_each_other_is_told_at_the_section() -> None:
    text = files("questions: 100").replace('lr: "${lr}"', 'lr: "${lr}", rollouts: sampled')
    phase, evaluate = problems(text)
    assert phase.startswith("study.yaml:8:")
    assert "trainer.phases[0]" in phase
    assert "sampled ones need a reader" in phase
    assert evaluate == (
        "study.yaml:9:3: trainer.evaluate: task files brings no reader; say who scores: "
        "`score: validation_loss`, `reader: recorded` or `command: [...]`"
    )


def test_a_section_that_is_not_there_is_told_at_the_trainer() -> None:
    text = files().replace("  evaluate: {score: validation_loss}\n", "")
    assert only_problem(text).startswith(
        "study.yaml:2:1: trainer.evaluate: task files brings no reader"
    )


def test_too_many_questions_are_told_at_the_value_of_the_parameter() -> None:
    text = small(parameters="  n: {values: [100, 900]}")
    text = text.replace("trainer:", 'trainer:\n  evaluate: {questions: "${n}", holdout: 900}')
    assert problems(text) == [
        "study.yaml:3:42: trainer.evaluate.holdout: easy_vqa has 800 questions, but got 900",
        "study.yaml:8:21: parameters.n.values[1]: 900 does not fit trainer.evaluate.questions: "
        "easy_vqa has 800 questions, but got 900",
    ]


lines = st.sampled_from([*KL_LR.splitlines(), "a: &x 1", "b: *x", "- 1", "when: {lr: 1}"])
words = st.sampled_from(
    ["${lr}", "none", "1e-4", ".nan", "{", "}", "[]", "null", "true", "9" * 30, "'", "x", "-1", "0"]
)


@st.composite
def damaged_studies(draw: st.DrawFn) -> str:
    """The default study with a few lines moved or removed and a few words replaced."""
    found = draw(st.permutations(KL_LR.splitlines())) if draw(st.booleans()) else KL_LR.splitlines()
    text = "\n".join(found)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 12, len(text))))
        text = text[:start] + draw(words | st.text(max_size=3)) + text[end:]
    return text


@pytest.mark.parametrize("shots", ["1e-4", "two", "{a: 1}"])
def test_shots_that_are_no_list_are_a_problem_and_no_traceback(shots: str) -> None:
    found = problems(KL_LR.replace("shots: [1, 2, 3, 4]", f"shots: {shots}"))
    assert any("evaluate.shots" in problem for problem in found)


@settings(max_examples=200, deadline=None)
@given(damaged_studies() | st.lists(lines).map("\n".join) | st.text())
def test_any_text_loads_or_is_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        config = parse(text)
        assert stored_study(config.to_json()) == config
