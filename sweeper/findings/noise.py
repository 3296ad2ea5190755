"""Whether there is enough to tell by."""

import math
from collections.abc import Iterator

from sweeper.findings.finding import Finding
from sweeper.findings.rows import trained_epochs
from sweeper.results.assessment import LEVEL, Assessment
from sweeper.results.evidence import Evidence
from sweeper.scales import PER_CENT

MANY_LOST = 0.1  # of the trials
UNSTABLE = 0.02  # standard deviation over seeds of a fraction: two points


def too_few_questions(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """A difference that this many questions could not have shown."""
    best = assessment.leader
    if assessment.needed_range is not None and assessment.outcome != "identical":
        fewest, most = assessment.needed_range
        yield Finding(
            kind="unknown_power",
            level="warning",
            facts={
                "questions": assessment.questions or "?",
                "fewest": _count(fewest),
                "most": _count(most),
            },
        )
        return
    if best is None or not best.difference or assessment.detectable is None:
        return
    if assessment.outcome == "untold" and abs(best.difference) < assessment.detectable:
        needed, scale = assessment.needed, evidence.config.scale
        yield Finding(
            kind="too_few_questions",
            level="warning",
            facts={
                "questions": assessment.questions,
                "seen": scale.number(best.difference, places=2, sign=True),
                "detectable": "∞"
                if math.isinf(assessment.detectable)
                else scale.number(assessment.detectable),
                "needed": _count(math.inf if needed is None else needed),
            },
            change=_more_questions(evidence, needed),
        )


def _count(questions: float) -> str:
    """A number of questions; what nobody could ask is not spelled out."""
    return "> 1,000,000" if questions > 1e6 else f"{questions:,.0f}"


def _more_questions(evidence: Evidence, needed: float | None) -> dict[str, int]:
    """As many questions as it takes; a task that has fewer refuses the change."""
    can = evidence.config.can
    knows = can.questions > 0  # and may be asked for more
    enough = knows and needed is not None and math.isfinite(needed) and needed > can.questions
    return {can.questions_key: math.ceil(needed)} if enough and needed else {}


def another_winner_by_part(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """By some part of the score another setting is really better than the best on average."""
    if assessment.leader is None:
        return
    own = assessment.leader.row
    others = {
        parts: winner
        for parts, winner in assessment.winners.items()
        if parts not in own.accuracy
        or evidence.sign * (winner.entry.row.accuracy[parts] - own.accuracy[parts]) > 0.0
    }
    untested = own.scores is None  # as imported means are: then all that can be said is that much
    if untested and not evidence.config.can.has_questions:
        return
    told = {
        parts: winner
        for parts, winner in others.items()
        if untested or (winner.p_best is not None and winner.p_best < LEVEL)
    }
    if told:
        yield Finding(
            kind="another_winner_untested" if untested else "another_winner_by_part",
            level="note",
            facts={
                "best": own.label,
                "winners": ", ".join(
                    f"{s}: {winner.entry.row.label}" for s, winner in told.items()
                ),
                "key": evidence.config.nouns.key(next(iter(told))),
            },
        )


def lead_of_epochs(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """The best leads the baseline, but nothing of the baseline's own number of epochs does."""
    best, anchor = assessment.leader, evidence.baseline
    if best is None or anchor is None or assessment.imported:
        return
    sign, scale = evidence.sign, evidence.config.scale
    epochs, longer = trained_epochs(anchor), trained_epochs(best.row)
    equal = [row for row in evidence.trials if trained_epochs(row) == epochs and row is not anchor]
    if epochs == longer or sign * (best.row.score - anchor.score) <= 0.0 or not equal:
        return
    ahead = max(equal, key=lambda row: sign * row.score)
    if sign * (ahead.score - anchor.score) <= 0.0:
        yield Finding(
            kind="lead_of_epochs",
            level="warning",
            facts={
                "best": best.row.label,
                "longer": longer,
                "epochs": epochs,
                "ahead": ahead.label,
                "behind": scale.number(abs(anchor.score - ahead.score), places=2),
            },
        )


def unstable_seeds(evidence: Evidence, assessment: Assessment) -> Iterator[Finding]:
    """Seeds of one setting that differ by more than the best differs from the baseline."""
    best = assessment.leader
    spreads = [
        (float(row.seed_scores.mean(axis=(1, 2)).std(ddof=1)), row)
        for row in evidence.trials
        if row.seed_scores is not None
    ]
    if best is None or not spreads:
        return
    spread, row = max(spreads, key=lambda found: found[0])
    lead = abs(best.difference) if best.difference else math.inf
    scale = evidence.config.scale
    if spread > lead or (scale == PER_CENT and spread > UNSTABLE):
        count = 0 if row.seed_scores is None else len(row.seed_scores)
        yield Finding(
            kind="unstable_seeds",
            level="warning",
            facts={
                "trial": row.label,
                "seeds": count,
                "spread": scale.number(spread, places=2),
                "lead": "?" if lead == math.inf else scale.number(lead, places=2),
            },
            change={"seeds": {"values": list(range(max(5, 2 * count))), "strategy": "finalists"}},
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
