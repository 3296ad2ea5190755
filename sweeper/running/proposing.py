"""Which trial a study begins next, and why there is none: not yet, or never again."""

import time
from collections.abc import Callable

from sweeper.outcomes import Calls
from sweeper.records import TrialRecord
from sweeper.running.search_limits import SearchLimits
from sweeper.search import Search, awaits_answer, gains_no_more, propose, ready
from sweeper.search.of_study import open_record
from sweeper.store.study_store import StudyStore
from sweeper.study.config import StudyConfig


class Proposing:
    """Asks for the next trial of one study, as long as its limits allow another."""

    def __init__(
        self,
        config: StudyConfig,
        search: Search,
        store: StudyStore,
        *,
        calls: Callable[[], Calls],
        say: Callable[[str], None],
    ) -> None:
        """Begin the time that `limits: {study_time}` counts.

        Args:
            config: The study.
            search: What is searched, and how.
            store: Knows the trials so far.
            calls: Counts those that answers have cost so far.
            say: Is told why the search ends.
        """
        self._config = config
        self._search = search
        self._store = store
        self._calls = calls
        self._say = say
        self._limits = SearchLimits(limits=config.limits, begun=time.monotonic())
        self._ended_early = False  # before the total of trials, and that was said

    def next_trial(self) -> TrialRecord | None:
        """The row of the next trial; None where there is none, or not yet."""
        number = len(self._store.proposals())
        if self._ended_early or number >= self._config.trials:
            return None
        if (reason := self._limits.reached(lambda: self._calls().asked)) is not None:
            self._end_early(reason)
            return None
        history = self._store.records()
        if not ready(self._search, number, history):
            return None
        if gains_no_more(self._search, number, history):
            self._end_early(f"{self._search.no_gain} complete trials brought no better score")
            return None
        proposal = propose(self._search, number, history)
        if proposal is None:
            self._end_early(f"every setting of the space has been tried, in {number} trials")
            return None
        record = open_record(self._config, number, proposal)
        return None if awaits_answer(self._search, record, history) else record

    def _end_early(self, reason: str) -> None:
        self._ended_early = True
        self._say(f"the search ends here: {reason}")
