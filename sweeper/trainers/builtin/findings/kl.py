"""Whether the KL term holds the policy, and whether what it measures is a distance."""

import math
from collections.abc import Iterator
from statistics import median

from sweeper.findings.finding import Finding
from sweeper.findings.rows import (
    last_metrics,
    moved_end,
    pairs_in,
    values_in,
)
from sweeper.results.assessment import Assessment
from sweeper.results.evidence import Evidence
from sweeper.trainers.builtin.findings.grpo import grpo_of, last_phase_key, parameter_of

WEAK, STRONG = 0.01, 1.0  # gradient norm of the KL term, in that of the PPO term
NOISE = 5.0  # KL as the training sees it, in that without dropout
NOTICED = 0.005  # nats: below it both are nothing
ALIKE = 0.05  # largest relative difference of two KL that are the same
PAIRS = 3  # that differ in kl_beta alone
ADAPTED = 2.0  # by this factor kl_beta has become another one


def kl_against_ppo(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """The KL term pulls hardly at all, or as hard as the rewards do."""
    ratios = [
        metrics["gradient_norm_kl"] / metrics["gradient_norm_ppo"]
        for row in evidence.trials
        if (metrics := last_metrics(row)).get("gradient_norm_ppo")
        and metrics.get("gradient_norm_kl")
    ]
    if not ratios:
        return
    ratio = median(ratios)
    if WEAK <= ratio <= STRONG:
        return
    weak = ratio < WEAK
    beta = parameter_of(evidence.config, "kl_beta")
    yield Finding(
        kind="kl_without_effect" if weak else "kl_too_strong",
        level="warning",
        facts={"ratio": f"{100 * ratio:.2g}", "trials": len(ratios)},
        change=moved_end(beta, "max", 10.0) if weak else moved_end(beta, "min", 0.1),
    )


def kl_whatever_kl_beta(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Trials that differ in kl_beta alone end equally far from the reference."""
    beta = parameter_of(evidence.config, "kl_beta")
    if beta is None:
        return
    rows = [row for row in evidence.trials if (last_metrics(row).get("kl") or 0.0) > NOTICED]
    pairs = list(pairs_in(beta.name, rows))
    distances = [(last_metrics(a)["kl"], last_metrics(b)["kl"]) for a, b in pairs]
    if len(pairs) < PAIRS or any(abs(a - b) > ALIKE * max(a, b) for a, b in distances):
        return
    every = [kl for pair in distances for kl in pair]
    yield Finding(
        kind="kl_whatever_kl_beta",
        level="warning",
        facts={
            "parameter": beta.name,
            "values": values_in(beta.name, pairs),
            "low": f"{min(every):.4f}",
            "high": f"{max(every):.4f}",
            "pairs": len(pairs),
        },
        change=moved_end(beta, "max", 10.0),
    )


def kl_is_noise(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """The KL that training sees is mostly its own dropout."""
    known = [
        (metrics["kl"], metrics["kl_without_dropout"])
        for row in evidence.trials
        if (metrics := last_metrics(row)).get("kl") is not None
        and metrics.get("kl_without_dropout") is not None
    ]
    if not known:
        return
    seen, real = median(kl for kl, _ in known), median(kl for _, kl in known)
    if seen > NOTICED and seen > NOISE * real:
        key = last_phase_key(evidence.config)
        yield Finding(
            kind="kl_is_noise",
            level="warning",
            facts={"seen": f"{seen:.4f}", "real": f"{real:.5f}", "trials": len(known)},
            change={f"{key}.{name}": 0.0 for name in ("dropout", "attention_dropout")},
        )


def kl_beta_adapted(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """The kl_beta that training ended with is not the one that was proposed."""
    others = []
    for row in evidence.trials:
        settings, used = grpo_of(row), last_metrics(row).get("kl_beta")
        if settings is None or not settings.kl_beta or not used:
            continue
        if abs(math.log(used / settings.kl_beta)) > math.log(ADAPTED):
            others.append((row, settings.kl_beta, used))
    if others:
        row, asked, used = max(others, key=lambda found: abs(math.log(found[2] / found[1])))
        key = last_phase_key(evidence.config)
        yield Finding(
            kind="kl_beta_adapted",
            level="warning",
            facts={
                "trials": len(others),
                "example": row.label,
                "asked": f"{asked:.4g}",
                "used": f"{used:.4g}",
            },
            change={f"{key}.adaptive_kl": False},
        )
