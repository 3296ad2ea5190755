"""A path that one trial of this machine uses at a time, and who has used it last.

A trial holds it from the moment that old files are removed until its numbers are read: else it
would read those of the next one.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from sweeper.trainers.command.failing import StoppedError

TICK = 0.2  # seconds between two looks at a path that another trial uses


@contextlib.contextmanager
def held(path: Path, *, by: str, is_asked: Callable[[], bool]) -> Iterator[bool]:
    """Hold a path; says whether nobody else has held it since ``by`` did.

    Args:
        path: Need not exist; beside it stand `NAME.lock` and `NAME.user`.
        by: Who holds it now.
        is_asked: Whether waiting is to end.

    Raises:
        StoppedError: where it was to end before the path was free.
    """
    lock = filelock.FileLock(path.with_name(f"{path.name}.lock"))
    while not lock.is_locked:
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=TICK)
        if is_asked():
            lock.release()
            raise StoppedError
    user = path.with_name(f"{path.name}.user")
    try:
        is_as_left = user.is_file() and user.read_text(encoding="utf-8") == by
        user.write_text(by, encoding="utf-8")
        yield is_as_left
    finally:
        lock.release()
