"""How long a database is waited for that another program has locked, and how that is said."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

PATIENCE_SECONDS = 120.0  # then the study halts: nothing is lost, and someone has to look
LOCKED = "is locked"  # of SQLite's messages: the database, or a table of it
Answer = TypeVar("Answer")


@dataclass(slots=True, kw_only=True)
class Patience:
    """Tries again while a database is locked.

    SQLite itself waits in each try; a try that does not wait is followed by a pause. Once it has
    ended, who cleans up waits no longer.
    """

    name: str  # of the database, for people
    say: Callable[[str], None]
    seconds: float = PATIENCE_SECONDS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    has_ended: bool = False

    @property
    def advice(self) -> str:
        """What to do once it has ended, for people."""
        return (
            f"{self.name} has been locked by another program for {self.seconds:.0f} s; close that "
            "program and run again: nothing is lost"
        )

    def call(self, work: Callable[[], Answer]) -> Answer:
        """What ``work`` gives; its error where that is another one, or patience has ended."""
        begun = self.clock()
        is_said = False
        while True:
            try:
                answer = work()
            except Exception as error:
                if LOCKED not in str(error):
                    raise
                if self.has_ended or self.clock() - begun >= self.seconds:
                    self.has_ended = True
                    raise
                if not is_said:
                    self.say(
                        f"{self.name} is locked by another program; waiting up to "
                        f"{self.seconds:.0f} s for it"
                    )
                    is_said = True
                self.sleep(0.2)
            else:
                self.has_ended = False
                return answer


class PatientConnection(sqlite3.Connection):
    """A connection to SQLite whose statements are tried again while another program locks it."""

    patience: Patience | None = None

    def cursor(self, factory: Any = None) -> Any:
        """Open a cursor that is as patient."""
        return super().cursor(PatientCursor if factory is None else factory)

    def commit(self) -> None:
        """Commit, as soon as nobody reads what is replaced."""
        _patiently(self, super().commit)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """Execute one statement."""
        return _patiently(self, lambda: super(PatientConnection, self).execute(*arguments))


class PatientCursor(sqlite3.Cursor):
    """See `PatientConnection`."""

    def execute(self, *arguments: Any) -> "PatientCursor":
        """Execute one statement."""
        assert isinstance(self.connection, PatientConnection)
        _patiently(self.connection, lambda: super(PatientCursor, self).execute(*arguments))
        return self


def _patiently(connection: PatientConnection, work: Callable[[], Answer]) -> Answer:
    return work() if connection.patience is None else connection.patience.call(work)
