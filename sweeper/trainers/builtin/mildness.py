"""Which of two trainings is the milder, the cheaper and more conservative one. Pure.

1. fewest epochs trained, of all phases, as the setting alone would train them;
2. fewest tensors trained, added up over the epochs: of GRPO's freeze modes that is `projections`,
   `backbone`, `head_then_all: N` (the later the milder), `none`; RCE trains all;
3. the smaller lr, of the last phase first;
4. the larger kl_beta, of the last phase first.

All of it is read off what is trained, once the parameters are filled in, whatever these are called.
Rejected: what a trial has cost. It depends on what others had trained before it.
"""

from trainer.contract import GrpoSpec, PhaseEntry, PolicySpec, TrainSpec

PROJECTIONS = 3  # tensors
HEAD = 6  # tensors of a layer: four of the attention, two of its norm
GATE = 2  # tensors of a gated policy

Order = tuple[int, int, tuple[float, ...], tuple[float, ...]]


def mildness(spec: TrainSpec) -> Order:
    """Where a training stands in that order; the least is the mildest."""
    last_first = [entry.settings for entry in reversed(spec.phases)]
    return (
        sum(entry.settings.trained_epochs for entry in spec.phases),
        trained_tensors(spec),
        tuple(settings.lr for settings in last_first),
        tuple(-s.kl_beta if isinstance(s, GrpoSpec) else 0.0 for s in last_first),
    )


def trained_tensors(spec: TrainSpec) -> int:
    """Tensors that a spec trains, added up over its epochs."""
    return sum(_tensors(entry, spec.policy) for entry in spec.phases)


def _tensors(entry: PhaseEntry, policy: PolicySpec) -> int:
    epochs = entry.settings.trained_epochs
    head = HEAD * (policy.num_layers or 1) + (GATE if policy.variant == "gated" else 0)
    mode, _, count = (entry.grpo.freeze if entry.grpo is not None else "none").partition(":")
    if mode == "projections":
        return epochs * PROJECTIONS
    thawed = {"backbone": 0, "head_then_all": max(epochs - int(count or 0), 0)}.get(mode, epochs)
    return epochs * head + thawed * PROJECTIONS
