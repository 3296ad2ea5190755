"""Waiting for another process."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Look until it is so; it fails after a time that only a broken promise reaches."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
