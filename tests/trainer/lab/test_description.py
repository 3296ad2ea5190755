"""What is said of checkpoints to programs that do not know tensors."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from trainer.__main__ import main
from trainer.lab.description import describe_checkpoints
from trainer.lab.export import write_lab_checkpoints
from trainer.policy.policy import PointerSelector


class Bomb:
    """Runs code when it is unpickled, if it is let."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.proof),)


def written(folder: Path, *, epoch: int = 3) -> list[Path]:
    policy = PointerSelector(width=12, hidden_dim=8)
    policy.initialise(1)
    return list(
        write_lab_checkpoints(
            folder, policy.state_dict(), epoch=epoch, phase="grpo", kl_beta=0.1,
            metrics={"val_loss": 4.5, "name": "x", "bad": math.nan}, num_heads=1,
        )
    )  # fmt: skip


def test_a_checkpoint_is_described_with_its_epoch_counted_from_one(tmp_path: Path) -> None:
    pt, ckpt = written(tmp_path)
    first, second = describe_checkpoints([pt, ckpt])
    assert first == {
        "file": str(pt),
        "form": "trainer",
        "phase": "grpo",
        "epoch": 3,
        "kl_beta": 0.1,
        "variant": "static",
        "width": 12,
        "hidden_dim": 8,
        "layers": 1,
        "parameters": 8 * 12 + 2 * 8 * 8 + 3 * 8 * 8 + 3 * 8 + 8 * 8 + 8 + 2 * 8,
        "digest": first["digest"],
        "metrics": {"val_loss": 4.5},
    }
    assert (second["form"], second["variant"]) == ("lightning", "gated")
    assert (second["epoch"], second["phase"], second["kl_beta"]) == (None, None, None)


@pytest.mark.parametrize("kl_beta", [math.nan, math.inf, "0.1", None])
def test_a_kl_beta_that_is_no_number_is_not_told(tmp_path: Path, kl_beta: Any) -> None:
    pt, _ = written(tmp_path)
    content = torch.load(pt, weights_only=True)
    torch.save({**content, "kl_beta": kl_beta}, pt)
    assert describe_checkpoints([pt])[0]["kl_beta"] is None


def test_the_command_tells_what_it_can_and_runs_nothing(tmp_path: Path) -> None:
    pt, _ = written(tmp_path)
    proof = tmp_path / "proof"
    hostile = tmp_path / "hostile.pt"
    torch.save({**torch.load(pt, weights_only=True), "metrics": Bomb(proof)}, hostile)
    done = CliRunner().invoke(
        main, ["describe-checkpoint", str(pt), str(hostile), str(tmp_path / "no.pt")]
    )
    good, inert, missing = json.loads(done.stdout)
    assert done.exit_code == 1
    assert good["digest"] == inert["digest"]
    assert inert["metrics"] == {}
    assert not proof.exists()
    assert missing["problem"] == f"{tmp_path / 'no.pt'} cannot be read: No such file or directory"
