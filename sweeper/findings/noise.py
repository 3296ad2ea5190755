"""Whether there is enough to tell by."""

from collections.abc import Iterator

from sweeper.assessment import Assessment
from sweeper.evidence import Evidence
from sweeper.findings.finding import Finding

MANY_LOST = 0.1  # of the trials
HOPELESS = 0.05  # behind the best: five points


def too_few_questions(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """A difference that this many questions could not have shown."""
    best = assessment.best
    if assessment.needed_range is not None and assessment.outcome != "identical":
        fewest, most = assessment.needed_range
        yield Finding(
            kind="unknown_power",
            level="warning",
            facts={
                "questions": assessment.questions or "?",
                "fewest": f"{fewest:,.0f}",
                "most": f"{most:,.0f}",
            },
        )
        return
    if best is None or best.difference is None or assessment.detectable is None:
        return
    if assessment.outcome == "untold" and abs(best.difference) < assessment.detectable:
        needed = assessment.needed
        yield Finding(
            kind="too_few_questions",
            level="warning",
            facts={
                "questions": assessment.questions,
                "seen": f"{100 * best.difference:+.2f}",
                "detectable": f"{100 * assessment.detectable:.1f}",
                "needed": "∞" if needed is None else f"{needed:,.0f}",
            },
        )


def another_winner_by_shots(_: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """The best on average is not the best for every number of shots."""
    if assessment.best is None:
        return
    own = assessment.best.row
    others = {
        shots: entry.row
        for shots, entry in assessment.winners.items()
        if entry.row.accuracy[shots] > own.accuracy.get(shots, 0.0)
    }
    if others:
        yield Finding(
            kind="another_winner_by_shots",
            level="note",
            facts={
                "best": own.label,
                "winners": ", ".join(f"{s}: {row.label}" for s, row in others.items()),
            },
        )


def lost_trials(evidence: Evidence, _: Assessment) -> Iterator[Finding]:
    """Trials that failed."""
    failed = evidence.states.get("failed", 0)
    ended = sum(count for state, count in evidence.states.items() if state != "running")
    if failed > MANY_LOST * ended:
        classes = ", ".join(f"{name} {count}" for name, count in evidence.failures.items())
        yield Finding(
            kind="lost_trials",
            level="warning",
            facts={"failed": failed, "of": ended, "classes": classes},
        )


def calls_without_a_chance(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """Reader calls that went to settings far behind the best."""
    if assessment.best is None or evidence.config.goal != "maximize":
        return
    asked = [row for row in evidence.trials if row.calls]
    behind = [row for row in asked if assessment.best.row.score - row.score > HOPELESS]
    total = sum(row.calls or 0 for row in asked)
    spent = sum(row.calls or 0 for row in behind)
    if total and spent > total / 3 and not evidence.config.trainer["evaluate"].get("race"):
        yield Finding(
            kind="calls_without_a_chance",
            level="note",
            facts={"spent": f"{spent:,}", "total": f"{total:,}", "trials": len(behind)},
            change={"trainer.evaluate.race": True, "trainer.evaluate.every": "last"},
        )
