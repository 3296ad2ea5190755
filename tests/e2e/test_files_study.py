"""A whole study over the lab's own files, with the real trainer."""

import contextlib
import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.lab_data import write_lab_data
from sweeper.cli import cli
from sweeper.records import TrialState
from sweeper.store.reading import read_study
from sweeper.store.workspace import Workspace
from trainer.lab.checkpoint import read_checkpoint
from trainer.lab.export import write_lab_checkpoints
from trainer.policy.policy import PointerSelector

STUDY = """\
# Question: which reward, which data, and from which epoch of RCE?
name: own files
trainer:
  task:
    name: files
    rollouts: "${data}/rl_data.json"
    validation: held/rl_data.json
    embeddings: held/embeddings.npy
  start: starts/rce_epoch${start_epoch}.pt
  phases:
    - grpo:
        lr: "${lr}"
        kl_beta: "${kl_beta}"
        epochs: "${epochs}"
        freeze: "${freeze}"
        reward: "${reward}"
        reward_weights: {rel: "${rel_weight}"}
        curriculum: [3, 5]
        batch_size: 1
  evaluate: {score: validation_loss, reward: hard_plus_soft}
parameters:
  data:        {values: [first, second]}
  start_epoch: {values: [1, 2]}
  lr:          {min: 1e-5, max: 1e-3, log: true}
  kl_beta:     {min: 0.01, max: 0.3}
  epochs:      {min: 1, max: 2, fidelity: true}
  freeze:      {values: [backbone, none]}
  reward:      {values: [hard_plus_soft, hard_plus_gtprob_plus_rel]}
  rel_weight:  {min: 0.05, max: 0.5, when: {reward: hard_plus_gtprob_plus_rel}, otherwise: 0.1}
sampler: {name: random, seed: 3}
trials: 6
resources: {devices: cpu, slots_per_device: 2}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder of the lab's files, with a study beside them, in a folder with a space."""
    folder = tmp_path / "the lab's"
    for seed, name in enumerate(("held", "first", "second")):
        write_lab_data(folder / name, queries=24, rollouts=(5, 12), rows=200, width=24, seed=seed)
    for epoch in (1, 2):
        policy = PointerSelector(width=24, hidden_dim=16)
        policy.initialise(epoch)
        write_lab_checkpoints(
            folder / "starts",
            policy.state_dict(),
            epoch=epoch,
            phase="rce",
            kl_beta=None,
            metrics={},
            num_heads=1,
        )
    (folder / "study.yaml").write_text(STUDY)
    return folder


def sweeper(lab: Path, *arguments: str) -> Result:
    """The command, from another folder: paths begin at the study file."""
    with contextlib.chdir(lab.parent):
        command = ["--workspace", str(lab / "work"), *arguments]
        return CliRunner(env={"COLUMNS": "200"}).invoke(cli, command)


def exports_in_the_labs_form(lab: Path) -> None:
    loader = f"{sys.executable} -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1])'"
    form = ("--checkpoint-format", "lab", "--verify-with")
    done = sweeper(lab, "export", "own files", "--checkpoint", str(lab / "best"), *form, loader)
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("nothing missing or unexpected") == 2
    names = sorted(path.name for path in (lab / "best").iterdir())
    assert [name.split("_", 2)[-1] for name in names[1:]] == [
        names[1].split("_")[-1],
        "v2format.ckpt",
    ]
    assert names[0] == "configuration.json"
    assert read_checkpoint(lab / "best" / names[1]).phase == "grpo"
    loader = f"{sys.executable} -c 'raise SystemExit(\"six tensors were dropped\")'"
    done = sweeper(lab, "export", "own files", "--checkpoint", str(lab / "bad"), *form, loader)
    assert done.exit_code == 2
    assert (
        "ended with exit code 1; the files were removed:\nsix tensors were dropped" in done.stderr
    )
    assert not list((lab / "bad").iterdir())


def test_a_study_over_the_labs_own_files_runs_to_its_end(lab: Path, database: Path) -> None:
    (lab / "work").mkdir()
    database.rename(lab / "work" / "mlflow.db")
    done = sweeper(lab, "run", str(lab / "study.yaml"))
    assert done.exit_code == 0, done.stderr
    told = done.stdout
    # the data contract comes before the first score
    contract, _, trials = told.partition("control ")
    assert re.search(
        r"train: 24 queries, \d+ rollouts \(5-12 a query\) of 2 shots, pools of 64", told
    )
    assert "validation loss of a uniform policy: 8.3020 nats" in contract  # log 64 + log 63
    assert "warning: gt_prob is constant in effect" in contract
    assert "queries have equal rewards, hence advantage 0" in contract or "curriculum" not in told
    assert "control start" in told
    assert "nothing is held out" in trials
    config, rows = read_study(Workspace(lab / "work").study("own files"))
    shorter = [record for record in rows if record.prefix is not None]
    assert {record.name for record in shorter} == {
        f"{record.number}@1"
        for record in rows
        if record.params["epochs"] == 2 and record.prefix is None
    }
    records = [record for record in rows if record.prefix is None]
    assert config.goal == "minimize"
    assert [record.state for record in records] == [TrialState.COMPLETE] * 6
    for name in ("data", "start_epoch", "reward"):
        assert len({record.values[name] for record in records}) == 2
    assert len({record.score for record in records}) == 6
    best = min(rows, key=lambda record: record.score or 0.0)
    exported = json.loads(sweeper(lab, "export", "own files", "--format", "json").stdout)
    assert exported["trial"] == best.name
    assert exported["spec"]["start"] == str(
        lab / f"starts/rce_epoch{best.params['start_epoch']}.pt"
    )
    exports_in_the_labs_form(lab)
    weights = [r.values["rel_weight"] for r in records if "rel_weight" not in r.params]
    assert set(weights) == {0.1}


def test_every_file_that_is_missing_or_wrong_is_told_before_any_training(lab: Path) -> None:
    (lab / "first" / "rl_data.json").write_text("{}")
    refused = sweeper(lab, "validate", str(lab / "study.yaml"))
    assert refused.exit_code != 0
    assert "rl_data.json: holds no query of use" in refused.stderr
    assert not (lab / "work").exists()
