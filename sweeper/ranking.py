"""Who is ahead: the order of the trials. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from sweeper.records import TrialRecord, TrialState
from sweeper.space import Value

_FINAL = "final"  # note of a finalist


def ranking(records: Sequence[TrialRecord], *, goal: str) -> list[TrialRecord]:
    """Complete trials, the best first; equal scores in order of their numbers.

    A shorter training that was scored on the way of a trial stands for itself, unless its setting
    has a trial of its own. Finalists come first, by their final scores: of more seeds or questions,
    they are not to be compared with the scores of the search.
    """
    complete = [record for record in records if record.state is TrialState.COMPLETE]
    own = {frozenset(record.params.items()) for record in complete if record.prefix is None}
    listed = [r for r in complete if r.prefix is None or frozenset(r.params.items()) not in own]
    sign = -1.0 if goal == "maximize" else 1.0
    return sorted(
        listed,
        key=lambda r: (_FINAL not in r.notes, sign * told_score(r), r.order),
    )


def told_score(record: TrialRecord) -> float:
    """The score of a complete trial: that of its final, where it has one."""
    score: float = record.notes[_FINAL]["score"] if _FINAL in record.notes else record.score or 0.0
    return score


def finalists(records: Sequence[TrialRecord], *, goal: str, count: int) -> list[TrialRecord]:
    """The ``count`` best settings by the scores of the search, and the baseline."""
    plain = [
        replace(r, notes={key: note for key, note in r.notes.items() if key != _FINAL})
        for r in records
    ]
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
            if record.notes.get("proposed") == "baseline" and record.state is TrialState.COMPLETE
        ),
        None,
    )
