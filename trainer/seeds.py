"""Random generators, each derived from what it is for, so that none has to be saved."""

import hashlib
from typing import NamedTuple

import torch


def derived_seed(*parts: int | str) -> int:
    """Hash ``parts`` to a seed of 63 bits: the same on every machine, unrelated for other parts."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class EpochGenerators(NamedTuple):
    """The sources of chance within one epoch."""

    data: torch.Generator  # on the CPU: order of the queries and their pools
    rollouts: torch.Generator  # on the policy's device: sampled shots


def epoch_generators(
    seed: int, phase_index: int, epoch: int, *, device: torch.device
) -> EpochGenerators:
    """The generators of one epoch; also seeds torch's global one, which dropout draws from."""
    place = (seed, phase_index, epoch)
    torch.manual_seed(derived_seed(*place, "dropout"))
    return EpochGenerators(
        torch.Generator().manual_seed(derived_seed(*place, "data")),
        torch.Generator(device=device).manual_seed(derived_seed(*place, "rollouts")),
    )
