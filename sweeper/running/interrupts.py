"""Ctrl-C once asks the driver to wind up, twice stops it now. SIGTERM and SIGHUP count alike.

A signal that the driver was told to ignore when it was started stays ignored: under `nohup` a study
outlives its terminal.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_SECONDS = 10.0  # from the second signal to one that ends the process at once


def ignore_further_signals() -> None:
    """For a process that was interrupted and has only its last lines to print."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Interrupts:
    """Within it the first signal is a request to wind up, the second one to stop now.

    A signal never cuts into what the driver is just writing: a transaction that is left half-way
    locks its database against the next one. The driver asks, many times a second. Further signals
    come from a finger that stays on the key, and change nothing; where the driver hangs, one of
    them ends the process as SIGKILL would, which loses nothing.

    Args:
        announce: Called once, by whoever first asks for ``requested`` after a signal: a signal
            handler itself must not print.
        asked: Whether someone asks for the same in another way.
        clock: Seconds.
    """

    def __init__(
        self,
        announce: Callable[[], None],
        *,
        asked: Callable[[], bool] = bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._signals = 0
        self._announce: Callable[[], None] | None = announce
        self._asked = asked
        self._clock = clock
        self._stopping_since = 0.0
        self._has_raised = False
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether the driver should wind up.

        Raises:
            KeyboardInterrupt: once, after the second signal.
        """
        if not self._signals and self._asked():
            self._signals = 1
        if self._signals and self._announce is not None:
            announce, self._announce = self._announce, None
            announce()
        if self._signals > 1 and not self._has_raised:
            self._has_raised = True
            raise KeyboardInterrupt
        return self._signals > 0

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():  # signals are its privilege
            self._previous = {
                number: signal.signal(number, self._take)
                for number in SIGNALS
                if signal.getsignal(number) is not signal.SIG_IGN
            }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals == 2:
            self._stopping_since = self._clock()
        elif self._signals > 2 and self._clock() > self._stopping_since + PATIENCE_SECONDS:
            os._exit(130)
