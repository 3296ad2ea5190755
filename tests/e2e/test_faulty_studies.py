"""Studies that were trained to have a fault, through the whole command: each fault is found."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from fakes.run_fake_study import Done, run_here

from sweeper.findings import Finding, findings
from sweeper.report.writing import suggested_study
from sweeper.results.assessment import assess
from sweeper.results.evidence import gather
from sweeper.store.workspace import Workspace
from sweeper.study.config import parse_study

HEAD = """\
# Question: is the fault found?
name: faulty
trainer:
  policy: {hidden_dim: 16}
  evaluate: {questions: 32, holdout: 32, remember: never}
  phases:
    - rce: {epochs: 2, lr: 3e-3, batch_size: 8}
"""
LEARNED = HEAD + "    - grpo: {lr: 1e-2, epochs: 15, kl_beta: 0.01}\n"  # a start to be spoilt
ONE_SHOT = HEAD.replace("{questions", "{shots: [1], questions")  # a reward of right or wrong
TIMID = """\
    - grpo:
        rollouts: recorded
        lr: "${lr}"
        kl_beta: "${kl_beta}"
        freeze: backbone
        dropout: 0.5
        reward: hard_only
        curriculum: [2]
parameters:
  lr: {min: 1e-9, max: 2e-9}
  kl_beta: {values: [0.12, 0.15, 0.18]}
baseline: {lr: 1e-9, kl_beta: 0.15}
enqueue: [{lr: 1e-9, kl_beta: 0.12}, {lr: 1e-9, kl_beta: 0.18}]
trials: 3
"""
WILD = """\
    - grpo: {rollouts: recorded, lr: "${lr}", kl_beta: "${kl_beta}", epochs: 3, batch_size: 2}
parameters:
  lr: {min: 3e-1, max: 1.0}
  kl_beta: {min: 1e-6, max: 1e-5}
baseline: {lr: 0.5, kl_beta: 1e-5}
trials: 3
"""
IDLE = """\
    - grpo:
        lr: 1e-3
        group_size: 2
        batch_size: 8
        kl_beta: "${kl_beta}"
        clip_epsilon: "${clip}"
        adaptive_kl: true
        epochs: "${epochs}"
parameters:
  clip: {values: [0.1, 0.2]}
  kl_beta: {values: [0.001, 0.1]}
  epochs: {min: 1, max: 6, fidelity: true}
baseline: {clip: 0.2, kl_beta: 0.1, epochs: 1}
enqueue: [{clip: 0.1, kl_beta: 0.1, epochs: 1}, {clip: 0.1, kl_beta: 0.001, epochs: 6}]
trials: 3
seeds: [0, 1]
"""
EDGE = """\
    - grpo: {lr: "${lr}", kl_beta: "${kl_beta}", epochs: 15}
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
  kl_beta: {values: [0.01, 1e+38]}
baseline: {lr: 1e-5, kl_beta: 0.01}
enqueue:
  - {lr: 1e-4, kl_beta: 0.01}
  - {lr: 1e-2, kl_beta: 1e+38}
  - {lr: 1e-2, kl_beta: 0.01}
trials: 4
"""
HELD = """\
    - grpo: {lr: "${lr}", kl_beta: "${kl_beta}", epochs: 3, dropout: 0.0, attention_dropout: 0.0}
parameters:
  lr: {min: 3e-3, max: 1e-2, log: true}
  kl_beta: {min: 30, max: 300}
baseline: {lr: 5e-3, kl_beta: 100}
sampler: {name: random}
trials: 3
"""
RISING = """\
    - grpo: {rollouts: recorded, lr: "${lr}", kl_beta: 0.001, epochs: "${epochs}", batch_size: 8}
parameters:
  lr: {values: [1e-2, 2e-2, 3e-2, 4e-2]}
  epochs: {min: 1, max: 3, fidelity: true}
baseline: {lr: 3e-2, epochs: 3}
enqueue: [{lr: 2e-2, epochs: 3}, {lr: 4e-2, epochs: 3}]
trials: 3
"""
HEALTHY = """\
    - grpo: {lr: "${lr}", kl_beta: "${kl_beta}", epochs: 3, freeze: "${freeze}"}
parameters:
  lr: {min: 1e-3, max: 1e-2, log: true}
  kl_beta: {min: 0.02, max: 0.3}
  freeze: {values: [backbone, none]}
baseline: {lr: 1e-3, kl_beta: 0.15, freeze: backbone}
sampler: {name: random, seed: 2}
trials: 5
"""
POOL_OF_TWO = """\
name: faulty
trainer:
  task: {name: files, rollouts: rl_data.json, embeddings: embeddings.npy}
  policy: {hidden_dim: 16}
  phases: [{grpo: {lr: "${lr}"}}]
  evaluate: {shots: [2], reader: recorded}
parameters:
  lr: {values: [1e-4]}
trials: 1
"""


def run(folder: Path, text: str, trainer: str) -> Done:
    study = folder / "faulty.yaml"
    study.write_text(text)
    return run_here(study, slots=1, options=(f"--trainer={trainer}",))


def found_in(folder: Path, text: str, *, code: int = 0) -> dict[str, Finding]:
    """Run a study and return what was found, by kind; what is suggested must be a study."""
    done = run(folder, text, "toy_trainer.py")
    assert done.returncode == code, done.stderr
    study = Workspace(folder).study("faulty")
    evidence = gather(study)
    assert not evidence.lost
    parse_study(suggested_study(study), folder / "next.yaml")
    return {finding.kind: finding for finding in findings(evidence, assess(evidence))}


def test_a_step_too_small_and_a_kl_of_dropout_are_found(tmp_path: Path, database: Path) -> None:
    found = found_in(tmp_path, HEAD + TIMID)
    assert found["choices_of_a_control"].level == "alarm"
    assert found["choices_of_a_control"].facts["control"] == "control start"
    assert set(found) >= {
        "identical_answers",
        "dead_parameter",
        "step_too_small",
        "kl_is_noise",
        "kl_whatever_kl_beta",
        "advantages_cut_away",
    }
    assert float(found["step_too_small"].facts["factor"]) > 1000
    assert found["step_too_small"].change == {"parameters.lr.max": 2e-07}
    text = suggested_study(Workspace(tmp_path).study("faulty"))
    assert "max: 2.0e-07" in text
    assert "dropout: 0.0" in text


def test_policies_that_went_too_far_are_found(tmp_path: Path, database: Path) -> None:
    found = found_in(tmp_path, LEARNED + WILD)
    assert set(found) >= {"diverged", "representation_damaged", "overfitting"}
    assert float(found["diverged"].facts["kl"]) > 10


def test_what_is_not_applied_adapted_or_left_to_seeds_is_found(
    tmp_path: Path, database: Path
) -> None:
    found = found_in(tmp_path, ONE_SHOT + IDLE)
    assert found["parameter_not_applied"].facts["parameter"] == "clip"
    assert found["parameter_not_applied"].level == "alarm"
    assert "dead_parameter" not in found  # one cause is told once
    assert set(found) >= {
        "kl_beta_adapted",
        "kl_without_effect",
        "lead_of_epochs",
        "too_few_questions",
        "unstable_seeds",
        "advantages_without_signal",
    }
    assert found["kl_beta_adapted"].facts["asked"] == "0.001"


def test_the_edge_of_a_range_and_lost_trials_are_found(tmp_path: Path, database: Path) -> None:
    found = found_in(tmp_path, HEAD + EDGE, code=1)
    assert found["best_at_the_edge"].change == {"parameters.lr.max": 0.1}
    assert found["lost_trials"].facts["classes"] == "not_finite 1"
    assert "calls_without_a_chance" in found


def test_a_policy_that_its_reference_holds_is_found(tmp_path: Path, database: Path) -> None:
    found = found_in(tmp_path, HEAD + HELD)
    assert float(found["kl_too_strong"].facts["ratio"]) > 1000  # per cent
    assert found["kl_too_strong"].change == {"parameters.kl_beta.min": 3}


def test_trainings_cut_short_and_a_loss_that_misleads_are_found(
    tmp_path: Path, database: Path
) -> None:
    found = found_in(tmp_path, HEAD + RISING)
    assert found["undertrained"].change == {"parameters.epochs.max": 6}
    assert float(found["validation_loss_misleads"].facts["agreement"]) < 0.0


def test_a_healthy_study_alarms_nobody(tmp_path: Path, database: Path) -> None:
    found = found_in(tmp_path, HEAD + HEALTHY)
    assert {kind for kind, finding in found.items() if finding.level == "alarm"} == set()
    quiet = {
        "step_too_small",
        "diverged",
        "representation_damaged",
        "dead_parameter",
        "kl_is_noise",
    }
    assert not quiet & set(found)


def rollouts_of_two(query: int) -> dict[str, Any]:
    """A query whose pool holds two candidates: nothing but their order can be chosen."""
    return {
        "query": {"query_id": query, "question": "which?", "image_id": query},
        "candidate_pool_ids": [40, 41],
        "pointer_candidates": [
            {
                "pointer": [first, 1 - first],
                "pointer_global": [40 + first, 41 - first],
                "gen_method": "beam",
                "vqa_correct": first,
                "vqa_acc_score": float(first),
            }
            for first in (0, 1)
        ],
    }


def test_a_pool_of_two_is_found(tmp_path: Path, database: Path) -> None:
    content = {str(query): rollouts_of_two(query) for query in range(40)}
    (tmp_path / "rl_data.json").write_text(json.dumps(content))
    generator = np.random.default_rng(0)
    np.save(tmp_path / "embeddings.npy", generator.normal(size=(42, 12)).astype(np.float32))
    done = run(tmp_path, POOL_OF_TWO, "real")
    assert done.returncode == 0, done.stderr
    evidence = gather(Workspace(tmp_path).study("faulty"))
    found = {finding.kind: finding for finding in findings(evidence, assess(evidence))}
    assert found["small_pool"].facts == {"pool": 2, "shots": 2}
    assert found["small_pool"].level == "alarm"
    assert found["few_demonstrations"].facts["distinct"] == 2
