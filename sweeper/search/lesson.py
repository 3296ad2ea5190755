"""What a sampler is shown of a history.

A setting that fails through its own fault is worse than every result, but Optuna ignores what has
failed, and goes where training diverges for ever. So such a trial is shown as what each sampler
takes for worse than all others:

    tpe           pruned without a score: Optuna ranks it below all that have one
    gp, cmaes     complete, as far below the worst score as the best is above it: they learn from
                  complete trials alone, and the value must not dwarf the differences of the others

The row in the storage says FAILED as ever. All depends on what the proposal may see, nothing on
time. As long as nothing has a score there is nothing to be worse than, and it stays failed.
Rejected: a value that is bad for certain, as -1e9 (the gp would see nothing else); Optuna's
constraints (the gp models them by how far they are broken, which nobody knows here).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sweeper.records import TrialRecord, TrialState
from sweeper.search.forms import distribution, frozen_trial
from sweeper.search.search import Search

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_BAD_FOR_A_SCORE = 8
"""Optuna's tpe takes a tenth of what it is shown for good, also where fewer have a score: so it is
shown no more bad trials than these for each that has one, the newest."""


def lesson_of(search: Search, visible: Sequence[TrialRecord]) -> list["FrozenTrial"]:
    """Return the trials that the sampler of a search is shown.

    Args:
        search: What is searched, and how.
        visible: Of the history, with the shorter trainings, in order.
    """
    distributions = {p.name: distribution(p) for p in search.space.searched}
    known = () if search.sampler_name == "cmaes" else search.known  # it needs its own notes

    def form(record: TrialRecord) -> "FrozenTrial":
        return frozen_trial(record, distributions)

    taught = [search.memory.taught.of(record, form) for record in known]
    trials = [search.memory.trials.of(record, form) for record in visible]
    bad = [place for place, record in enumerate(visible) if record.failed_by_setting]
    if bad:
        as_worst, room = _worst(search, [*known, *visible])
        for place in bad[max(0, len(bad) - room) :]:
            trials[place] = form(as_worst(visible[place]))
    return [*taught, *trials]


def _worst(
    search: Search, history: Sequence[TrialRecord]
) -> tuple[Callable[[TrialRecord], TrialRecord], int]:
    """How to show what is worse than all of a history, and how much of it at most."""
    scores = [r.score for r in history if r.state is TrialState.COMPLETE and r.score is not None]
    if search.sampler_name == "tpe":
        scored = len(scores) + sum(record.state is TrialState.PRUNED for record in history)
        return _without_score, _BAD_FOR_A_SCORE * scored
    if not scores:
        return _without_score, 0
    least, most = min(scores), max(scores)
    distance = (most - least) or 1.0  # all alike: any will do
    value = least - distance if search.goal == "maximize" else most + distance
    complete = TrialState.COMPLETE
    return lambda record: replace(record, state=complete, score=value), len(history)


def _without_score(record: TrialRecord) -> TrialRecord:
    return replace(record, state=TrialState.PRUNED, intermediate={})
