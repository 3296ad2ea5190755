"""Who is ahead: the order of the trials. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from sweeper.records import TrialRecord, TrialState
from sweeper.space import Value

Row = TypeVar("Row")


def ranking(records: Sequence[TrialRecord], *, goal: str) -> list[TrialRecord]:
    """Complete trials, the best first; equal scores in order of their numbers.

    A shorter training that was scored on the way of a trial stands for itself, unless its setting
    has a trial of its own. The scores of the search make the order; of the places that finalists
    have in it, the best final takes the first, and so on. A final is of more seeds or questions: it
    is compared with finals alone, and a trial that lacks one keeps the place of its own score.
    """
    complete = [record for record in records if record.state is TrialState.COMPLETE]
    own = {frozenset(record.params.items()) for record in complete if record.prefix is None}
    listed = [r for r in complete if r.prefix is None or frozenset(r.params.items()) not in own]
    sign = -1.0 if goal == "maximize" else 1.0
    return in_order(
        sorted(listed, key=lambda record: record.order),
        own=lambda record: sign * (record.score or 0.0),
        final=lambda record: None if record.final is None else sign * record.final.score,
    )


def leader(records: Iterable[TrialRecord], *, goal: str) -> TrialRecord | None:
    """The first of the `ranking`, in one pass; None where no trial is complete.

    A study asks for it at every change, and has thousands of records.
    """
    sign = -1.0 if goal == "maximize" else 1.0
    complete = [record for record in records if record.state is TrialState.COMPLETE]
    if any(record.final is not None for record in complete):
        return ranking(complete, goal=goal)[0]
    rivals = [(sign * (record.score or 0.0), record) for record in complete]
    while rivals:
        top = min(score for score, _ in rivals)
        alike = sorted((r for score, r in rivals if score == top), key=lambda record: record.order)
        for record in alike:
            if record.prefix is None or not _has_own_trial(record, complete):
                return record
        rivals = [(score, record) for score, record in rivals if score != top]
    return None


def _has_own_trial(prefix: TrialRecord, complete: Iterable[TrialRecord]) -> bool:
    return any(record.prefix is None and record.params == prefix.params for record in complete)


def in_order(
    rows: Iterable[Row], *, own: Callable[[Row], float], final: Callable[[Row], float | None]
) -> list[Row]:
    """Rows by their own scores, the lowest first; those with finals exchange places by these.

    Args:
        rows: Equal ones stay as they stand.
        own: Of the search.
        final: None of a row without.
    """
    ordered = sorted(rows, key=own)
    finals = [(score, row) for row in ordered if (score := final(row)) is not None]
    exchanged = iter([row for _, row in sorted(finals, key=lambda entry: entry[0])])
    return [row if final(row) is None else next(exchanged) for row in ordered]


def told_score(record: TrialRecord) -> float:
    """The score of a complete trial: that of its final, where it has one."""
    return record.score or 0.0 if record.final is None else record.final.score


def finalists(records: Sequence[TrialRecord], *, goal: str, count: int) -> list[TrialRecord]:
    """The ``count`` best settings by the scores of the search, and the baseline."""
    plain = [replace(record, final=None) for record in records]
    chosen: dict[frozenset[tuple[str, Value]], TrialRecord] = {}
    for record in ranking(plain, goal=goal):
        chosen.setdefault(frozenset(record.params.items()), record)
    best = list(chosen.values())[:count]
    baseline = baseline_of(plain)
    return best if baseline is None or baseline in best else [*best, baseline]


def baseline_of(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The complete baseline trial, if the study has one."""
    return next(
        (
            record
            for record in records
            if record.notes.proposed == "baseline" and record.state is TrialState.COMPLETE
        ),
        None,
    )
