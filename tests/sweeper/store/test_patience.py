import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sweeper.store.patience import Patience, PatientConnection


class Clock:
    """Time passes while somebody sleeps; then things happen."""

    def __init__(self) -> None:
        self.now = 0.0
        self.later: dict[float, sqlite3.Connection] = {}  # when a lock is given back

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [moment for moment in self.later if moment <= self.now]:
            self.later.pop(moment).rollback()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("CREATE TABLE rows (n INTEGER)")
    return tmp_path / "a.db"


@pytest.fixture
def locker(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


def patient(file: Path, clock: Clock, said: list[str]) -> PatientConnection:
    connection = sqlite3.connect(file, timeout=0, factory=PatientConnection)
    connection.patience = Patience(
        name="a.db", say=said.append, seconds=60, clock=clock, sleep=clock.sleep
    )
    return connection


@pytest.mark.parametrize("lock", ["BEGIN EXCLUSIVE", "BEGIN IMMEDIATE"])
def test_a_locked_database_is_waited_for_and_that_is_said_once(
    file: Path, locker: sqlite3.Connection, lock: str
) -> None:
    clock, said = Clock(), list[str]()
    locker.execute(lock)
    clock.later[30.0] = locker
    with closing(patient(file, clock, said)) as connection:
        connection.cursor().execute("INSERT INTO rows VALUES (1)")
        connection.commit()
        assert connection.execute("SELECT n FROM rows").fetchall() == [(1,)]
    assert 30.0 <= clock.now < 31.0
    assert said == ["a.db is locked by another program; waiting up to 60 s for it"]


def test_a_reader_holds_up_the_commit_alone(file: Path, locker: sqlite3.Connection) -> None:
    clock, said = Clock(), list[str]()
    locker.execute("BEGIN")
    locker.execute("SELECT * FROM rows").fetchall()
    clock.later[5.0] = locker
    with closing(patient(file, clock, said)) as connection:
        connection.execute("INSERT INTO rows VALUES (1)")
        assert said == []
        connection.commit()
    assert len(said) == 1


def test_patience_ends(file: Path, locker: sqlite3.Connection) -> None:
    clock, said = Clock(), list[str]()
    locker.execute("BEGIN EXCLUSIVE")
    with (
        closing(patient(file, clock, said)) as connection,
        pytest.raises(sqlite3.OperationalError, match="is locked"),
    ):
        connection.execute("INSERT INTO rows VALUES (1)")
    assert 60.0 <= clock.now < 61.0


def test_other_errors_are_not_waited_for(file: Path) -> None:
    clock, said = Clock(), list[str]()
    with (
        closing(patient(file, clock, said)) as connection,
        pytest.raises(sqlite3.OperationalError, match="no such table"),
    ):
        connection.execute("INSERT INTO other VALUES (1)")
    assert (clock.now, said) == (0.0, [])
