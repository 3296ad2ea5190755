"""Ctrl-C once asks the driver to wind up; twice stops it now. SIGTERM and SIGHUP count alike."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Within it the first signal is a request, the second raises KeyboardInterrupt.

    Args:
        announce: Called once, by whoever first asks for ``requested`` after a signal: a signal
            handler itself must not print.
    """

    def __init__(self, announce: Callable[[], None]) -> None:
        self._signals = 0
        self._announce: Callable[[], None] | None = announce
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether the driver should wind up."""
        if self._signals and self._announce is not None:
            announce, self._announce = self._announce, None
            announce()
        return self._signals > 0

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():  # signals are its privilege
            self._previous = {number: signal.signal(number, self._take) for number in SIGNALS}
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
        if self._signals > 1:
            raise KeyboardInterrupt
