"""Pictures of a study as SVG: text stays text, so that it prints, scales and can be searched.

Drawn with Matplotlib: a few kilobytes a picture, where an interactive library would put megabytes
of program into every report.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeper.assessment import Assessment
from sweeper.evidence import Evidence, Scored
from sweeper.ranking import SAVED_BY
from sweeper.statistics.best import differing_share
from sweeper.statistics.intervals import bca_intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 6  # settings in a picture of lines
COLOURS = ("#1f4e79", "#c0504d", "#4f8a4f", "#8064a2", "#d08b2c", "#5b9aa0", "#7f7f7f", "#404040")


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture with its caption."""

    caption: str
    svg: str


Draw = Callable[["Axes", Evidence, Assessment], bool]


def figures(evidence: Evidence, assessment: Assessment, words: Mapping[str, str]) -> list[Figure]:
    """All pictures that there is something to show in."""
    drawings: dict[str, Draw] = {
        "figure_shots": _by_shots,
        "figure_epochs": _by_epoch,
        "figure_choices": _choices,
        "figure_drift": _drift,
        "figure_kl": _kl,
        "figure_calls": _calls,
    }
    found = [_picture(draw, evidence, assessment, words[key]) for key, draw in drawings.items()]
    found += _by_parameter(evidence, assessment, words["figure_parameters"])
    return [figure for figure in found if figure is not None]


def _picture(draw: Draw, evidence: Evidence, assessment: Assessment, caption: str) -> Figure | None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "sweeper", "font.size": 9}
    style |= {"axes.spines.top": False, "axes.spines.right": False}
    with rc_context(style):
        canvas = Canvas(figsize=(6.4, 3.4), layout="constrained")
        if not draw(canvas.add_subplot(), evidence, assessment):
            return None
        text = io.StringIO()
        canvas.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return Figure(caption, svg[svg.index("<svg") :])


def _first(evidence: Evidence) -> list[Scored]:
    """The controls and the best few, the baseline among them."""
    baseline = evidence.baseline
    trials = evidence.trials[:SHOWN]
    if baseline is not None and evidence.trials and baseline not in trials:
        trials = [*trials[:-1], baseline]
    controls = [row for row in evidence.rows if row.kind == "control"]
    return [*controls, *trials]


def _by_shots(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    rows = _first(evidence) if evidence.trials else list(evidence.imported)
    rows = [row for row in rows if row.accuracy]
    for index, row in enumerate(rows):
        shots = [int(s) for s in row.accuracy]
        means = [100 * a for a in row.accuracy.values()]
        style = "--" if row.kind == "control" else "-"
        colour = COLOURS[index % len(COLOURS)]
        place = np.array(shots) + 0.03 * (index - len(rows) / 2)
        axes.plot(place, means, style, color=colour, marker="o", ms=3, lw=1.2, label=row.label)
        if row.scores is not None and np.isfinite(row.scores).all() and len(row.scores) > 1:
            ends = 100 * bca_intervals(row.scores.T, resamples=2000)
            axes.vlines(place, ends[:, 0], ends[:, 1], color=colour, lw=0.6)
    if not rows:
        return False
    axes.set_xticks([int(s) for s in rows[0].accuracy])
    axes.set_ylabel("%")
    axes.legend(fontsize=7, frameon=False, ncols=2)
    return True


def _by_epoch(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    drawn = False
    for index, row in enumerate(evidence.trials[:SHOWN]):
        points = list(_curve(row, "score"))
        if len(points) > 1:
            epochs, scores = zip(*points, strict=True)
            axes.plot(
                epochs, scores, marker="o", ms=3, lw=1.2, color=COLOURS[index], label=row.label
            )
            drawn = True
    if drawn:
        axes.set_xlabel("epoch")
        axes.legend(fontsize=7, frameon=False)
    return drawn


def _curve(row: Scored, name: str) -> Iterator[tuple[int, float]]:
    last = row.lines[-1]["phase_index"] if row.lines else None
    for line in row.lines:
        if line["phase_index"] == last and line["metrics"].get(name) is not None:
            yield line["epoch"], line["metrics"][name]


def _choices(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    rows = [row for row in _first(evidence) if row.shots is not None]
    first = next((row.shots.shape for row in reversed(rows) if row.shots is not None), None)
    rows = [row for row in rows if row.shots is not None and row.shots.shape == first]
    if len(rows) < 2:
        return False
    share = 100 * differing_share(np.stack([row.shots for row in rows if row.shots is not None]))
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
    best = assessment.best
    metrics: Mapping[str, Any] = best.row.lines[-1]["metrics"] if best and best.row.lines else {}
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
        if "kl_beta" in row.params and (curve := list(_curve(row, "kl")))
    ]
    if len({beta for beta, _ in points}) < 2:
        return False
    betas, distances = zip(*points, strict=True)
    axes.scatter(betas, distances, s=14, color=COLOURS[0])
    axes.set_xlabel("kl_beta")
    axes.set_ylabel("KL, nats")
    return True


def _calls(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
    if not evidence.calls.get("needed"):
        return False
    parts: Sequence[tuple[str, str]] = (("asked", "asked"), *SAVED_BY)
    begin = 0
    for index, (cause, name) in enumerate(parts):
        count = evidence.calls.get(cause, 0)
        axes.barh([""], [count], left=begin, color=COLOURS[index], label=f"{name}: {count:,}")
        begin += count
    axes.legend(fontsize=7, frameon=False, ncols=2, loc="upper center")
    axes.set_ylim(-0.5, 1.0)
    return True


def _by_parameter(evidence: Evidence, assessment: Assessment, caption: str) -> list[Figure | None]:
    """One picture a searched parameter: all complete trials."""

    def drawing(name: str, log: bool) -> Draw:
        def draw(axes: "Axes", evidence: Evidence, assessment: Assessment) -> bool:
            points = [(r.params[name], r.score) for r in evidence.trials if name in r.params]
            if len({str(value) for value, _ in points}) < 2:
                return False
            values = [v if isinstance(v, int | float) else str(v) for v, _ in points]
            axes.scatter(values, [score for _, score in points], s=14, color=COLOURS[0])
            if log:
                axes.set_xscale("log")
            axes.set_xlabel(name)
            return True

        return draw

    return [
        _picture(drawing(p.name, p.log), evidence, assessment, f"{caption}: {p.name}")
        for p in evidence.config.space.searched
    ]
