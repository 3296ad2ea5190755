"""How a report writes numbers: as many digits as a score has, per cent or nats."""

from collections.abc import Mapping

from sweeper.results.assessment import Weighed
from sweeper.study.config import StudyConfig
from sweeper.words import params_text


def label(entry: Weighed, config: StudyConfig, words: Mapping[str, str]) -> str:
    """The row by name and setting, constants left out; of the baseline it says that it is that."""
    row = entry.row
    searched = {p.name for p in config.space.searched}
    params = {name: value for name, value in row.params.items() if name in searched}
    text = f"{row.label} ({params_text(params)})" if params else row.label
    return words["labelled_baseline"].format(label=text) if row.kind == "baseline" else text


def exact(score: float, goal: str, *, unit: bool = True) -> str:
    """As many digits as the score has, up to three: 55.85, not 55.8."""
    if goal != "maximize":
        return f"{score:.4f} nats" if unit else f"{score:.4f}"
    return f"{digits(100 * score)} %" if unit else digits(100 * score)


def digits(per_cent: float) -> str:
    """Two decimals at least, three where there are: 55.80, 55.85, 56.125."""
    text = f"{per_cent:.3f}"
    return text.removesuffix("0")


def difference(value: float | None, goal: str) -> str:
    """A difference with its sign, in points or nats; empty where it is not known."""
    if value is None:
        return ""
    if goal != "maximize":
        return f"{value:+.4f}"
    return f"{100 * value:+.3f}".removesuffix("0")


def interval(ends: tuple[float, float] | None, goal: str) -> str:
    """Both ends in brackets; empty where they are not known."""
    if ends is None or ends[0] != ends[0]:
        return ""
    scale, places = (100, 1) if goal == "maximize" else (1, 3)
    low, high = (f"{scale * end:.{places}f}" for end in ends)
    return f"[{low}, {high}]"


def p_value(p: float | None) -> str:
    """A p-value for a table; those at the bottom of what random flips can tell are bounded."""
    return "" if p is None else p_text(p).removeprefix("= ")


def p_text(p: float) -> str:
    """The same with its sign, for a sentence: "= 0.042", "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
