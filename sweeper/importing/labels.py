"""What the lab's names tell: `grpo_kl015_unfrozen/grpo_epoch3.pt` is kl_beta 0.15, epoch 3. Pure.

A name is a label, not a measurement: where a checkpoint tells the same, the checkpoint is believed.
Read are the file's name and the two folders above it; the nearest that tells something counts. What
follows `from` is about the start and is not read.
"""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from sweeper.space import Value

DEPTH = 3  # parts of a path that are read
_BEFORE, _AFTER = r"(?<![a-z])", r"[_=-]?"
_NUMBER = r"(\d+(?:\.\d+)?(?:e-\d+)?)"


def kl_of(digits: str) -> float:
    """`015` and `0.15` are 0.15: names leave the point out where a number begins with 0."""
    bare = digits.isdigit() and len(digits) > 1 and digits.startswith("0")
    return float(f"0.{digits[1:]}" if bare else digits)


def _freeze(match: re.Match[str]) -> Value:
    """`frozen` trains what `freeze: backbone` does, `unfrozen` everything."""
    return match[2] or ("none" if match[1] else "backbone")


_KINDS: Mapping[str, tuple[re.Pattern[str], Callable[[re.Match[str]], Value]]] = {
    "kl_beta": (
        re.compile(rf"{_BEFORE}kl(?:{_AFTER}beta)?{_AFTER}{_NUMBER}"),
        lambda match: kl_of(match[1]),
    ),
    "epochs": (
        re.compile(rf"(?<!rce[_-]){_BEFORE}epochs?{_AFTER}(\d+)"),
        lambda match: int(match[1]),
    ),
    "lr": (
        re.compile(rf"{_BEFORE}lr{_AFTER}(\d+(?:\.\d+)?e-\d+|0\.\d+)"),
        lambda match: float(match[1]),
    ),
    "freeze": (
        re.compile(r"(un|no[_-]?)?(?:frozen|freeze)(?:[_=-](none|backbone|projections))?"),
        _freeze,
    ),
}


class Unclear(ValueError):
    """One name tells two values."""


def labels_of(path: Path, *, without: Collection[str] = ()) -> dict[str, Value]:
    """The values of `kl_beta, epochs, lr, freeze` that a path tells, but for those in ``without``.

    Raises:
        Unclear: where one part of it tells two.
    """
    found: dict[str, Value] = {}
    for part in reversed(path.absolute().parts[-DEPTH:]):
        text = re.split(r"[_-]?from[_-]", part.lower())[0]
        for name, (pattern, convert) in _KINDS.items():
            if name in without:
                continue
            values = {convert(match) for match in pattern.finditer(text)}
            if len(values) > 1 and name not in found:
                raise Unclear(f"{part!r} tells {name} {' and '.join(map(str, sorted(values)))}")
            for value in values:
                found.setdefault(name, value)
    return found


def short(path: Path) -> str:
    """The parts of a path that are read, which are the same from wherever it is named."""
    return "/".join(path.absolute().parts[-DEPTH:]).lstrip("/")
