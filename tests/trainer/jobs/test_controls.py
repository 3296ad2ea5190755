import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.toy_task import toy_inputs

from trainer.contract import RESULT, Job, TrainSpec
from trainer.jobs.controls import score_controls
from trainer.policy.policy import PointerSelector
from trainer.stage_store import load_policy

SPEC = TrainSpec.model_validate(
    {
        "policy": {"hidden_dim": 16},
        "phases": [{"rce": {"epochs": 2, "batch_size": 8}}, {"grpo": {"epochs": 3}}],
        "evaluate": {"questions": 32, "holdout": 32},
    }
)


def check(tmp_path: Path, **options: Any) -> dict[str, Any]:
    torch.set_num_threads(1)
    folder = tmp_path / "controls"
    folder.mkdir()
    job = Job(spec=SPEC, stages=tmp_path / "stages", controls=("random", "start", "nearest"))
    assert score_controls(job, folder, *toy_inputs(), **options) == "completed"
    result: dict[str, Any] = json.loads((folder / RESULT).read_text())
    return result


def test_controls_are_scored_and_the_start_is_trained_without_the_last_phase(
    tmp_path: Path,
) -> None:
    result = check(tmp_path)
    assert list(result["controls"]) == ["random", "start", "nearest"]
    assert result["epochs_trained"] == 2
    assert result["controls"]["nearest"]["score"] > result["controls"]["random"]["score"]


def test_every_group_of_tensors_of_a_live_policy_changes_selections(tmp_path: Path) -> None:
    liveness = check(tmp_path)["liveness"]
    assert liveness["alive"]
    assert [entry["group"] for entry in liveness["groups"]] == [
        "attn_norms",
        "cand_proj",
        "cross_attn_layers",
        "input_proj",
        "query_proj",
    ]
    assert all(entry["selections_changed"] > 0.1 for entry in liveness["groups"])


def blind(folder: Path, *, num_heads: int, device: str) -> PointerSelector:
    """Load nothing of what was trained: the lab's defect."""
    policy = load_policy(folder, num_heads=num_heads, device=device)
    policy.initialise(0)
    return policy


def half_blind(folder: Path, *, num_heads: int, device: str) -> PointerSelector:
    """Drop the cross-attention, as a loader with `strict=False` and other names did."""
    policy = load_policy(folder, num_heads=num_heads, device=device)
    fresh = PointerSelector(width=12, hidden_dim=16)
    fresh.initialise(0)
    kept = {n: t for n, t in fresh.state_dict().items() if n.startswith("cross_attn_layers")}
    policy.load_state_dict({**policy.state_dict(), **kept})
    return policy


@pytest.mark.parametrize(("load", "dead"), [(blind, 5), (half_blind, 1)])
def test_weights_that_do_not_reach_the_evaluation_are_noticed(
    tmp_path: Path, load: Any, dead: int
) -> None:
    liveness = check(tmp_path, load=load)["liveness"]
    assert not liveness["alive"]
    assert sum(entry["selections_changed"] == 0 for entry in liveness["groups"]) == dead
