"""Counts the writes of a process, and kills it at the n-th.

CHAOS_POINTS is a file that gets one byte a write, behind a dash and the role of the process,
`driver` or `worker`. CHAOS_KILL_AT is the write that none follows, of a process of the role
CHAOS_ROLE. A write is what makes something last: a rename, an fsync, a commit of SQLite.
"""

import os
import signal
import sqlite3
from collections.abc import Callable
from typing import Any

_connect = sqlite3.connect
_role = ""


def point() -> None:
    """Count a write; be killed at the one that was asked for, once in all processes."""
    place = f"{os.environ['CHAOS_POINTS']}-{_role}"
    counter = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(counter, b".")
    number = os.fstat(counter).st_size
    os.close(counter)
    is_asked = os.environ.get("CHAOS_ROLE") == _role
    if is_asked and number == int(os.environ["CHAOS_KILL_AT"]):
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


def watch(role: str) -> None:
    """Count from now on what this process writes, if CHAOS_POINTS asks for it."""
    global _role
    if "CHAOS_POINTS" not in os.environ:
        return
    _role = role
    os.replace, os.rename = counted(os.replace), counted(os.rename)
    os.fsync = counted(os.fsync)
    sqlite3.connect = sqlite3.dbapi2.connect = connect
