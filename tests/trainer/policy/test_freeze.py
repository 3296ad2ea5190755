"""Freeze modes: which tensors are trained, by name and in a real step of AdamW."""

import pytest
import torch

from trainer.policy.freeze import apply_freeze, trained_names
from trainer.policy.policy import PointerSelector

PROJECTIONS = {"input_proj.weight", "query_proj.weight", "cand_proj.weight"}
NAMES = tuple(PointerSelector(width=5, hidden_dim=4, variant="gated").state_dict())
HEAD = set(NAMES) - PROJECTIONS


@pytest.mark.parametrize(
    ("freeze", "epoch", "expected"),
    [
        ("backbone", 1, HEAD),
        ("backbone", 9, HEAD),
        ("projections", 1, PROJECTIONS),
        ("none", 1, HEAD | PROJECTIONS),
        ("head_then_all:2", 1, HEAD),
        ("head_then_all:2", 2, HEAD),
        ("head_then_all:2", 3, HEAD | PROJECTIONS),
    ],
)
def test_the_mode_decides_what_is_trained(freeze: str, epoch: int, expected: set[str]) -> None:
    assert trained_names(freeze, NAMES, epoch=epoch) == expected


def test_the_head_of_the_lab_is_half_of_its_static_policy() -> None:
    policy = PointerSelector(width=512, hidden_dim=256)
    trained = sum(parameter.numel() for parameter in apply_freeze(policy, "backbone", epoch=1))
    assert trained == 263_680


@pytest.mark.parametrize("freeze", ["backbone", "projections", "none"])
def test_a_step_moves_the_trained_tensors_and_no_other(freeze: str) -> None:
    policy = PointerSelector(width=5, hidden_dim=4, variant="gated")
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    parameters = apply_freeze(policy, freeze, epoch=1)
    generator = torch.Generator().manual_seed(0)
    encoded = policy.encode(
        torch.randn(3, 5, generator=generator), torch.randn(3, 6, 5, generator=generator)
    )
    logits = policy.step_logits(encoded, torch.tensor([[[0, 1, 2]]]).expand(3, -1, -1))
    logits.square().mean().backward()  # type: ignore[no-untyped-call]
    torch.optim.AdamW(parameters, lr=0.1).step()
    moved = {
        name
        for name, tensor in policy.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert moved == trained_names(freeze, NAMES, epoch=1)


def test_unfreezing_lets_gradients_flow_again_and_freezing_drops_them() -> None:
    policy = PointerSelector(width=5, hidden_dim=4)
    for parameter in policy.parameters():
        parameter.grad = torch.ones_like(parameter)
    apply_freeze(policy, "head_then_all:1", epoch=1)
    assert not policy.query_proj.weight.requires_grad
    assert policy.query_proj.weight.grad is None
    assert policy.attn_norms[0].weight.grad is not None
    trained = apply_freeze(policy, "head_then_all:1", epoch=2)
    assert [id(parameter) for parameter in trained] == [id(p) for p in policy.parameters()]
    assert all(parameter.requires_grad for parameter in policy.parameters())


@pytest.mark.parametrize(
    "freeze", ["", "all", "head_then_all", "head_then_all:0", "head_then_all:x", "none:1"]
)
def test_unknown_modes_are_refused(freeze: str) -> None:
    with pytest.raises(ValueError, match=f"but got '{freeze}'"):
        trained_names(freeze, NAMES, epoch=1)


def test_epochs_count_from_one() -> None:
    with pytest.raises(ValueError, match="counts from 1, but got 0"):
        trained_names("none", NAMES, epoch=0)


def test_a_tensor_of_no_known_group_is_an_error_and_not_frozen_in_silence() -> None:
    with pytest.raises(ValueError, match=r"no known group: decoder_gru\.weight"):
        trained_names("none", ["query_proj.weight", "decoder_gru.weight"], epoch=1)
