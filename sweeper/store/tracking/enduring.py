"""A study goes on while its MLflow server is away; what the server missed is written later.

Nothing is queued: the study's rows and the trial folders hold it all, also after a kill. Until the
server is back and has all of it, it gets nothing: what comes late must not look whole before.
"""

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sweeper.errors import TrackingAway

if TYPE_CHECKING:
    from sweeper.store.tracking.runs import Tracking

PAUSE_SECONDS = 30.0  # between two looks at a server that was away; each may take as long
_WRITES = (
    *("trial_run", "ended_trial", "log_epochs", "finish_trial", "add_metrics"),
    *("log_datasets", "close_stale", "save_view", "finish_study"),
)


class EnduringTracking:
    """A `Tracking` whose writes are left out while the server is away; a run's id is "" then."""

    def __init__(
        self,
        tracking: "Tracking",
        *,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tracking = tracking
        self._say = say
        self._clock = clock
        self._mend: Callable[[], str | None] = lambda: None
        self._has_missed = False
        self._is_mending = False
        self._look_at = 0.0  # on the clock

    def mend_with(self, mend: Callable[[], str | None]) -> None:
        """Take what completes the study's runs; raises TrackingAway while that is not possible."""
        self._mend = mend

    def __getattr__(self, name: str) -> Any:
        """The method of the tracking; one that writes endures."""
        method = getattr(self._tracking, name)
        if name not in _WRITES:
            return method
        return functools.partial(self._write, method, is_last=name == "finish_study")

    def _write(
        self, method: Callable[..., Any], *arguments: Any, is_last: bool, **options: Any
    ) -> Any:
        if self._is_mending:
            return method(*arguments, **options)
        self._catch_up(at_once=is_last)
        if self._has_missed or arguments[:1] == ("",):  # "": a run that was never opened
            self._has_missed = True
            return ""
        try:
            return method(*arguments, **options)
        except TrackingAway as error:
            self._has_missed = True
            self._look_at = self._clock() + PAUSE_SECONDS
            self._say(
                f"{error}. The study goes on, and what MLflow misses is written when it is back, "
                "or by the next `sweeper run` or `sweeper repair`"
            )
            return ""

    def _catch_up(self, *, at_once: bool) -> None:
        """Write what was missed, if the server is back."""
        if not self._has_missed or (self._clock() < self._look_at and not at_once):
            return
        self._is_mending = True
        try:
            told = self._mend()
        except TrackingAway:
            self._look_at = self._clock() + PAUSE_SECONDS
        else:
            self._has_missed = False
            if told is not None:
                self._say(told)
        finally:
            self._is_mending = False
