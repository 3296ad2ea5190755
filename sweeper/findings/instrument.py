"""Whether the evaluation can see what was trained."""

from collections.abc import Iterator

from sweeper.findings.finding import Finding
from sweeper.results.assessment import Assessment
from sweeper.results.evidence import Evidence


def dead_evaluation(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """The probe perturbed the start, and no answer changed."""
    if evidence.liveness is None or evidence.liveness.alive:
        return
    groups = evidence.liveness.groups
    yield Finding(
        kind="dead_evaluation",
        level="alarm",
        facts={
            "groups": ", ".join(entry.group for entry in groups),
            "questions": evidence.liveness.questions,
        },
    )


def choices_of_a_control(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Trials that choose for every question what a policy chose that was not searched for."""
    trials = [row for row in evidence.trials if row.choices is not None]
    for control in evidence.rows:
        if control.kind != "control" or control.choices is None:
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
