"""The trainer against a plain implementation that shares no code with it."""

import json
from pathlib import Path

import pytest
import torch
from fakes.float32 import rounding

from benchmarks.lab_data import write_lab_data
from benchmarks.plain import deviation_from_reference, plain_grpo_epoch
from trainer.contract import GrpoSpec, TrainSpec
from trainer.phases.grpo import GrpoPhase, grpo_epochs
from trainer.policy.policy import PointerSelector
from trainer.rollouts.recorded import reward_of
from trainer.seeds import epoch_generators
from trainer.tasks import Inputs, open_inputs

SAME = rounding(64, steps=8)  # widths of the reference numbers, through GRPO's gradient
REFERENCE = Path(__file__).parents[2] / "reference"


@pytest.fixture(scope="module")
def lab_inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Pools of 64, 11-40 rollouts a query, embeddings 512 wide; 40 training queries."""
    data, embeddings = write_lab_data(tmp_path_factory.mktemp("lab"), queries=50, rows=600)
    return open_inputs(
        TrainSpec.model_validate(
            {
                "task": {"name": "files", "rollouts": str(data), "embeddings": str(embeddings)},
                "phases": [{"grpo": {}}],
                "evaluate": {"score": "validation_loss"},
            }
        ),
        "cpu",
    )


@pytest.mark.parametrize("name", ["static", "gated"])
def test_the_plain_implementation_agrees_with_the_labs_code(name: str) -> None:
    assert deviation_from_reference(REFERENCE / f"{name}.json") < SAME


@pytest.mark.parametrize("name", ["static", "gated"])
def test_a_number_that_is_a_thousandth_off_is_no_rounding(name: str, tmp_path: Path) -> None:
    content = json.loads((REFERENCE / f"{name}.json").read_text())
    content["grpo"][0]["loss"] += 1e-3
    path = tmp_path / "off.json"
    path.write_text(json.dumps(content))
    assert deviation_from_reference(path) > SAME


@pytest.mark.parametrize("variant", ["static", "gated"])
@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_an_epoch_with_the_labs_switches_equals_the_plain_one_in_every_parameter(
    lab_inputs: Inputs, variant: str, freeze: str
) -> None:
    policy = PointerSelector(width=512, hidden_dim=256, variant=variant)  # type: ignore[arg-type]
    start = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    settings = GrpoSpec(
        lr=1e-4,  # twenty times the lab's: what differs shows
        kl_beta=0.15,
        freeze=freeze,
        batch_size=1,
        rollouts="recorded",
        reward="hard_plus_soft",
    )
    task, reader = lab_inputs
    rollouts = task.record_rollouts("train", reader)
    phase = GrpoPhase(
        settings=settings,
        task=task,
        reader=reader,
        embeddings=task.embeddings,
        recorded=rollouts,
        reference=PointerSelector.from_state_dict(start).requires_grad_(False).eval(),
        shots=(1, 2, 3, 4),
        seed=0,
        phase_index=0,
    )
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    for _ in grpo_epochs(policy, optimizer, phase, kl_beta=0.15, first_epoch=1):
        pass
    generators = epoch_generators(0, 0, 1, device=torch.device("cpu"))
    plain = plain_grpo_epoch(
        start,
        embeddings=task.embeddings,
        rollouts=rollouts,
        rewards=reward_of(rollouts, settings),
        order=torch.randperm(len(rollouts.queries), generator=generators.data).tolist(),
        lr=1e-4,
        kl_beta=0.15,
        freeze=freeze,
    )
    moved = {name: (tensor - start[name]).abs().max().item() for name, tensor in plain.items()}
    assert max(moved.values()) > 1e-3
    for name, tensor in policy.state_dict().items():
        torch.testing.assert_close(tensor, plain[name], rtol=0.0, atol=1e-5, msg=name)
