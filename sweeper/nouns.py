"""What people and files call the parts that a score is the mean of. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_PLAIN: Mapping[str, Mapping[str, str]] = {
    "en": {
        "part": "{part}",
        "part_1": "{part}",
        "parts": "metric",
        "list": "metrics",
        "choices": "choices",
        "mildness": "",
    },
    "zh": {
        "part": "{part}",
        "part_1": "{part}",
        "parts": "指标",
        "list": "指标",
        "choices": "选择",
        "mildness": "",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nouns:
    """The words of one trainer. As they stand here, parts are metrics with names of their own."""

    score: str = ""  # what a score is called; empty: by the name of its metric
    prefix: str = ""  # of a part in columns, in MLflow, for `--by`
    counts: bool = False  # a part is a number of choices: by that they are in order, and drawn
    sentences: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: _PLAIN)
    """By language: `part` and, of the part "1", `part_1` as labels; `parts` is what tells parts
    apart, in the singular, and `list` stands before a list of them; `choices` are what is chosen
    for a question, where something is, and `mildness` says of the mildest setting what that is."""

    def key(self, part: str) -> str:
        """What columns and MLflow call a part, and `--by` takes: `shot_2`, or the metric's name."""
        return f"{self.prefix}{part}"

    def part(self, key: str) -> str | None:
        """The part that a key names; None where it does not begin as keys do."""
        return key.removeprefix(self.prefix) if key.startswith(self.prefix) else None

    def label(self, part: str, language: str = "en") -> str:
        """What people call a part: `2 shots`, or the metric's name."""
        return self.sentences[language]["part_1" if part == "1" else "part"].format(part=part)

    def in_order(self, found: Iterable[str], known: Sequence[str]) -> list[str]:
        """Parts that were found, each once: by number, or as the trainer names them.

        Args:
            found: The parts.
            known: In the trainer's order; others come after these, by their names.
        """
        parts = set(found)
        if self.counts:
            return sorted(parts, key=int)
        return [p for p in known if p in parts] + sorted(parts - set(known))

    def columns(self, parts: Sequence[str]) -> list[str]:
        """Parts that are worth a column of their own: a single metric is the score itself."""
        return list(parts) if self.counts or len(parts) > 1 else []


METRICS = Nouns()  # parts are metrics, under their names
