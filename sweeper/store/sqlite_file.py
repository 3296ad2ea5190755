"""A file of SQLite and the logs that lie beside it: its journal, its damage, putting it aside."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Literal

from sweeper.store.file_systems import is_on_network

_BESIDE = ("-wal", "-shm", "-journal")
_GLANCE_SECONDS = 0.5  # for a look at a database that another program may have locked
BUSY_SECONDS = 20.0  # SQLite's own patience with another program's lock, before we say something

_ADVICE = {  # what SQLite says -> what to do
    "locked": "another program has locked it; close that program and run again",
    "readonly": "it cannot be written; check the permissions of the file and its folder",
    "unable to open": "it cannot be opened; check that its folder exists and can be written",
    "not a database": "it is damaged; `sweeper run`, or `sweeper repair`, rebuilds it",
    "malformed": "it is damaged; `sweeper run`, or `sweeper repair`, rebuilds it",
    "disk is full": "the disk is full; free some space and run again",
    "No space left": "the disk is full; free some space and run again",
    "disk I/O": "the disk failed or is full; check it and run again",
}


def advice_on(said: str) -> str | None:
    """What to do about what SQLite, or the system below it, says; None where that tells enough."""
    return next((advice for words, advice in _ADVICE.items() if words in said), None)


def journal_of(path: Path) -> Literal["DELETE", "WAL"]:
    """The journal that a database is to have: write-ahead, but for a network file system, where
    that mode loses data.
    """
    return "DELETE" if is_on_network(path) else "WAL"


def trouble_with(path: Path) -> str | None:
    """What is wrong with a database, for people: "was gone", "was empty", "was damaged".

    None where nothing is, or where it cannot be told: locked by another program, or unreadable.
    """
    if not path.exists():
        return "was gone"
    if not path.stat().st_size:
        return "was empty"
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_GLANCE_SECONDS)) as connection:
            [[verdict]] = connection.execute("PRAGMA quick_check(1)")
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError:
        return "was damaged"
    return None if verdict == "ok" else "was damaged"


def copied(path: Path, folder: Path) -> Path:
    """Copy a database with its log into another folder; return the copy."""
    for suffix in ("", "-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(path.with_name(path.name + suffix), folder / (path.name + suffix))
    return folder / path.name


def set_aside(path: Path) -> Path | None:
    """Give what is left of a database, and its logs, a name that is free; return it, if any.

    A log without its database goes: SQLite would play it into the next one of that name.
    """
    if not path.exists() or not path.stat().st_size:
        for suffix in ("", *_BESIDE):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return None
    number = 0
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("", *_BESIDE):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside
