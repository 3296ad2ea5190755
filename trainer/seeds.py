"""Random generators, each derived from what it is for, so that none has to be saved."""

import hashlib

import torch


def derived_seed(*parts: int | str) -> int:
    """Hash ``parts`` to a seed of 63 bits: the same on every machine, unrelated for other parts."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def epoch_generator(
    seed: int, phase_index: int, epoch: int, *, device: torch.device
) -> torch.Generator:
    """The generator of one epoch; it also seeds torch's global one, which dropout draws from."""
    value = derived_seed(seed, phase_index, epoch)
    torch.manual_seed(value)
    return torch.Generator(device=device).manual_seed(value)
