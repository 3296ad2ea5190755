"""Where MLflow's data is kept: opens it, and says in one sentence when that is not possible.

By default a SQLite file. It is built aside and renamed into place under a lock, so that neither two
drivers nor a kill leave half a schema, and put into write-ahead mode (create_run 24 -> 3 ms) unless
it lies on a network file system, where that mode loses data. Any other URI is MLflow's own affair.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import filelock

from sweeper.errors import TrackingAway, TrackingError, TrackingHostUnknown
from sweeper.store.patience import LOCKED, Patience
from sweeper.store.sqlite_file import BUSY_SECONDS, journal_of, set_aside, trouble_with
from sweeper.store.tracking.places import (
    ARTIFACTS,
    DATABASE,
    database_file,
    database_uri,
    follow_folder,
)
from sweeper.store.tracking.reaching import require_reachable
from sweeper.study.config import StudyConfig

if TYPE_CHECKING:
    from sweeper.store.tracking.enduring import Tracking
    from sweeper.store.tracking.runs import StudyRuns

_LOCK_SECONDS = 300.0  # the schema takes 1-6 s on a disk, minutes on a slow network file system
_ADVICE = (
    "Start the server, correct the address, or leave `mlflow: tracking_uri` out of the study file "
    "to use mlflow.db in the workspace."
)
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server that died is told of after 5 s, a silent one after 35 s; by default 4 and 20 minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds for one answer
}


def open_mlflow(
    config: StudyConfig,
    root: Path,
    *,
    say: Callable[[str], None],
    endures: bool = False,
    was_there: bool = False,
) -> "Tracking":
    """Open the MLflow of a study: what its file names, else the database of the workspace ``root``.

    Arguments and errors as those of ``open_tracking``.
    """
    return open_tracking(
        config.tracking_uri or root / DATABASE,
        experiment=config.experiment,
        artifacts=root / ARTIFACTS,
        say=say,
        endures=endures,
        was_there=was_there,
    )


def open_tracking(
    where: Path | str,
    *,
    experiment: str,
    artifacts: Path,
    say: Callable[[str], None],
    now: Callable[[], float] = time.time,
    endures: bool = False,
    was_there: bool = False,
) -> "Tracking":
    """Open MLflow for one experiment; makes the database and the experiment where they are missing.

    Args:
        where: A SQLite file, or a URI: `sqlite:///...`, `postgresql://...`, `http://...`.
        experiment: Its name.
        artifacts: Folder for the artifacts of a new experiment; a server keeps them itself.
        say: Is told of what people should know.
        now: Seconds since 1970.
        endures: Go on without it while nobody answers, and say so.
        was_there: The study has been there before: that a host is unknown is the network's fault.

    Raises:
        TrackingError: if it cannot be reached, read or written, or the experiment is deleted.
    """
    _set_environment()
    from sweeper.store.tracking import enduring, opening  # MLflow takes 1-2 seconds to import

    file = where if isinstance(where, Path) else database_file(where)
    if file is not None:
        runs = _open_file(file, experiment, artifacts=artifacts, say=say, now=now)
        tracking = enduring.Tracking(lambda: runs, say=say)
        tracking.open()
        return tracking
    uri = str(where)
    on_server = urlsplit(uri).scheme in ("http", "https")

    def connect() -> "StudyRuns":
        require_reachable(uri)
        return opening.connect(
            uri,
            experiment,
            artifacts=None if on_server else artifacts.absolute(),
            file=None,
            folder=None,
            patience=None,
            now=now,
        )

    tracking = enduring.Tracking(connect, say=say)
    try:
        tracking.open()
    except TrackingAway as error:
        is_known = was_there or not isinstance(error, TrackingHostUnknown)
        if not (endures and is_known):
            raise TrackingError(f"{error}. {_ADVICE}") from error
        tracking.endure(error)
    return tracking


def _open_file(
    file: Path,
    experiment: str,
    *,
    artifacts: Path,
    say: Callable[[str], None],
    now: Callable[[], float],
) -> "StudyRuns":
    """Open a SQLite file, made where it is missing."""
    from sweeper.store.tracking import opening

    file, artifacts = file.absolute(), artifacts.absolute()
    is_own = file.parent == artifacts.parent  # pages of another are served from anywhere
    patience = Patience(name=str(file), say=say)
    with _prepared(file, create=opening.create_database, patience=patience, is_own=is_own):
        runs = opening.connect(
            database_uri(file),
            experiment,
            artifacts=artifacts,
            file=file,
            folder=file.parent if is_own else None,
            patience=patience,
            now=now,
        )
        if is_own:
            patience.call(lambda: follow_folder(file, experiment=runs.experiment_id))
        return runs


def _set_environment() -> None:
    """Quiet, and no patience with a dead server; a user's own settings are kept."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def _prepared(
    file: Path, *, create: Callable[[Path], None], patience: Patience, is_own: bool
) -> Iterator[None]:
    """Hold the lock of a database that exists, is ours to write and uses the right journal.

    One of a workspace that is damaged is put aside, and another made; that is said.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.with_name(f".{file.name}.lock")
        lock.touch()  # filelock takes some refusals for a lock that is held
        with filelock.FileLock(lock, timeout=_LOCK_SECONDS):
            _remove_parts(file)
            trouble = trouble_with(file)
            if trouble is not None and (is_own or trouble != "was damaged"):
                part = file.with_name(f".{file.name}.{os.getpid()}.part")
                part.touch()  # MLflow would try for minutes where this fails
                create(part)
                aside = set_aside(file)
                part.replace(file)
                if aside is not None:
                    patience.say(f"{file} {trouble} (now {aside.name}); a new one was made")
            patience.call(lambda: _set_journal(file))
            yield
    except filelock.Timeout as error:
        raise TrackingError(
            f"{file}: another process has been opening it for {_LOCK_SECONDS:.0f} s; stop that one."
        ) from error
    except (OSError, sqlite3.Error) as error:
        if LOCKED in str(error):
            raise TrackingError(patience.advice) from error
        raise TrackingError(
            f"{file}: MLflow's database cannot be written ({error}). Make the folder writable, "
            "move a file that is not MLflow's out of the way, or choose another --workspace."
        ) from error


def _remove_parts(file: Path) -> None:
    """Remove what drivers left that were killed while they built the database, under its lock."""
    for part in file.parent.iterdir():
        if part.name.startswith(f".{file.name}.") and ".part" in part.name:
            part.unlink(missing_ok=True)


def _set_journal(file: Path) -> None:
    """Prove that ``file`` can be written, then choose its journal: write-ahead where that is safe.

    A file keeps its journal when it is copied onto another file system.
    """
    with contextlib.closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()
        connection.execute(f"PRAGMA journal_mode={journal_of(file)}")
