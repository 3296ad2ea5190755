"""Python imports this where it stands on its path: kills its own process at the n-th write.

CHAOS_POINTS is a file that gets one byte a write; CHAOS_ROLE says of which process, `driver` or
`worker`; CHAOS_KILL_AT is the write that none follows, 0 to count them alone. A write is what makes
something last: a rename, an fsync, a commit of SQLite.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any


def point() -> None:
    """Count a write; be killed at the one that was asked for, once in all processes."""
    counter = os.open(os.environ["CHAOS_POINTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(counter, b".")
    number = os.fstat(counter).st_size
    os.close(counter)
    if number == int(os.environ["CHAOS_KILL_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with a point before it and one after it."""

    def call(*args: Any, **options: Any) -> Any:
        point()
        result = function(*args, **options)
        point()
        return result

    return call


class Connection(sqlite3.Connection):
    """A connection whose commits are points."""

    def commit(self) -> None:
        """Commit, between two points."""
        point()
        super().commit()
        point()


def connect(*args: Any, **options: Any) -> sqlite3.Connection:
    """Connect to a database whose commits are points."""
    return _connect(*args, **{"factory": Connection, **options})


_connect = sqlite3.connect
ROLE = "worker" if "trainer" in sys.orig_argv else "driver" if "run" in sys.orig_argv else ""
if "CHAOS_POINTS" in os.environ and os.environ["CHAOS_ROLE"] == ROLE:
    os.replace, os.rename = counted(os.replace), counted(os.rename)
    os.fsync = counted(os.fsync)
    sqlite3.connect = sqlite3.dbapi2.connect = connect
