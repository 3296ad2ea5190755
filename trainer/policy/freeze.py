"""Which tensors of a policy are trained in an epoch. Decides by name; knows no optimizer.

freeze             trained
backbone           the head: cross-attention, its norms, the gate; the projections stay
projections        the three projections; the head stays
none               all
head_then_all:N    the head in epochs 1 .. N, then all
"""

from collections.abc import Iterable

from torch import nn

HEAD = frozenset({"cross_attn_layers", "attn_norms", "query_update_gate"})
PROJECTIONS = frozenset({"input_proj", "query_proj", "cand_proj"})


def trained_names(freeze: str, names: Iterable[str], *, epoch: int) -> frozenset[str]:
    """Names of the tensors that ``freeze`` trains in ``epoch``.

    Args:
        freeze: one of the module's table.
        names: of all tensors of the policy.
        epoch: one-based within the phase.

    Raises:
        ValueError: for another mode, an epoch below 1, or a tensor of no known group.
    """
    trained_groups = _trained_groups(freeze, epoch)
    names = tuple(names)
    unknown = [name for name in names if _group(name) not in HEAD | PROJECTIONS]
    if unknown:
        raise ValueError(f"tensors of no known group: {', '.join(unknown)}")
    return frozenset(name for name in names if _group(name) in trained_groups)


def projections_are_frozen(freeze: str, *, epoch: int) -> bool:
    """Whether the outputs of all three projections stay what they are in ``epoch``."""
    return not _trained_groups(freeze, epoch) & PROJECTIONS


def apply_freeze(policy: nn.Module, freeze: str, *, epoch: int) -> list[nn.Parameter]:
    """Let gradients flow to the trained tensors only, and return these in the policy's order.

    A tensor that is frozen loses the gradient it may still hold.

    Raises:
        ValueError: as ``trained_names``.
    """
    parameters = dict(policy.named_parameters())
    trained = trained_names(freeze, parameters, epoch=epoch)
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in trained)
        if name not in trained:
            parameter.grad = None
    return [parameter for name, parameter in parameters.items() if name in trained]


def _trained_groups(freeze: str, epoch: int) -> frozenset[str]:
    if epoch < 1:
        raise ValueError(f"`epoch` counts from 1, but got {epoch}")
    mode, _, count = freeze.partition(":")
    if mode == "head_then_all" and count.isdecimal() and int(count) >= 1:
        return HEAD if epoch <= int(count) else HEAD | PROJECTIONS
    groups = {"backbone": HEAD, "projections": PROJECTIONS, "none": HEAD | PROJECTIONS}
    if freeze not in groups:
        raise ValueError(
            "`freeze` must be backbone, none, projections or head_then_all:N with N >= 1, but got"
            f" {freeze!r}"
        )
    return groups[freeze]


def _group(name: str) -> str:
    return name.partition(".")[0]
