"""The answers in one SQLite file: for all studies and processes of one host.

What one process writes is seen by all others at once. A file that is damaged is put aside, and what
can still be read of it is kept. The rollback journal is used, not the write-ahead log: it works on
every file system that locks.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import filelock

from trainer.answers.rows import read_value, row_keys, row_value
from trainer.answers.store import Answer, Prompts
from trainer.contract import set_aside, sync_folder
from trainer.errors import AnswersError

CACHE_KIB = 65_536  # of pages, as many as a million answers fill; by default few of them stay
LOCKED_SECONDS = 60.0  # how long a writer waits for the others
FORMAT = 1  # of the file; raised when its tables change
_AT_ONCE = 1000  # keys a query
_TABLES = """
CREATE TABLE readers (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE);
CREATE TABLE answers (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""

log = logging.getLogger(__name__)


class AnswerFile:
    """An `AnswerStore` in the file ``path``.

    Args:
        path: Of the file; made where there is none, mended where it is damaged.
        frozen: Whether nobody changes it while it is open: then it is read without a lock, and not
            mended.
    """

    def __init__(self, path: Path, *, frozen: bool = False) -> None:
        self._path = path
        self._readers: dict[str, int] = {}
        with self._told():
            self._connection = _frozen(path) if frozen else _opened(path)

    def close(self) -> None:
        """Give the connection back; see `AnswerStore`."""
        self._connection.close()

    def look_up(self, reader: str, prompts: Prompts) -> list[Answer | None]:
        """The answers that are known; see `AnswerStore`."""
        found: list[Answer | None] = []
        with self._told():
            number = self._number(reader)
            if number is None:
                return [None] * len(prompts)
            keys = row_keys(number, prompts)
            for begin in range(0, len(keys), _AT_ONCE):
                part = keys[begin : begin + _AT_ONCE]
                marks = ",".join(["(?)"] * len(part))
                rows = self._connection.execute(
                    f"WITH asked (key) AS (VALUES {marks}) "
                    "SELECT value FROM asked LEFT JOIN answers USING (key)",
                    part,
                )  # in the order asked; were it ever another, no checksum would fit its key
                found += [
                    None if value is None else read_value(key, value)
                    for key, (value,) in zip(part, rows, strict=True)
                ]
        return found

    def add(self, reader: str, prompts: Prompts, answers: Sequence[Answer]) -> None:
        """Keep answers; see `AnswerStore`."""
        with self._told(), self._connection as transaction:
            transaction.execute("BEGIN IMMEDIATE")
            if self._number(reader) is None:
                transaction.execute("INSERT INTO readers (digest) VALUES (?)", (reader,))
            number = self._number(reader)
            assert number is not None, "it was written a moment ago"
            keys = row_keys(number, prompts)
            for key, answer in zip(keys, answers, strict=True):
                value = row_value(key, answer)
                added = transaction.execute(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, value)
                )
                if added.rowcount == 0:
                    self._mend(key, value)

    def __len__(self) -> int:
        """How many answers there are."""
        with self._told():
            [(count,)] = self._connection.execute("SELECT count(*) FROM answers")
        return int(count)

    def _mend(self, key: bytes, value: bytes) -> None:
        [(old,)] = self._connection.execute("SELECT value FROM answers WHERE key = ?", (key,))
        if read_value(key, old) is None:
            self._connection.execute("UPDATE answers SET value = ? WHERE key = ?", (value, key))

    def _number(self, reader: str) -> int | None:
        """The number that stands for a reader in this file."""
        if reader not in self._readers:
            found = self._connection.execute("SELECT id FROM readers WHERE digest = ?", (reader,))
            row = found.fetchone()
            if row is None:
                return None
            self._readers[reader] = int(row[0])
        return self._readers[reader]

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's refusals into one message that says what to do."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            advice = next((a for words, a in _ADVICE.items() if words in str(error)), "check it")
            raise AnswersError(f"{self._path}: the answer store: {error}; {advice}") from error


_ADVICE: Mapping[str, str] = {
    "locked": f"another program has kept it for {LOCKED_SECONDS:.0f} s; close that and run again",
    "readonly": "make the file and its folder writable",
    "unable to open": "make sure that its folder exists and can be written",
    "full": "free some space on the disk",
    "format": "it was written by another version of this program; move it away",
    "malformed": "run again: what can be read of it is then kept, the rest asked anew",
    "not a database": "run again: it is then put aside",
}


def _opened(path: Path) -> sqlite3.Connection:
    """Open the store, make it where there is none, mend it where it is damaged."""
    try:
        return _connected(path)
    except sqlite3.DatabaseError as damage:
        if isinstance(damage, sqlite3.OperationalError):  # locked, read-only, full: no damage
            raise
        with filelock.FileLock(f"{path}.repair"):  # one process mends, the others find it whole
            with contextlib.suppress(sqlite3.DatabaseError):
                return _connected(path)
            _mend_file(path, damage)
        return _connected(path)


def _frozen(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return _checked(sqlite3.connect(uri, uri=True, isolation_level=None))


def _connected(path: Path) -> sqlite3.Connection:
    return _checked(sqlite3.connect(path, timeout=LOCKED_SECONDS, isolation_level=None))


def _checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Make the tables or check them. Raises sqlite3.DatabaseError where the file is damaged."""
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        [(version,)] = connection.execute("PRAGMA user_version")
        if version == 0:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                [(version,)] = connection.execute("PRAGMA user_version")  # another was quicker
                for statement in _TABLES.split(";") if version == 0 else ():
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
        elif version != FORMAT:
            raise sqlite3.OperationalError(f"format {version}, but this program knows {FORMAT}")
        [(said,)] = connection.execute("PRAGMA quick_check(1)")
        if said != "ok":
            raise sqlite3.DatabaseError(f"malformed: {said}")
    except BaseException:
        connection.close()
        raise
    return connection


def _mend_file(path: Path, damage: sqlite3.DatabaseError) -> None:
    """Put the damaged file aside and write what can be read of it into a new one."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with contextlib.closing(_connected(part)) as fresh, fresh:
        fresh.execute("BEGIN")
        readers = list(_readable(path, "SELECT id, digest FROM readers"))
        fresh.executemany("INSERT OR IGNORE INTO readers VALUES (?, ?)", readers)
        known = {number for number, _ in readers}
        rows = _readable(path, "SELECT key, value FROM answers")
        whole = [
            (key, value)
            for key, value in rows
            if isinstance(key, bytes)
            and int.from_bytes(key[:4], "big") in known
            and isinstance(value, bytes)
            and read_value(key, value) is not None
        ]
        fresh.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", whole)
    aside = set_aside(path)
    part.rename(path)
    sync_folder(path.parent)
    log.warning(
        "%s was damaged (%s): kept as %s; %d answers of it can be read, the others are asked anew",
        path,
        damage,
        aside.name,
        len(whole),
    )


def _readable(path: Path, query: str) -> Iterator[tuple[object, ...]]:
    """The rows up to the damage."""
    with (
        contextlib.suppress(sqlite3.DatabaseError),
        contextlib.closing(sqlite3.connect(path)) as damaged,
    ):
        damaged.execute("PRAGMA writable_schema = ON")  # else nothing is read of a truncated file
        yield from damaged.execute(query)
