"""`study.db` from the ledger, where it is missing, damaged, or has lost trials.

What was there is put aside, never removed. Under the study's lock.
"""

import contextlib
import shutil
import sqlite3
from pathlib import Path

from sweeper.store.ledger import LEDGER, Kept, Ledger
from sweeper.store.sqlite_file import set_aside, trouble_with
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.study.config import StudyConfig, stored_study

_NEW = ".rebuilt"  # folder in which the database is made before it takes its place


def rebuild_study(folder: StudyFolder) -> str | None:
    """Rebuild the database of a study where that is needed.

    Returns:
        What was done, for people; None where nothing was.

    Raises:
        SweeperError: where a later version wrote the ledger, or nothing can be written.
    """
    ledger = Ledger(folder.root / LEDGER)
    trouble = _trouble(folder.database, ledger.proposals())
    if trouble is None:
        return None
    kept = ledger.read()
    if "study" not in kept.attributes:
        found = sum(1 for path in (folder.root / "trials").glob("*") if path.is_dir())
        if not found:
            return None
        aside = _put_aside(folder.database)
        return (
            f"{folder.database} {trouble}{aside}, and no {LEDGER} says what its trials were: they "
            f"are proposed again, and what {found} trial folders hold is taken over"
        )
    shutil.rmtree(folder.root / _NEW, ignore_errors=True)
    new = folder.root / _NEW / folder.database.name
    rows = _write(new, folder.name, kept, stored_study(kept.attributes["study"]))
    aside = _put_aside(folder.database)
    new.replace(folder.database)
    new.with_name(LEDGER).replace(folder.root / LEDGER)
    shutil.rmtree(new.parent)
    return f"{folder.database} {trouble}{aside}; it was rebuilt with {rows} trials from {LEDGER}"


def _write(path: Path, name: str, kept: Kept, config: StudyConfig) -> int:
    """Write the database of all rows up to the first that is missing; return how many trials."""
    with StudyStore.open(path, name=name, goal=config.goal, space=config.space) as store:
        trials = kept.proposals
        for row in kept.rows:
            if row.number < trials:
                store.add(row)
        for key, value in kept.attributes.items():
            store.set_attribute(key, value)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return trials


def _trouble(database: Path, trials: int) -> str | None:
    """What is wrong with a database of so many trials; None where nothing is, or nobody knows
    better.
    """
    trouble = trouble_with(database)
    if trouble is not None:
        return trouble
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=0.5)) as connection:
            [[rows]] = connection.execute("SELECT count(*) FROM trials")
    except sqlite3.OperationalError as error:
        return "had lost its tables" if "no such table" in str(error) else None  # None: locked
    return "had lost trials" if rows < trials else None


def _put_aside(database: Path) -> str:
    """Give what is left of a database another name; say which, for people."""
    aside = set_aside(database)
    return "" if aside is None else f" (now {aside.name})"
