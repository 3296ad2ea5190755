"""The check against the lab's numbers: passes on them, fails on others, takes any sizes."""

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.float32 import rounding

from trainer.errors import InputError
from trainer.lab.reference import (
    TOLERANCE,
    Deviation,
    check_reference,
    deviation_table,
    within_tolerance,
)
from trainer.policy.losses import group_relative_advantages, rank_advantages, rce_loss
from trainer.policy.policy import PointerSelector, rollout_log_probs

FILES = Path(__file__).parents[2] / "reference"
QUANTITIES = (
    "logits, teacher-forced",
    "selections, greedy",
    "logits, greedy",
    "log-probabilities of the policy",
    "log-probabilities of the reference policy",
    "advantages, z-score",
    "advantages, rank",
    "RCE loss",
    "RCE gradient norms",
    "GRPO loss",
    "GRPO PPO term",
    "GRPO KL term",
    "GRPO KL",
    "GRPO mean ratio",
    "GRPO mean advantage",
    "GRPO advantage standard deviation",
    "GRPO largest advantage",
    "GRPO gradient norms",
    "temperature schedule",
    "adaptive kl_beta",
    "reward modes",
)


def payload(variant: str = "gated") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FILES / f"{variant}.json").read_text())
    return content


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "reference.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("variant", ["static", "gated"])
def test_the_mathematics_agrees_with_the_labs_code(variant: str) -> None:
    deviations = check_reference(FILES / f"{variant}.json")
    assert tuple(deviation.quantity for deviation in deviations) == QUANTITIES
    assert max(deviation.largest for deviation in deviations) < rounding(64, steps=8)
    assert rounding(64, steps=8) < TOLERANCE / 10  # rounding is far from what is promised
    assert within_tolerance(deviations)


Falsify = Callable[[dict[str, Any]], None]


def _add(*keys: str | int, amount: float = 1e-3) -> Falsify:
    def change(content: dict[str, Any]) -> None:
        place: Any = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] += amount

    return change


@pytest.mark.parametrize(
    ("quantity", "falsify"),
    [
        ("logits, teacher-forced", _add("teacher_forced_logits_of_pointer_0", 1, 1, 2, amount=0.1)),
        ("selections, greedy", _add("greedy_selection", 0, 0, amount=1)),
        ("logits, greedy", _add("greedy_logits", 0, 1, 3, amount=0.1)),
        ("log-probabilities of the policy", _add("log_probs", 1, 4, amount=0.1)),
        (
            "log-probabilities of the reference policy",
            _add("reference_log_probs", 0, 0, amount=0.1),
        ),
        ("advantages, z-score", _add("advantages_zscore", 0, 0)),
        ("advantages, rank", _add("advantages_rank", 1, 2)),
        ("RCE loss", _add("rce", 1, "loss", amount=0.1)),
        ("RCE gradient norms", _add("rce", 0, "grad_norms", "query_update_gate.bias")),
        ("GRPO loss", _add("grpo", 3, "loss")),
        ("GRPO PPO term", _add("grpo", 0, "ppo_loss")),
        ("GRPO KL term", _add("grpo", 1, "kl_loss")),
        ("GRPO KL", _add("grpo", 2, "kl")),
        ("GRPO mean ratio", _add("grpo", 2, "mean_ratio", amount=0.1)),
        ("GRPO mean advantage", _add("grpo", 2, "mean_advantage")),
        ("GRPO advantage standard deviation", _add("grpo", 0, "std_advantage")),
        ("GRPO largest advantage", _add("grpo", 0, "max_advantage")),
        ("GRPO gradient norms", _add("grpo", 3, "grad_norms", "attn_norms.0.bias", amount=0.1)),
        ("temperature schedule", _add("temperature_schedule", 1, "value")),
        ("adaptive kl_beta", _add("adaptive_kl_beta", 4, "value")),
        ("reward modes", _add("reward_modes", 5, "reward")),
    ],
)
def test_one_wrong_number_is_seen_in_its_quantity_and_in_no_other(
    tmp_path: Path, quantity: str, falsify: Falsify
) -> None:
    content = payload()
    falsify(content)
    deviations = check_reference(written(tmp_path, content))
    assert [d.quantity for d in deviations if not d.within_tolerance] == [quantity]


def test_a_gradient_that_the_file_leaves_out_counts_as_zero(tmp_path: Path) -> None:
    content = payload()
    del content["rce"][0]["grad_norms"]["query_proj.weight"]
    content["rce"][1]["grad_norms"]["unheard.of"] = 0.0
    (wrong,) = (d for d in check_reference(written(tmp_path, content)) if not d.within_tolerance)
    assert wrong == Deviation("RCE gradient norms", math.inf)


@pytest.mark.parametrize(("width", "shots"), [(6, 3), (10, 3), (10, 1)])
@pytest.mark.parametrize("variant", ["static", "gated"])
def test_any_sizes_layers_and_heads_can_be_checked(
    tmp_path: Path, variant: Any, width: int, shots: int
) -> None:
    policy = PointerSelector(width=width, hidden_dim=6, num_layers=2, num_heads=3, variant=variant)
    generator = torch.Generator().manual_seed(4)
    query = torch.randn(3, width, generator=generator)
    candidates = torch.randn(3, 9, width, generator=generator)
    pointers = torch.rand(3, 4, 9, generator=generator).argsort(dim=2)[:, :, :shots]
    rewards = torch.rand(3, 4, generator=generator)
    encoded = policy.encode(query, candidates)
    greedy = policy.roll_out(encoded, steps=4).pointers
    logits = policy.step_logits(encoded, pointers)
    log_probs = rollout_log_probs(logits, pointers)
    loss = rce_loss(log_probs, rewards, temperature=0.7)
    loss.backward()  # type: ignore[no-untyped-call]
    norms = {  # with one shot, the gate has no gradient
        name: parameter.grad.norm().item()
        for name, parameter in policy.named_parameters()
        if parameter.grad is not None
    }
    state = {name: tensor.tolist() for name, tensor in policy.state_dict().items()}
    content = {
        **payload(variant),
        "config": {"num_heads": 3, "temperature": 0.1, "masked_logit": -100.0},
        "state_dict": state,
        "reference_state_dict": state,
        "query": query.tolist(),
        "candidates": candidates.tolist(),
        "pointers": pointers.tolist(),
        "rewards": rewards.tolist(),
        "teacher_forced_logits_of_pointer_0": logits[:, 0].tolist(),
        "greedy_selection": greedy[:, 0].tolist(),
        "greedy_logits": policy.step_logits(encoded, greedy)[:, 0].tolist(),
        "log_probs": log_probs.tolist(),
        "reference_log_probs": log_probs.tolist(),
        "advantages_zscore": group_relative_advantages(rewards).tolist(),
        "advantages_rank": rank_advantages(rewards).tolist(),
        "rce": [{"temperature": 0.7, "loss": loss.item(), "grad_norms": norms}],
        "grpo": [],
    }
    deviations = check_reference(written(tmp_path, content))
    assert len(deviations) == 12
    assert within_tolerance(deviations)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json cannot be read: No such file"):
        check_reference(tmp_path / "nowhere.json")


@pytest.mark.parametrize("content", [b"{torn", b"\xff\xfe\x00"])
def test_a_file_that_is_not_json_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "reference.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"reference\.json is not JSON"):
        check_reference(path)


def test_every_missing_key_is_told_at_once(tmp_path: Path) -> None:
    content = payload()
    del content["rewards"], content["grpo"][1]["kl"]
    content["query"][1] = [1.0]
    with pytest.raises(InputError) as caught:
        check_reference(written(tmp_path, content))
    assert "rewards: Field required" in str(caught.value)
    assert "grpo.1.kl: Field required" in str(caught.value)
    assert "query: Value error, is not an array of numbers" in str(caught.value)


def test_something_else_than_an_object_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file: Input should be a valid dictionary"):
        check_reference(written(tmp_path, [1, 2]))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("pointers", 0, 0, 0), 6, "a pointer lies outside its pool of 6"),
        (("rewards",), [[1.0, 2.0]], r"rewards has shape \(1, 2\) instead of \(2, 5\)"),
        (("config", "temperature"), 0.2, "temperature 0.2 and masked_logit -100.0 are not those"),
        (("config", "num_heads"), 3, "`num_heads` 3 must divide `hidden_dim` 8"),
        (("variant",), "static", "state_dict is not that of the variant static"),
        (("state_dict", "cand_proj.weight"), [[1.0]], "cand_proj.weight has shape"),
        (("log_probs", 0, 0), math.nan, "log_probs: Value error, holds a number that is not"),
        (("reward_modes", 0, "mode"), "legacy", r"reward_modes\.0\.mode: Input should be"),
    ],
)
def test_a_file_that_contradicts_itself_is_an_input_error(
    tmp_path: Path, keys: tuple[str | int, ...], value: object, message: str
) -> None:
    content: dict[str, Any] = copy.deepcopy(payload())
    place: Any = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    with pytest.raises(InputError, match=message):
        check_reference(written(tmp_path, content))


def test_the_table_marks_what_deviates_and_counts_it() -> None:
    deviations = [Deviation("RCE loss", 2e-7), Deviation("GRPO gradient norms", 0.25)]
    assert deviation_table(deviations).splitlines() == [
        "quantity             largest |a-b| / max(1, |b|)",
        "RCE loss             2.00e-07",
        "GRPO gradient norms  2.50e-01  ABOVE TOLERANCE",
        "1 of 2 quantities deviate by more than 1e-04",
    ]
    assert not within_tolerance(deviations)
