"""One thing that was found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["alarm", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found, as facts: the words are in `texts`."""

    kind: str  # names its texts
    level: Level
    facts: Mapping[str, object]  # the numbers that triggered it, ready to be shown
    change: Mapping[str, object] = field(default_factory=dict)  # dotted keys of the next study file
