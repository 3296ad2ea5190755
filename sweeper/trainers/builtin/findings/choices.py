"""What the policy can choose from, what it chooses, and which calls were spent on it in vain."""

from collections.abc import Iterator

import numpy as np

from sweeper.findings.finding import Finding
from sweeper.results.assessment import Assessment
from sweeper.results.evidence import Evidence

FEW_DEMONSTRATIONS = 0.02  # of the choices that were made: then nearly all questions share them
HOPELESS = 0.05  # behind the best: five points


def mislabelled(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Imported rows whose label names another value than the checkpoint holds."""
    for row in evidence.imported:
        for name, told in row.mismatch.items():
            yield Finding(
                kind="mislabelled",
                level="alarm",
                facts={
                    "row": row.label,
                    "source": row.source or row.label,
                    "parameter": name,
                    "label": told.get("label"),
                    "checkpoint": told.get("checkpoint"),
                    "adaptation": _adaptation(told.get("adaptation")),
                },
            )


def _adaptation(steps: int | None) -> str:
    """The other reading of a mismatch: whole steps of the lab's adaptive kl_beta."""
    return "" if not steps else f" (adaptive_kl: x1.5 ^ {steps:+d})"


def small_pool(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """A pool that holds hardly more demonstrations than are chosen leaves nothing to choose."""
    shots = max(map(int, evidence.config.can.parts), default=0)
    for side in evidence.data.get("facts", {}).get("sides", []):
        if side["what"] != "pools":
            continue
        sizes = [
            int(word) for word in side["evaluation"].replace("-", " ").split() if word.isdigit()
        ]
        if sizes and min(sizes) <= shots:
            yield Finding(
                kind="small_pool", level="alarm", facts={"pool": min(sizes), "shots": shots}
            )


def few_demonstrations(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """The best policy gives nearly every question the same demonstrations."""
    best = next((row for row in evidence.trials if row.choices is not None), None)
    if best is None or best.choices is None:
        return
    distinct = len(np.unique(best.choices))
    if distinct <= max(FEW_DEMONSTRATIONS * best.choices.size, 2 * best.choices.shape[1]):
        yield Finding(
            kind="few_demonstrations",
            level="warning",
            facts={"trial": best.label, "distinct": distinct, "choices": best.choices.size},
        )


def calls_without_a_chance(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """Reader calls that went to settings far behind the best."""
    if assessment.leader is None or evidence.config.goal != "maximize":
        return
    asked = [row for row in evidence.trials if row.calls]
    behind = [row for row in asked if assessment.leader.row.score - row.score > HOPELESS]
    total = sum(row.calls or 0 for row in asked)
    spent = sum(row.calls or 0 for row in behind)
    if total and spent > total / 3 and not evidence.config.can.races:
        yield Finding(
            kind="calls_without_a_chance",
            level="note",
            facts={"spent": f"{spent:,}", "total": f"{total:,}", "trials": len(behind)},
            change={"trainer.evaluate.race": True, "trainer.evaluate.every": "last"},
        )
