"""How a report writes labels, differences and p values."""

from collections.abc import Mapping

from sweeper.results.assessment import Weighed
from sweeper.scales import Scale
from sweeper.study.config import StudyConfig
from sweeper.words import params_text


def label(entry: Weighed, config: StudyConfig, words: Mapping[str, str]) -> str:
    """The row by name and setting, constants left out; of the baseline it says that it is that."""
    row = entry.row
    searched = {p.name for p in config.space.searched}
    params = {name: value for name, value in row.params.items() if name in searched}
    text = f"{row.label} ({params_text(params)})" if params else row.label
    return words["labelled_baseline"].format(label=text) if row.kind == "baseline" else text


def difference(value: float | None, scale: Scale) -> str:
    """A difference with its sign; empty where it is not known."""
    return "" if value is None else scale.exact(value, sign=True)


def interval(ends: tuple[float, float] | None, scale: Scale) -> str:
    """Both ends in brackets; empty where they are not known."""
    if ends is None or ends[0] != ends[0]:
        return ""
    return f"[{scale.number(ends[0])}, {scale.number(ends[1])}]"


def p_value(p: float | None) -> str:
    """A p-value for a table; those at the bottom of what random flips can tell are bounded."""
    return "" if p is None else p_text(p).removeprefix("= ")


def p_text(p: float) -> str:
    """The same with its sign, for a sentence: "= 0.042", "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
