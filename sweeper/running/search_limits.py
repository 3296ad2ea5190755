"""Where a search ends before its total of trials."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sweeper.records import CALLS
from sweeper.study.sections import Limits
from sweeper.words import duration_text


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLimits:
    """The limits of one run's search."""

    limits: Limits
    begun: float  # on the clock
    clock: Callable[[], float] = time.monotonic

    def reached(self, asked: Callable[[], int]) -> str | None:
        """Why the search ends; None where it goes on. ``asked`` counts the calls so far."""
        most, longest = self.limits.calls, self.limits.study_time
        if most is not None and (calls := asked()) >= most:
            return f"{calls:,} {CALLS} were asked, the study's limit is {most:,}"
        if longest is not None and self.clock() - self.begun >= longest:
            return f"it has taken {duration_text(longest)}, the study's limit for one run"
        return None
