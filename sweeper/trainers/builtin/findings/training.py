"""Whether the training did its work."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from sweeper.findings.finding import Finding
from sweeper.findings.rows import (
    curve,
    last_metrics,
    last_phase,
    moved_end,
    trained_epochs,
)
from sweeper.results.assessment import Assessment
from sweeper.results.evidence import Evidence, Scored
from sweeper.trainers.builtin.findings.grpo import grpo_of, last_phase_key, parameter_of

SMALL_DRIFT = 1e-3  # of a tensor's norm: the lab's projections moved by a third of it at most
FEW_MOVED = 0.01  # of the questions
LARGEST_FACTOR = 100.0  # by which a next study raises the step: choices do not follow in proportion
FAR = 10.0  # nats from the reference; four shots chosen of 64 by lot are 16.5 from a sure choice
FAR_AND_WORSE = 5.0  # where the score has fallen with it
SILENT = 0.5  # of the groups
DAMAGED = 0.1  # drift of a projection, of its norm
PROJECTIONS = ("input_proj", "query_proj", "cand_proj")
WORSE = 0.01  # one point
MANY = 8  # trials, before a rank correlation says anything
AGREES = 0.3  # rank correlation of two numbers that order trials alike, if loosely


def step_too_small(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Weights that hardly move, and hardly any question that is answered otherwise."""
    measured = [row for row in evidence.trials if row.epochs]
    still = [
        row
        for row in measured
        if _largest_drift(last_metrics(row)) < SMALL_DRIFT
        and last_metrics(row).get("moved_queries", 1.0) < FEW_MOVED
    ]
    if not still or 2 * len(still) < len(measured):
        return
    factor = _factor(still)
    by_the_step = {
        "margin": f"{_median(still, 'flip_margin'):.2g}",
        "moved_by": f"{_median(still, 'flip_moved'):.2g}",
        "factor": "?" if factor is None else f"{factor:.2g}",
    }
    yield Finding(
        kind="step_too_small",
        level="warning",
        facts={
            "trials": len(still),
            "of": len(measured),
            "drift": f"{100 * median(_largest_drift(last_metrics(r)) for r in still):.3f}",
            "moved": f"{100 * fmean(last_metrics(r)['moved_queries'] for r in still):.2f}",
            **by_the_step,
        },
        change=moved_end(
            parameter_of(evidence.config, "lr"), "max", min(factor or 10.0, LARGEST_FACTOR)
        ),
    )


def _factor(rows: list[Scored]) -> float | None:
    """How much larger the step would have to be; None where that is not known."""
    factors = [f for r in rows if (f := last_metrics(r).get("flip_step_factor"))]
    return median(factors) if factors else None


def _median(rows: list[Scored], name: str) -> float:
    found = [v for row in rows if (v := last_metrics(row).get(name)) is not None]
    return median(found) if found else float("nan")


def diverged(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Policies so far from their reference that they have lost it, or far and worse for it."""
    start, sign, scale = evidence.control("start"), evidence.sign, evidence.config.scale
    floor = None if start is None else sign * start.score - WORSE
    far = [
        row
        for row in evidence.trials
        if (kl := _distance(row)) > FAR
        or (kl > FAR_AND_WORSE and floor is not None and sign * row.score < floor)
    ]
    if far:
        worst = max(far, key=_distance)
        yield Finding(
            kind="diverged",
            level="warning",
            facts={
                "trials": len(far),
                "worst": worst.label,
                "kl": f"{_distance(worst):.3g}",
                "score": scale.text(worst.score),
                "start": "?" if start is None else scale.text(start.score),
            },
            change=moved_end(parameter_of(evidence.config, "lr"), "min", 0.1),
        )


def _distance(row: Scored) -> float:
    """KL to the reference; where training sees dropout in it, that without."""
    metrics = last_metrics(row)
    return float(metrics.get("kl_without_dropout", metrics.get("kl")) or 0.0)


def advantages_without_signal(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Groups whose rollouts all have one reward teach nothing."""
    found = [
        metrics
        for row in evidence.trials
        if (metrics := _first_epoch(row)).get("groups_without_signal") is not None
    ]
    if not found or (silent := _share(found, "groups_without_signal")) <= SILENT:
        return
    wrong, whole = _share(found, "groups_all_wrong"), _share(found, "groups_without_signal_uncut")
    cut = all("groups_without_signal_uncut" in metrics for metrics in found) and whole < silent / 2
    yield Finding(
        kind="advantages_cut_away" if cut else "advantages_without_signal",
        level="warning",
        facts={
            "share": f"{100 * silent:.0f}",
            "wrong": f"{100 * wrong:.0f}",
            "alike": f"{100 * (silent - wrong):.0f}",
            "trials": len(found),
            "whole": f"{100 * whole:.0f}",
        },
        change=_more_signal(evidence, cut=cut),
    )


def _share(found: Sequence[Mapping[str, Any]], name: str) -> float:
    return median(metrics.get(name) or 0.0 for metrics in found)


def _first_epoch(row: Scored) -> Mapping[str, Any]:
    """The numbers of the first epoch of the last phase: a curriculum begins there."""
    return next((epoch.metrics for epoch in last_phase(row)), {})


def _more_signal(evidence: Evidence, *, cut: bool) -> dict[str, object]:
    """Groups as they were recorded, or larger ones where they are sampled."""
    key = last_phase_key(evidence.config)
    settings = next((s for row in evidence.trials if (s := grpo_of(row)) is not None), None)
    if cut:
        return {f"{key}.curriculum": None}
    if settings is None or settings.rollouts != "sampled":
        return {}
    return {f"{key}.group_size": 2 * settings.group_size}


def overfitting(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Trials that were better some epochs before their last."""
    sign = evidence.sign
    curves = [[sign * score for score in curve(row, "score")] for row in evidence.trials]
    long = [scores for scores in curves if len(scores) > 1]
    fallen = [scores for scores in long if max(scores[:-1]) - scores[-1] > WORSE]
    if fallen and 2 * len(fallen) > len(long):
        peak = round(median(1 + scores.index(max(scores)) for scores in fallen))
        epochs = parameter_of(evidence.config, "epochs")
        shorter = epochs is not None and not epochs.choices and peak > epochs.bounds[0]
        yield Finding(
            kind="overfitting",
            level="warning",
            facts={"trials": len(fallen), "of": len(long), "peak": peak},
            change={f"parameters.{epochs.name}.max": peak} if epochs and shorter else {},
        )


def undertrained(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """The longest trainings still gain with their last epoch."""
    sign = evidence.sign
    longest = max((trained_epochs(row) for row in evidence.trials), default=0)
    gains = [
        sign * (scores[-1] - scores[-2])
        for row in evidence.trials
        if trained_epochs(row) == longest
        and len(scores := curve(row, "score")) > 1
        and sign * scores[-1] == max(sign * score for score in scores)
    ]
    everyone = sum(trained_epochs(row) == longest for row in evidence.trials)
    if 2 * len(gains) > everyone and median(gains) > WORSE:
        yield Finding(
            kind="undertrained",
            level="note",
            facts={
                "trials": len(gains),
                "epochs": longest,
                "gain": evidence.config.scale.number(median(gains)),
            },
            change=moved_end(parameter_of(evidence.config, "epochs"), "max", 2.0),
        )


def representation_damaged(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Projections that RCE had taught have moved, and the score has fallen below the start's."""
    start = evidence.control("start")
    if start is None or evidence.config.goal != "maximize":
        return
    unfrozen = [row for row in evidence.trials if _projection_drift(row) > DAMAGED]
    fallen = [row for row in unfrozen if row.score < start.score - WORSE]
    if not fallen or 2 * len(fallen) < len(unfrozen):
        return
    worst = min(fallen, key=lambda row: row.score)
    yield Finding(
        kind="representation_damaged",
        level="warning",
        facts={
            "trials": len(fallen),
            "of": len(unfrozen),
            "drift": f"{100 * median(_projection_drift(row) for row in fallen):.0f}",
            "worst": worst.label,
            "score": evidence.config.scale.text(worst.score),
            "start": evidence.config.scale.text(start.score),
        },
        change=moved_end(parameter_of(evidence.config, "lr"), "min", 0.1),
    )


def validation_loss_misleads(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """The loss on the validation queries orders the trials otherwise than their accuracy."""
    if evidence.config.metric.name == "validation_loss":
        return
    known = {
        tuple(sorted(row.params.items())): (loss, row.score)
        for row in evidence.trials
        if (loss := last_metrics(row).get("validation_loss")) is not None
    }
    if len({score for _, score in known.values()}) < MANY:
        return
    from scipy.stats import spearmanr  # half a second

    losses, scores = zip(*known.values(), strict=True)
    agreement = -float(spearmanr(losses, scores).statistic)
    if not agreement >= AGREES:
        yield Finding(
            kind="validation_loss_misleads",
            level="note",
            facts={"agreement": f"{agreement:+.2f}", "trials": len(known)},
        )


def _largest_drift(metrics: Mapping[str, Any]) -> float:
    """The largest relative drift of any tensor; of a frozen policy nothing."""
    return max(
        (value for name, value in metrics.items() if name.endswith("/relative_norm") and value),
        default=0.0,
    )


def _projection_drift(row: Scored) -> float:
    metrics = last_metrics(row)
    names = [f"drift/{name}.weight/relative_norm" for name in PROJECTIONS]
    return max((metrics.get(name) or 0.0 for name in names), default=0.0)
