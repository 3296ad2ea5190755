"""Which checkpoint a metrics file of the lab measured: it does not say so itself. Pure.

It belongs to the checkpoint that contradicts none of its labels (`labels.py`), shares the most of
them and lies nearest. More than one such, or none, is said: nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.space import Value


@dataclass(frozen=True, slots=True)
class Labelled:
    """A file with what its path tells."""

    path: Path
    labels: Mapping[str, Value]


def partner(own: Labelled, checkpoints: Sequence[Labelled], *, alone: bool) -> Labelled | str:
    """The one checkpoint that a metrics file can belong to, or what keeps it from having one.

    Args:
        own: The metrics file.
        checkpoints: All that were given.
        alone: Whether it is the only metrics file; with one checkpoint it then needs no label.
    """
    fitting = [c for c in checkpoints if not _contradict(own.labels, c.labels)]
    related = [c for c in fitting if shared(own, c) or own.path.parent == c.path.parent]
    if not related and alone and len(checkpoints) == 1:
        related = fitting
    rank = {c.path: (len(shared(own, c)), -_distance(own.path, c.path)) for c in related}
    best = [c for c in related if rank[c.path] == max(rank.values())]
    if len(best) == 1:
        return best[0]
    labels = ", ".join(f"{name} {value}" for name, value in own.labels.items()) or "no label"
    if best:
        return (
            f"{own.path}: ({labels}) may belong to {', '.join(str(c.path) for c in best)}; say "
            "more, as `--set epochs=1`, or give one checkpoint"
        )
    return (
        f"{own.path}: ({labels}) belongs to none of the {len(checkpoints)} checkpoints; give its "
        "own, or write the result into a table"
    )


def shared(a: Labelled, b: Labelled) -> list[str]:
    """Names of the labels that both files have."""
    return [name for name in a.labels if name in b.labels]


def _contradict(a: Mapping[str, Value], b: Mapping[str, Value]) -> bool:
    return any(a[name] != b[name] for name in a if name in b)


def _distance(a: Path, b: Path) -> int:
    """Folders to go from one file to the other."""
    up, down = a.absolute().parent.parts, b.absolute().parent.parts
    common = sum(1 for x, y in zip(up, down, strict=False) if x == y)
    return len(up) + len(down) - 2 * common
