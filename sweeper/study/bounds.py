"""Bounds of `stop_if`: an operator and a number. Pure; knows no metric by name."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


class Bound(NamedTuple):
    """What the metric of an epoch must not come to."""

    metric: str
    operator: str
    limit: float

    def is_crossed(self, metrics: Mapping[str, float | None]) -> bool:
        """Whether an epoch lies beyond; one without the metric, or with no finite one, does not."""
        value = metrics.get(self.metric)
        return value is not None and _OPERATORS[self.operator](value, self.limit)

    def __str__(self) -> str:
        return f"{self.metric} {self.operator} {self.limit:g}"


def parse_bound(metric: str, text: str) -> Bound:
    """Read `> 5`. Raises ValueError that says what is allowed."""
    found = re.match(r"\s*([^\w\s.+-]*)(.*)", text, re.DOTALL)
    sign, number = (part.strip() for part in found.groups()) if found else ("", text)
    if sign not in _OPERATORS:
        raise ValueError(f"must begin with one of {', '.join(_OPERATORS)}")
    if not re.fullmatch(_NUMBER, number):
        raise ValueError("must be an operator and a number")
    return Bound(metric, sign, float(number))
