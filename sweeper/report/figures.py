"""Pictures of a study as SVG: text stays text, so that it prints, scales and can be searched.

Drawn with Matplotlib: a few kilobytes a picture, where an interactive library would put megabytes
of program into every report.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeper.findings.rows import measured
from sweeper.records import CALLS
from sweeper.results.assessment import Assessment
from sweeper.results.evidence import Evidence, Scored
from sweeper.results.importance import parameter_importance
from sweeper.scales import Scale
from sweeper.space import Parameter, Value
from sweeper.statistics.best import differing_share
from sweeper.statistics.intervals import bca_intervals
from sweeper.words import SAVED_BY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 6  # settings in a picture of lines
COLOURS = ("#1f4e79", "#c0504d", "#4f8a4f", "#8064a2", "#d08b2c", "#5b9aa0", "#7f7f7f", "#404040")
FADED = "#c9ced6"  # of settings that are not among the best


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture with its caption."""

    name: str  # also of its file, beside a report in Markdown
    caption: str
    svg: str


Draw = Callable[["Axes", Evidence, Assessment], bool]


def figures(evidence: Evidence, assessment: Assessment, words: Mapping[str, str]) -> list[Figure]:
    """All pictures that there is something to show in."""
    drawings: dict[str, tuple[Draw, str]] = {
        name: (draw, words[f"figure_{name}"]) for name, draw in _DRAWINGS.items()
    }
    for parameter in evidence.config.space.searched:
        caption = f"{words['figure_parameter']}: {parameter.name}"
        drawings[f"parameter_{parameter.name}"] = (_of_parameter(parameter), caption)
    found = []
    for name, (draw, caption) in drawings.items():
        svg = _picture(draw, evidence, assessment)
        if svg is not None:
            found.append(Figure(name, caption, svg))
    return found


def _picture(draw: Draw, evidence: Evidence, assessment: Assessment) -> str | None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "sweeper", "font.size": 9}
    style |= {"axes.spines.top": False, "axes.spines.right": False}
    with rc_context(style):
        canvas = Canvas(figsize=(6.4, 3.4), layout="tight")
        if not draw(canvas.add_subplot(), evidence, assessment):
            return None
        text = io.StringIO()
        canvas.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _first(evidence: Evidence) -> list[Scored]:
    """The controls and the best few, the baseline among them."""
    baseline = evidence.baseline
    trials = evidence.trials[:SHOWN]
    if baseline is not None and evidence.trials and baseline not in trials:
        trials = [*trials[:-1], baseline]
    controls = [row for row in evidence.rows if row.kind == "control"]
    return [*controls, *trials]


def _by_part(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    rows = _first(evidence) if evidence.trials else list(evidence.imported)
    rows = [row for row in rows if row.accuracy]
    if not rows:
        return False
    scale, nouns = evidence.config.scale, evidence.config.nouns
    names = list(dict.fromkeys(part for row in rows for part in row.accuracy))
    ticks = {name: int(name) if nouns.counts else index for index, name in enumerate(names)}
    for index, row in enumerate(rows):
        means = [scale.factor * score for score in row.accuracy.values()]
        style = "--" if row.kind == "control" else "-"
        colour = COLOURS[index % len(COLOURS)]
        place = np.array([ticks[name] for name in row.accuracy]) + 0.03 * (index - len(rows) / 2)
        axes.plot(place, means, style, color=colour, marker="o", ms=3, lw=1.2, label=row.label)
        if row.scores is not None and np.isfinite(row.scores).all() and len(row.scores) > 1:
            ends = scale.factor * bca_intervals(row.scores.T, resamples=2000)
            axes.vlines(place, ends[:, 0], ends[:, 1], color=colour, lw=0.6)
    axes.set_xticks(list(ticks.values()), list(ticks))
    axes.set_ylabel(scale.unit)
    axes.legend(fontsize=7, frameon=False, ncols=2)
    return True


def _by_epoch(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    drawn, scale = False, evidence.config.scale
    for index, row in enumerate(evidence.trials[:SHOWN]):
        scored = measured(row, "score")
        if len(scored) > 1:
            epochs, scores = zip(*scored, strict=True)
            shown = [scale.factor * score for score in scores]
            axes.plot(
                epochs, shown, marker="o", ms=3, lw=1.2, color=COLOURS[index], label=row.label
            )
            drawn = True
    if drawn:
        axes.set_xlabel("epoch")
        axes.set_ylabel(_score(scale))
        axes.legend(fontsize=7, frameon=False)
    return drawn


def _score(scale: Scale) -> str:
    """What an axis of scores is called."""
    return f"score, {scale.unit}" if scale.unit else "score"


def _choices(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    rows = [row for row in _first(evidence) if row.choices is not None]
    first = next((row.choices.shape for row in reversed(rows) if row.choices is not None), None)
    rows = [row for row in rows if row.choices is not None and row.choices.shape == first]
    if len(rows) < 2:
        return False
    share = 100 * differing_share(
        np.stack([row.choices for row in rows if row.choices is not None])
    )
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for i, line in enumerate(share):
        for j, value in enumerate(line):
            colour = "white" if value > 60 else "black"
            axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=7, color=colour)
    names = [row.label for row in rows]
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    return True


def _drift(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    best = assessment.leader
    metrics: Mapping[str, Any] = best.row.epochs[-1].metrics if best and best.row.epochs else {}
    drifts = {
        key.split("/")[1]: 100 * value
        for key, value in metrics.items()
        if key.endswith("/relative_norm") and value is not None
    }
    if not drifts:
        return False
    axes.barh(list(drifts), list(drifts.values()), color=COLOURS[0])
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("%")
    return True


def _kl(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    points = [
        (row.params["kl_beta"], curve[-1][1])
        for row in evidence.trials
        if "kl_beta" in row.params and (curve := measured(row, "kl"))
    ]
    if len({beta for beta, _ in points}) < 2:
        return False
    betas, distances = zip(*points, strict=True)
    axes.scatter(betas, distances, s=14, color=COLOURS[0])
    axes.set_xlabel("kl_beta")
    axes.set_ylabel("KL, nats")
    return True


def _calls(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    if not evidence.calls.needed:
        return False
    parts: Sequence[tuple[str, str]] = (("asked", "asked"), *SAVED_BY)
    begin = 0
    for index, (cause, name) in enumerate(parts):
        count = getattr(evidence.calls, cause)
        axes.barh([""], [count], left=begin, color=COLOURS[index], label=f"{name}: {count:,}")
        begin += count
    axes.legend(fontsize=7, frameon=False, ncols=2, loc="upper center")
    axes.set_ylim(-0.5, 1.0)
    return True


def _parallel(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    """One line a setting through all its parameters to its score; the best ones coloured."""
    searched, scale = evidence.config.space.searched, evidence.config.scale
    rows = [row for row in evidence.trials if all(p.name in row.params for p in searched)]
    if len(searched) < 2 or len(rows) < 3:
        return False
    scores = np.array([row.score for row in rows])
    low, high = float(scores.min()), float(scores.max())
    heights = np.array([[_height(p, row.params[p.name]) for p in searched] for row in rows])
    ends = (scores - low) / (high - low) if high > low else np.full(len(rows), 0.5)
    places = np.arange(len(searched) + 1)
    for rank in reversed(range(len(rows))):  # the best on top
        colour = COLOURS[rank] if rank < SHOWN else FADED
        line = [*heights[rank], ends[rank]]
        axes.plot(places, line, color=colour, lw=1.4 if rank < SHOWN else 0.6)
    for place, parameter in enumerate(searched):
        axes.axvline(place, color="black", lw=0.6)
        for height, text in _marks(parameter):
            axes.text(place + 0.03, height, text, fontsize=7)
    axes.axvline(len(searched), color="black", lw=0.6)
    for height, score in ((0.0, low), (1.0, high)):
        axes.text(len(searched) + 0.03, height, scale.exact(score), fontsize=7)
    axes.set_xticks(places, [*(p.name for p in searched), _score(scale)])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return True


def _height(parameter: Parameter, value: Value) -> float:
    """Where a value stands on its axis, in [0, 1] within its range."""
    if parameter.choices:
        known = [str(choice) for choice in parameter.choices]
        place = known.index(str(value)) if str(value) in known else 0
        return place / max(len(known) - 1, 1)
    scale = math.log if parameter.log else float
    low, high = map(scale, parameter.bounds)
    return (scale(float(value)) - low) / (high - low)


def _marks(parameter: Parameter) -> list[tuple[float, str]]:
    values = parameter.choices or parameter.bounds
    return [
        (_height(parameter, value), f"{value:g}" if isinstance(value, float) else str(value))
        for value in values
    ]


def _importance(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    results = [(row.params, row.score) for row in evidence.trials]
    found = parameter_importance(evidence.config.space, results, goal=evidence.config.goal)
    if not found:
        return False
    shares = [100 * importance.median for importance in found.values()]
    reach = [
        [100 * (i.median - i.low) for i in found.values()],
        [100 * (i.high - i.median) for i in found.values()],
    ]
    axes.barh(list(found), shares, xerr=reach, color=COLOURS[0], ecolor="black", capsize=3)
    axes.invert_yaxis()
    axes.set_xlabel("%")
    return True


def _cost(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    """The best score so far by the calls asked for it, trial by trial."""
    asked = {
        int(row.label.removeprefix("trial ")): row
        for row in evidence.trials
        if row.calls is not None and "@" not in row.label
    }
    if len(asked) < 2:
        return False
    rows = [asked[number] for number in sorted(asked)]
    calls = np.cumsum([row.calls for row in rows])
    if not calls[-1]:
        return False
    scale, sign = evidence.config.scale, evidence.sign
    scores = scale.factor * np.array([row.score for row in rows])
    best = sign * np.maximum.accumulate(sign * scores)
    axes.scatter(calls, scores, s=10, color=FADED)
    axes.step(calls, best, where="post", color=COLOURS[0], lw=1.4)
    axes.set_xlabel(CALLS)
    axes.set_ylabel(_score(scale))
    return True


def _of_parameter(parameter: Parameter) -> Draw:
    """A picture of all complete trials by one searched parameter."""
    name = parameter.name

    def draw(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
        points = [(row.params[name], row.score) for row in evidence.trials if name in row.params]
        if len({str(value) for value, _ in points}) < 2:
            return False
        values = [v if isinstance(v, int | float) else str(v) for v, _ in points]
        scale = evidence.config.scale
        axes.scatter(values, [scale.factor * s for _, s in points], s=14, color=COLOURS[0])
        if parameter.log:
            axes.set_xscale("log")
        axes.set_xlabel(name)
        axes.set_ylabel(_score(scale))
        return True

    return draw


_DRAWINGS: dict[str, Draw] = {
    "parts": _by_part,
    "epochs": _by_epoch,
    "parallel": _parallel,
    "importance": _importance,
    "choices": _choices,
    "drift": _drift,
    "kl": _kl,
    "cost": _cost,
    "calls": _calls,
}
