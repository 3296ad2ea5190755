"""Whether a search still gets anywhere."""

from collections.abc import Iterable

from sweeper.records import TrialRecord, TrialState
from sweeper.search.search import Search, proposals_before


def gains_no_more(search: Search, number: int, history: Iterable[TrialRecord]) -> bool:
    """Whether the search ends before trial ``number``, for want of progress.

    So it is where the last `no_gain` complete trials among those that it may know, by their
    numbers, have none that beats the best before them; a score that is as good does not. So the end
    is a function of the same history as the proposal.
    """
    if search.no_gain is None:
        return False
    sign = 1.0 if search.goal == "maximize" else -1.0
    last = number - max(search.lag, 1)
    known = [r for r in proposals_before(history, last + 1) if r.state is TrialState.COMPLETE]
    known.sort(key=lambda record: record.number)
    scores = [sign * (record.score or 0.0) for record in known]
    before, since = scores[: -search.no_gain], scores[-search.no_gain :]
    return bool(before) and max(since) <= max(before)
