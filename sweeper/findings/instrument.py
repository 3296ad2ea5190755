"""Whether the evaluation can see what was trained."""

from collections.abc import Iterator

import numpy as np

from sweeper.findings.finding import Finding
from sweeper.results.assessment import Assessment
from sweeper.results.evidence import Evidence

FEW_DEMONSTRATIONS = 0.02  # of the choices that were made: then nearly all questions share them


def dead_evaluation(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """The probe perturbed the start, and no answer changed."""
    if evidence.liveness is None or evidence.liveness["alive"]:
        return
    groups = evidence.liveness["groups"]
    yield Finding(
        kind="dead_evaluation",
        level="alarm",
        facts={
            "groups": ", ".join(entry["group"] for entry in groups),
            "questions": evidence.liveness["questions"],
        },
    )


def choices_of_a_control(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Trials that choose for every question what a policy chose that was not searched for."""
    trials = [row for row in evidence.trials if row.shots is not None]
    for control in evidence.rows:
        if control.kind != "control" or control.shots is None:
            continue
        same = [row for row in trials if row.chooses_as(control)]
        if same:
            yield Finding(
                kind="choices_of_a_control",
                level="alarm" if len(same) == len(trials) else "warning",
                facts={
                    "control": control.label,
                    "same": len(same),
                    "trials": len(trials),
                    "example": same[0].label,
                },
            )


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
    shots = max(evidence.config.trainer["evaluate"]["shots"])
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
    best = next((row for row in evidence.trials if row.shots is not None), None)
    if best is None or best.shots is None:
        return
    distinct = len(np.unique(best.shots))
    if distinct <= max(FEW_DEMONSTRATIONS * best.shots.size, 2 * best.shots.shape[1]):
        yield Finding(
            kind="few_demonstrations",
            level="warning",
            facts={"trial": best.label, "distinct": distinct, "choices": best.shots.size},
        )
