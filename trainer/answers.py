"""Every answer that a reader has ever given in a workspace: one SQLite file for all studies.

A row's key is the reader, the query and its shots in their order, as they are and not hashed: two
prompts never share a row. Its value carries a checksum, so that a flipped bit is asked again and
never scored. What one process writes is seen by all others at once; the answer that came first
stands. A file that is damaged is put aside, and what can still be read of it is kept.

The rollback journal is used, not the write-ahead log: it works on every file system that locks.
Knows no reader, no task and no torch.
"""

import contextlib
import logging
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import filelock
import numpy as np
import numpy.typing as npt

from trainer.errors import AnswersError

LOCKED_SECONDS = 60.0  # how long a writer waits for the others
FORMAT = 1  # of the file; raised when its tables change
_AT_ONCE = 1000  # keys a query
_VALUE = struct.Struct("<Iff")  # checksum of the key and all that follows, score, gt_prob
_TABLES = """
CREATE TABLE readers (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE);
CREATE TABLE answers (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""

Prompts = npt.NDArray[np.int64]  # the query, then its shots in their order. Shape: (B, 1 + S)

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What is kept of one answer."""

    score: float  # in [0, 1]; float32
    gt_prob: float  # in [0, 1]; float32; NaN where the reader does not tell
    text: str | None = None


class AnswerStore:
    """The answers of one workspace. One a process; closed by `close` or at its end.

    Raises:
        AnswersError: here and in every method, where the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers: dict[str, int] = {}
        with self._told():
            self._connection = _opened(path)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def look_up(self, reader: str, prompts: Prompts) -> list[Answer | None]:
        """The answers to ``prompts`` of the reader with this digest; None where none is known."""
        keys = self._keys(reader, prompts)
        found: dict[bytes, bytes] = {}
        with self._told():
            for begin in range(0, len(keys), _AT_ONCE):
                part = keys[begin : begin + _AT_ONCE]
                marks = ",".join("?" * len(part))
                found |= self._connection.execute(
                    f"SELECT key, value FROM answers WHERE key IN ({marks})", part
                )
        return [_unpacked(key, found[key]) if key in found else None for key in keys]

    def add(self, reader: str, prompts: Prompts, answers: Sequence[Answer]) -> None:
        """Keep answers. One that is there stays, unless it is damaged."""
        keys = self._keys(reader, prompts)
        with self._told(), self._connection as transaction:
            transaction.execute("BEGIN IMMEDIATE")
            for key, answer in zip(keys, answers, strict=True):
                value = _packed(key, answer)
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
        if _unpacked(key, old) is None:
            self._connection.execute("UPDATE answers SET value = ? WHERE key = ?", (value, key))

    def _keys(self, reader: str, prompts: Prompts) -> list[bytes]:
        """Four bytes each for reader, query and shots, so that a query's answers lie together."""
        parts = np.empty((len(prompts), prompts.shape[1] + 1), dtype=">u4")
        parts[:, 0] = self._reader(reader)
        parts[:, 1:] = prompts
        keys: list[bytes] = parts.view(f"V{4 * parts.shape[1]}").ravel().tolist()
        return keys

    def _reader(self, digest: str) -> int:
        if digest not in self._readers:
            with self._told():
                known = self._known_reader(digest)
                if known is None:
                    self._connection.execute(
                        "INSERT OR IGNORE INTO readers (digest) VALUES (?)", (digest,)
                    )
                    known = self._known_reader(digest)
            assert known is not None, "it was written a moment ago"
            self._readers[digest] = known
        return self._readers[digest]

    def _known_reader(self, digest: str) -> int | None:
        found = self._connection.execute("SELECT id FROM readers WHERE digest = ?", (digest,))
        row = found.fetchone()
        return None if row is None else int(row[0])

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


def _connected(path: Path) -> sqlite3.Connection:
    """Open and check the file. Raises sqlite3.DatabaseError where it is damaged."""
    connection = sqlite3.connect(path, timeout=LOCKED_SECONDS, isolation_level=None)
    try:
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
    count = 0
    while (aside := path.with_name(f"{path.name}.damaged-{count}")).exists():
        count += 1
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
            and _unpacked(key, value) is not None
        ]
        fresh.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", whole)
    path.rename(aside)
    part.rename(path)
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


def _packed(key: bytes, answer: Answer) -> bytes:
    text = b"" if answer.text is None else b"\0" + answer.text.encode()
    content = _VALUE.pack(0, answer.score, answer.gt_prob)[4:] + text
    return zlib.crc32(key + content).to_bytes(4, "little") + content


def _unpacked(key: bytes, value: bytes) -> Answer | None:
    """Read a value; None where it is not what was written."""
    if len(value) < _VALUE.size:
        return None
    checksum, score, gt_prob = _VALUE.unpack_from(value)
    if zlib.crc32(key + value[4:]) != checksum:
        return None
    text = value[_VALUE.size + 1 :].decode() if len(value) > _VALUE.size else None
    return Answer(score, gt_prob, text)
