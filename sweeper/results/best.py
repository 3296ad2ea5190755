"""The best trial of a study, by the rule of its file: reads no more than that rule needs.

The highest score is known from the records alone. Every other rule, another order (`--by shot_2`)
and the number of settings that may be the best need the scores by question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweeper.ranking import ranking, told_score
from sweeper.records import TrialRecord
from sweeper.store.study_folder import StudyFolder
from sweeper.study.config import StudyConfig
from sweeper.study.sections import BestRule

if TYPE_CHECKING:  # importing them imports NumPy
    from sweeper.results.assessment import Assessment
    from sweeper.results.choosing import Choice, Tie
    from sweeper.results.evidence import Evidence, Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The trial that a study takes."""

    record: TrialRecord
    score: float  # its final's, where it has one; its accuracy where ``by`` is given
    rule: BestRule
    by: str | None = None  # "shot_2": the only part that was looked at
    choice: "Choice | None" = None  # None: the highest score, taken from the records
    tie: "Tie | None" = None  # None: not known, or not asked

    @property
    def reason(self) -> str:
        """Why it is not simply the highest, in a sentence; empty where it is."""
        return "" if self.choice is None else self.choice.text()

    @property
    def lines(self) -> list[str]:
        """All that is to be said of the choice beside its result."""
        tied = "" if self.tie is None else self.tie.text()
        return [line for line in (self.reason, tied) if line]


def best_trial(
    folder: StudyFolder,
    config: StudyConfig,
    records: Sequence[TrialRecord],
    *,
    by: str | None = None,
    count_ties: bool = False,
) -> Best | None:
    """The trial that the study takes by its `best: {rule: ...}`; None where none is complete.

    Args:
        folder: Of the study.
        config: Says which rule.
        records: All trials.
        by: One part of the score to choose by, such as "shot_2".
        count_ties: Also tell how many settings may be the best.

    Raises:
        UsageError: where ``by`` is no part of this study's scores.
    """
    ranked = ranking(records, goal=config.goal)
    if not ranked:
        return None
    rule = config.best.rule
    if rule == "highest" and by is None:
        evidence = _evidence(folder, by) if count_ties else None
        return Best(
            record=ranked[0],
            score=told_score(ranked[0]),
            rule=rule,
            tie=None if evidence is None else _tie(evidence),
        )
    from sweeper.results.choosing import choose

    evidence = _evidence(folder, by)
    choice = choose(rule, evidence, _assess)
    assert choice is not None, "a study with a complete trial has one to choose"
    names = {f"trial {record.name}": record for record in ranked}
    return Best(
        record=names[choice.row.label],
        score=choice.row.score,
        rule=rule,
        by=by,
        choice=choice,
        tie=_tie(evidence) if count_ties else None,
    )


def _evidence(folder: StudyFolder, by: str | None) -> "Evidence":
    from sweeper.results.by_part import by_part
    from sweeper.results.evidence import gather

    evidence = gather(folder)
    return evidence if by is None else by_part(evidence, by)


def _tie(evidence: "Evidence") -> "Tie | None":
    from sweeper.results.choosing import tie

    return tie(evidence)


def _assess(evidence: "Evidence") -> "Assessment":
    from sweeper.results.assessment import assess

    return assess(evidence)


def best_row(evidence: "Evidence") -> "Scored | None":
    """The row of the trial that the study takes by its rule; None where none is complete."""
    from sweeper.results.choosing import choose

    choice = choose(evidence.config.best.rule, evidence, _assess)
    return None if choice is None else choice.row
