"""How a score is shown: a fraction in per cent, a loss in nats, any other number as it is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ScaleName = Literal["per_cent", "nats", "plain"]
_WHOLE = (1e4, 1e9)  # numbers that four digits would write with an exponent, and people do not


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """In which unit scores stand in texts, tables and figures; inside they are as measured."""

    name: ScaleName  # as `state.json` has it
    factor: float = 1.0  # from the score to the number that is shown
    unit: str = ""  # of a score
    measured_in: str = ""  # the same behind the name of a metric
    units_apart: Mapping[str, str] = field(default_factory=dict)
    """Unit of a difference by language, with the space before it."""

    def number(self, value: float, *, places: int = 1, sign: bool = False) -> str:
        """A score, or a difference of two, without its unit.

        Args:
            value: The score.
            places: Decimals of per cent. Nats have four always, other numbers four digits.
            sign: Whether a number above zero has one, too.
        """
        mark = "+" if sign else ""
        if self.name == "per_cent":
            return f"{self.factor * value:{mark}.{places}f}"
        if self.name == "nats":
            return f"{value:{mark}.4f}"
        low, high = _WHOLE
        return f"{value:{mark}.0f}" if low <= abs(value) < high else f"{value:{mark}.4g}"

    def exact(self, value: float, *, sign: bool = False) -> str:
        """The same with two decimals of per cent, three where there are: 55.85, 56.125."""
        text = self.number(value, places=3, sign=sign)
        return text.removesuffix("0") if self.name == "per_cent" else text

    def with_unit(self, number: str) -> str:
        """A number that stands already with the unit of a score."""
        return f"{number} {self.unit}".rstrip()

    def text(self, score: float) -> str:
        """A score with its unit: `55.9 %`, `0.1234 nats`, `12.3`."""
        return self.with_unit(self.number(score))

    def apart(self, language: str) -> str:
        """The unit of a difference, to be written right behind its number."""
        return self.units_apart.get(language, "")


PER_CENT = Scale(
    name="per_cent",
    factor=100.0,
    unit="%",
    measured_in=" in per cent",
    units_apart={"en": " points", "zh": " 个百分点"},
)
NATS = Scale(
    name="nats",
    unit="nats",
    measured_in=" in nats",
    units_apart={"en": " nats", "zh": " nats"},
)
PLAIN = Scale(name="plain")
SCALES: Mapping[str, Scale] = {scale.name: scale for scale in (PER_CENT, NATS, PLAIN)}


def told_scale(name: str | None, goal: str) -> Scale:
    """The scale that a file tells of; one from before scales were told means per cent, or nats."""
    if name is None:
        return PER_CENT if goal == "maximize" else NATS
    return SCALES.get(name, PLAIN)
