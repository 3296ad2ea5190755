"""The answers on a PostgreSQL server: for several hosts, also without a folder that they share.

The tables are those of a file, and a row is written alike. A connection that broke is opened anew,
once. A password is never printed, and best not in the URL: libpq finds it in PGPASSWORD or in
`~/.pgpass`. psycopg is imported only here, and only where a URL is given.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from trainer.answers.rows import read_value, row_keys, row_value
from trainer.answers.store import Answer, Prompts
from trainer.errors import AnswersError

CONNECT_SECONDS = 10
SILENT_MS = 60_000  # after which a server that acknowledges nothing is given up
_SETUP_LOCK = 0x5_3EE9E8  # of the server: two processes that make the tables at once
_TABLES = """
CREATE TABLE IF NOT EXISTS sweeper_readers_1 (id SERIAL PRIMARY KEY, digest TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS sweeper_answers_1 (key BYTEA PRIMARY KEY, value BYTEA NOT NULL);
"""  # 1 is the format

Found = TypeVar("Found")


class AnswerServer:
    """An `AnswerStore` in the database that ``url`` names, `postgresql://user@host:port/database`.

    Tables are made where there are none.
    """

    def __init__(self, url: str) -> None:
        self._psycopg = _psycopg()
        self._url, self._place = url, self._readable(url)
        self._readers: dict[str, int] = {}
        self._connection: Any = None
        self._run(self._make_tables)

    def close(self) -> None:
        """Give the connection back; see `AnswerStore`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def look_up(self, reader: str, prompts: Prompts) -> list[Answer | None]:
        """The answers that are known; see `AnswerStore`."""

        def asked(connection: Any) -> list[Answer | None]:
            number = self._number(connection, reader)
            if number is None:
                return [None] * len(prompts)
            keys = row_keys(number, prompts)
            found = _values(connection, keys)
            return [read_value(key, found[key]) if key in found else None for key in keys]

        return self._run(asked)

    def add(self, reader: str, prompts: Prompts, answers: Sequence[Answer]) -> None:
        """Keep answers; see `AnswerStore`."""

        def added(connection: Any) -> None:
            number = self._number(connection, reader, make=True)
            assert number is not None, "it was written a moment ago"
            rows: dict[bytes, bytes] = {}
            for key, answer in zip(row_keys(number, prompts), answers, strict=True):
                rows.setdefault(key, row_value(key, answer))
            keys = sorted(rows)  # in one order: no two writers wait for each other
            with connection.transaction():
                connection.execute(
                    "INSERT INTO sweeper_answers_1 SELECT * FROM unnest(%s::bytea[], %s::bytea[])"
                    " ON CONFLICT DO NOTHING",
                    (keys, [rows[key] for key in keys]),
                )
                for key, value in sorted(_values(connection, keys).items()):
                    if read_value(key, value) is None:
                        connection.execute(
                            "UPDATE sweeper_answers_1 SET value = %s WHERE key = %s",
                            (rows[key], key),
                        )

        self._run(added)

    def __len__(self) -> int:
        """How many answers there are."""
        count = "SELECT count(*) FROM sweeper_answers_1"
        return int(self._run(lambda connection: connection.execute(count).fetchone()[0]))

    def _number(self, connection: Any, reader: str, *, make: bool = False) -> int | None:
        """The number that stands for a reader on this server."""
        if reader not in self._readers:
            if make:
                connection.execute(
                    "INSERT INTO sweeper_readers_1 (digest) VALUES (%s) ON CONFLICT DO NOTHING",
                    (reader,),
                )
            find = "SELECT id FROM sweeper_readers_1 WHERE digest = %s"
            row = connection.execute(find, (reader,)).fetchone()
            if row is None:
                return None
            self._readers[reader] = int(row[0])
        return self._readers[reader]

    def _make_tables(self, connection: Any) -> None:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SETUP_LOCK,))
            connection.execute(_TABLES)

    def _run(self, work: Callable[[Any], Found]) -> Found:
        """Do ``work``, which may be done twice, on a connection that stands.

        Raises:
            AnswersError: where the server refuses, or does not answer twice in a row.
        """
        was_open = self._connection is not None
        try:
            if self._connection is None:
                self._connection = self._psycopg.connect(
                    self._url,
                    autocommit=True,
                    connect_timeout=CONNECT_SECONDS,
                    tcp_user_timeout=SILENT_MS,
                    application_name="sweeper",
                )
            return work(self._connection)
        except self._psycopg.OperationalError as error:
            self.close()
            if was_open:
                return self._run(work)
            raise self._told(
                error,
                "see that it runs and takes this user; a password is taken from PGPASSWORD or "
                "~/.pgpass",
            ) from None
        except self._psycopg.Error as error:
            raise self._told(error, "see that this user may make tables and write") from None

    def _told(self, error: Exception, advice: str) -> AnswersError:
        said = " ".join(str(error).split())
        return AnswersError(f"{self._place}: the answer store: {said}; {advice}")

    def _readable(self, url: str) -> str:
        """Host, database and user of a URL: what may be printed."""
        parts: dict[str, Any] = {}
        with contextlib.suppress(self._psycopg.Error):  # which quotes what may be a password
            parts = self._psycopg.conninfo.conninfo_to_dict(url)
        if not parts or not str(parts.get("port", "5432")).replace(",", "").isdecimal():
            raise AnswersError(
                "the URL of the answer store cannot be read; write "
                "postgresql://user@host:5432/database, with %40 for an @ and %2F for a / in a part"
            )
        user = f"{parts['user']}@" if "user" in parts else ""
        port = f":{parts['port']}" if "port" in parts else ""
        return f"postgresql://{user}{parts.get('host', '')}{port}/{parts.get('dbname', '')}"


def _values(connection: Any, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    find = "SELECT key, value FROM sweeper_answers_1 WHERE key = ANY(%s)"
    return dict(connection.execute(find, (list(keys),)).fetchall())


def _psycopg() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise AnswersError(
            "answers on a PostgreSQL server need psycopg, which cannot be imported here "
            f"({error}); install it: pip install 'sweeper[postgres]'"
        ) from error
    return psycopg
