"""Which setting a study takes: the highest score, or the mildest of those that are as good. Pure.

Of settings that cannot be told apart the mildest is taken, the cheapest and most conservative: what
that is, its trainer says (`Training.mildness`); then the lower number of the trial.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sweeper.results.evidence import Evidence, Scored, asked_alike, settings_of
from sweeper.statistics.best import may_be_best
from sweeper.study.sections import BEST_RULES, BestRule

if TYPE_CHECKING:  # importing it imports SciPy
    from sweeper.results.assessment import Assessment

Reason = Literal["highest", "mildest", "baseline", "unknown"]

_ROUNDING = 1e-12  # of a difference of means


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The setting that a rule takes, and why."""

    rule: BestRule
    row: Scored  # that is taken
    highest: Scored  # that has the best score
    reason: Reason
    """It has the highest score, and the rule asks no more; it is the mildest of ``among``; nothing
    is proven better than the baseline; scores by question are unknown, so it is the highest."""
    among: int | None = None  # settings that could not be told apart

    def text(self) -> str:
        """The choice in a sentence; empty where it is the highest as a matter of course."""
        label = self.row.label
        of = f"the mildest of {self.among} settings"
        lead = "that one itself" if self.row is self.highest else f"{self.highest.label}, the best"
        match self.reason, self.rule:
            case "highest", _:
                return ""
            case "unknown", _:
                return f"{label} has the best score; {self.rule} needs scores by question"
            case "baseline", _:
                return f"{label} stays: no setting is proven better than the baseline"
            case _, "one_standard_error":
                return f"{label} is {of} within one standard error of {lead}"
        return f"{label} is {of} that cannot be told from {lead}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """How many settings may be the best."""

    count: int  # the best among them
    settings: int  # that answered the same questions
    questions: int

    def text(self) -> str:
        """The count in a sentence."""
        told = f"on {self.questions} questions"
        if self.count == 1:
            return f"the best of {self.settings} settings can be told from all others {told}"
        return f"{self.count} of {self.settings} settings cannot be told from the best {told}"


def choices(evidence: Evidence, assessment: "Assessment") -> Mapping[BestRule, Choice]:
    """What each rule would take; nothing where no setting is complete.

    Args:
        evidence: Of the study.
        assessment: Of this evidence.
    """
    found = {rule: choose(rule, evidence, lambda _: assessment) for rule in BEST_RULES}
    return {rule: choice for rule, choice in found.items() if choice is not None}


def choose(
    rule: BestRule, evidence: Evidence, assess: Callable[[Evidence], "Assessment"]
) -> Choice | None:
    """What one rule takes; None where no setting is complete.

    Args:
        rule: "highest" takes the first of the ranking. "one_standard_error" takes the mildest of
            the settings whose distance from the best, question by question, is at most its own
            standard error. "significant" takes the mildest of those that cannot be told from the
            best; where the study has a baseline, only of those that are proven better than it, and
            the baseline where none is.
        evidence: Of the study; its rows are in the order of the ranking.
        assess: Weighs the evidence; asked only by "significant".
    """
    ranked = list(evidence.trials or evidence.imported)
    if not ranked:
        return None
    highest = ranked[0]
    if rule == "highest":
        return Choice(rule=rule, row=highest, highest=highest, reason="highest")
    rivals = _rivals(ranked)
    if not rivals:
        return Choice(rule=rule, row=highest, highest=highest, reason="unknown")
    if rule == "one_standard_error":
        alike = [row for row in rivals if _within_one_error(highest, row, evidence.sign)]
    else:
        alike = _untold(rivals, evidence, assess(evidence))
        if not alike and evidence.baseline is not None:
            return Choice(
                rule=rule,
                row=evidence.baseline,
                highest=highest,
                reason="baseline",
                among=len(rivals),
            )
    mildest = min(alike or [highest], key=mildness)
    return Choice(rule=rule, row=mildest, highest=highest, reason="mildest", among=len(alike))


def tie(evidence: Evidence) -> Tie | None:
    """How many settings may be the best; None where scores by question are not known."""
    rivals = _rivals(list(evidence.trials or evidence.imported))
    if not rivals:
        return None
    means = np.stack([_by_question(row) for row in rivals])
    stays = may_be_best(evidence.sign * means)
    return Tie(count=int(stays.sum()), settings=len(rivals), questions=means.shape[1])


def mildness(row: Scored) -> tuple[bool, tuple[Any, ...], tuple[float, float]]:
    """Where a setting stands in the order of the module's docstring; the least is the mildest.

    Of a row that was measured elsewhere nothing but the number is known.
    """
    known = row.training is not None
    return known, row.training.mildness if row.training is not None else (), _number(row.label)


def _number(label: str) -> tuple[float, float]:
    """`trial 7` and `trial 7@2` as the records have them in order: the whole after its parts."""
    number, _, prefix = label.split()[-1].partition("@")
    return float(number), float(prefix or "inf")


def _rivals(ranked: Sequence[Scored]) -> list[Scored]:
    """The settings that answered the questions of the first; of finalists, finalists alone."""
    first = ranked[0]
    return settings_of(asked_alike([row for row in ranked if row.final == first.final], first))


def _by_question(row: Scored) -> np.ndarray:
    assert row.scores is not None, "a rival has scores"
    means: np.ndarray = row.scores.mean(axis=1)
    return means


def _within_one_error(highest: Scored, row: Scored, sign: float) -> bool:
    leads = sign * (_by_question(highest) - _by_question(row))
    if len(leads) < 2:  # no error can be told from one question
        return bool(abs(leads.mean()) <= _ROUNDING)
    error = leads.std(ddof=1) / len(leads) ** 0.5
    return bool(leads.mean() <= error + _ROUNDING)


def _untold(rivals: Sequence[Scored], evidence: Evidence, weighed: "Assessment") -> list[Scored]:
    """Rivals that may be the best; if there is a test against the baseline, those that pass it."""
    from sweeper.results.assessment import LEVEL

    entries = {entry.row.label: entry for entry in weighed.rows}
    known = [entries[row.label] for row in rivals]
    best = [entry for entry in known if entry.may_be_best] or known[:1]
    sign, baseline = evidence.sign, evidence.baseline
    if baseline is None or not asked_alike([baseline], rivals[0]):
        return [entry.row for entry in best]
    proven = [
        entry
        for entry in known
        if entry.p_max_t is not None
        and entry.p_max_t < LEVEL
        and sign * (entry.difference or 0.0) > 0.0
    ]
    if not proven:
        return []
    both = [entry for entry in best if entry in proven]
    return [entry.row for entry in both or best]
