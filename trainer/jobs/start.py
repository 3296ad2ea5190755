"""The checkpoint that training begins with, and whether it fits the spec and the data."""

from pathlib import Path

from trainer.contract import TrainSpec
from trainer.errors import ConfigurationError
from trainer.lab.checkpoint import Checkpoint, read_checkpoint
from trainer.policy.policy import PointerSelector

DEFAULT_HIDDEN_DIM = 64  # of a policy that begins with drawn weights


def read_start(spec: TrainSpec, *, width: int) -> Checkpoint | None:
    """Read the spec's start checkpoint; None where it has none.

    Args:
        spec: Sizes that it gives must be those of the checkpoint.
        width: D, of the task's embeddings.

    Raises:
        ConfigurationError: with everything in which checkpoint, spec and embeddings contradict each
            other.
    """
    if spec.start is None:
        return None
    checkpoint = read_checkpoint(Path(spec.start))
    sizes, heads = spec.policy, spec.policy.num_heads
    try:
        policy = PointerSelector.from_state_dict(checkpoint.weights, num_heads=heads)
    except ValueError as error:
        raise ConfigurationError(f"{spec.start}: policy.num_heads {heads}: {error}") from error
    found = {
        "variant": policy.variant,
        "hidden_dim": policy.query_proj.weight.shape[0],
        "num_layers": len(policy.cross_attn_layers),
    }
    problems = [
        f"policy.{name} is {given}, the checkpoint has {found[name]}; remove the key"
        for name in found
        if (given := getattr(sizes, name)) is not None and given != found[name]
    ]
    if policy.width != width:
        problems.append(
            f"it takes embeddings {policy.width} wide, the task's are {width} wide; use the "
            "embeddings that it was trained with"
        )
    if problems:
        raise ConfigurationError(f"start {spec.start}: {'; '.join(problems)}")
    return checkpoint
