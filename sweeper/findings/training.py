"""Whether the training did its work."""

from collections.abc import Iterator, Mapping
from statistics import fmean, median
from typing import Any

from sweeper.assessment import Assessment
from sweeper.evidence import Evidence, Scored
from sweeper.findings.finding import Finding

SMALL_DRIFT = 1e-3  # of a tensor's norm: the lab's projections moved by a third of it at most
FEW_MOVED = 0.01  # of the questions
WEAK, STRONG = 0.01, 1.0  # gradient norm of the KL term, in that of the PPO term
FAR = 5.0  # nats from the reference; e^5: what it liked is now 150 times less likely
SILENT = 0.5  # of the groups
WORSE = 0.01  # one point


def step_too_small(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Weights that hardly move, and hardly any question that is answered otherwise."""
    measured = [(row, _last(row)) for row in evidence.trials if row.lines]
    drifts = [(row, _drift(line), line) for row, line in measured]
    still = [
        (row, drift, line)
        for row, drift, line in drifts
        if drift < SMALL_DRIFT and line.get("moved_queries", 1.0) < FEW_MOVED
    ]
    if still and 2 * len(still) >= len(drifts):
        yield Finding(
            kind="step_too_small",
            level="warning",
            facts={
                "trials": len(still),
                "of": len(drifts),
                "drift": f"{100 * median(drift for _, drift, _ in still):.3f}",
                "moved": f"{100 * fmean(line['moved_queries'] for _, _, line in still):.2f}",
            },
            change=_larger_steps(evidence),
        )


def _larger_steps(evidence: Evidence) -> dict[str, Any]:
    names = [p for p in evidence.config.space.searched if p.name == "lr" and not p.choices]
    return {f"parameters.{p.name}.max": float(f"{10 * p.bounds[1]:.3g}") for p in names}


def kl_against_ppo(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """The KL term pulls hardly at all, or as hard as the rewards do."""
    ratios = [
        line["gradient_norm_kl"] / line["gradient_norm_ppo"]
        for row in evidence.trials
        if (line := _last(row)).get("gradient_norm_ppo") and line.get("gradient_norm_kl")
    ]
    if not ratios:
        return
    ratio = median(ratios)
    if not WEAK <= ratio <= STRONG:
        yield Finding(
            kind="kl_without_effect" if ratio < WEAK else "kl_too_strong",
            level="warning",
            facts={"ratio": f"{100 * ratio:.2g}", "trials": len(ratios)},
        )


def diverged(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Policies that are far from their reference."""
    far = [row for row in evidence.trials if (_last(row).get("kl") or 0.0) > FAR]
    if far:
        worst = max(far, key=lambda row: float(_last(row)["kl"]))
        yield Finding(
            kind="diverged",
            level="warning",
            facts={"trials": len(far), "worst": worst.label, "kl": f"{_last(worst)['kl']:.1f}"},
        )


def advantages_without_signal(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Groups whose rollouts all have one reward teach nothing."""
    shares = [
        line["groups_without_signal"]
        for row in evidence.trials
        if (line := _last(row)).get("groups_without_signal") is not None
    ]
    if shares and median(shares) > SILENT:
        yield Finding(
            kind="advantages_without_signal",
            level="warning",
            facts={"share": f"{100 * median(shares):.0f}", "trials": len(shares)},
        )


def overfitting(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Trials that were better some epochs before their last."""
    sign = 1.0 if evidence.config.goal == "maximize" else -1.0
    long = fallen = 0
    for row in evidence.trials:
        last_phase = row.lines[-1]["phase_index"] if row.lines else 0
        scores = [
            sign * line["metrics"]["score"]
            for line in row.lines
            if line["phase_index"] == last_phase and line["metrics"].get("score") is not None
        ]
        long += len(scores) > 1
        fallen += len(scores) > 1 and max(scores[:-1]) - scores[-1] > WORSE
    if fallen and 2 * fallen > long:
        yield Finding(kind="overfitting", level="warning", facts={"trials": fallen, "of": long})


def _last(row: Scored) -> Mapping[str, Any]:
    metrics: Mapping[str, Any] = row.lines[-1]["metrics"] if row.lines else {}
    return metrics


def _drift(metrics: Mapping[str, Any]) -> float:
    """The largest relative drift of any tensor; of a frozen policy nothing."""
    return max(
        (value for name, value in metrics.items() if name.endswith("/relative_norm") and value),
        default=0.0,
    )
