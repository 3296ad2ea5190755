"""One study in an Optuna storage: opened, read as rows, written a call at a time.

The only file that knows Optuna's storages; knows nothing of records. Every error of a database
becomes one that says what to do.
"""

import contextlib
import os
import sqlite3
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sweeper.errors import StudyChangedError, SweeperError, UsageError
from sweeper.outcomes import FormatError
from sweeper.search import Goal
from sweeper.store.patience import Patience, PatientConnection
from sweeper.store.sqlite_file import advice_on, copied, journal_of
from sweeper.store.study_rows import Json, StoredStudy, StudyRow, read_rows

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

_BUSY_SECONDS = 5.0  # SQLite waits so long by itself, before anything is said


def to_stderr(line: str) -> None:
    """Say something where nobody else is there to be told."""
    print(line, file=sys.stderr)


class StudyStorage:
    """One study, by Optuna's ids. Every method raises SweeperError where the database fails."""

    def __init__(
        self, storage: "RDBStorage", study_id: int, *, name: str, path: Path | None, label: str
    ) -> None:
        self._storage = storage
        self._study_id = study_id
        self._name = name
        self._path = path  # of an SQLite file; None of any other database
        self._label = label  # where the study is, for messages; without password

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        name: str,
        goal: Goal | None = None,
        say: Callable[[str], None] = to_stderr,
    ) -> "StudyStorage":
        """Open the study ``name``, and create it if ``goal`` is given and it does not exist.

        Args:
            location: Path of an SQLite file, or any database URL that Optuna takes.
            name: The study's name in the storage.
            goal: None to read what is there, without creating anything.
            say: Is told where another program has locked the file, which is waited for.

        Raises:
            UsageError: if ``goal`` is None and there is no such study.
            StudyChangedError: if the stored study has the other goal.
            SweeperError: if the storage is damaged, locked or cannot be reached.
        """
        path, label = _located(location)
        if path is not None and goal is None and not path.exists():
            raise UsageError(f"{label}: there is no such file; `sweeper ls` shows the studies")
        with as_sweeper_error(label), contextlib.ExitStack() as undo:
            storage = (
                _connect_url(str(location)) if path is None else _connect_file(path, goal, say)
            )
            undo.callback(_disconnect, storage)
            study_id = _find_or_create(storage, name, goal, label)
            undo.pop_all()
        return cls(storage, study_id, name=name, path=path, label=label)

    @property
    def path(self) -> Path | None:
        """The SQLite file; None of any other database."""
        return self._path

    def explained(self) -> contextlib.AbstractContextManager[None]:
        """Turn errors of what is kept beside the study into such as name it."""
        return as_sweeper_error(self._label)

    def close(self) -> None:
        """Give the connection back. Closing twice does nothing."""
        _disconnect(self._storage)

    def read(self) -> StoredStudy:
        """Return all that is stored; of an SQLite file without Optuna, which takes seconds for
        thousands of trials.
        """
        stored = None if self._path is None else read_rows(self._path, self._name)
        if stored is not None:
            return stored
        with self.explained():
            trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        return StoredStudy(attributes=self.attributes(), rows=[_row(trial) for trial in trials])

    def attributes(self) -> Json:
        """Return what is stored of the study as a whole."""
        with self.explained():
            return dict(self._storage.get_study_user_attrs(self._study_id))

    def set_attribute(self, key: str, value: Any) -> None:
        """Store a JSON value of the study as a whole."""
        with self.explained():
            self._storage.set_study_user_attr(self._study_id, key, value)

    def add(self, trial: "FrozenTrial", *, number: int) -> int:
        """Write a row, which is to get this number of Optuna's; return its id.

        Raises:
            SweeperError: also if it got another number, since another program has added rows.
        """
        with self.explained():
            trial_id = self._storage.create_new_trial(self._study_id, template_trial=trial)
            stored = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        if stored != trial_id:
            raise SweeperError(
                f"{self._label}: another program adds trials to this study; stop it and run again"
            )
        return trial_id

    def set_intermediate(self, trial_id: int, epoch: int, value: float) -> None:
        """Write the score after one epoch, in place of an earlier one."""
        with self.explained():
            self._storage.set_trial_intermediate_value(trial_id, epoch, value)

    def set_note(self, trial_id: int, key: str, value: Any) -> None:
        """Write a JSON value of a row that has not ended."""
        with self.explained():
            self._storage.set_trial_user_attr(trial_id, key, value)

    def end(
        self, trial_id: int, state: Literal["COMPLETE", "PRUNED", "FAIL"], value: float | None
    ) -> None:
        """Write how a row ended; it never changes again."""
        from optuna.trial import TrialState

        values = None if value is None else [value]
        with self.explained():
            self._storage.set_trial_state_values(trial_id, TrialState[state], values)


def _row(trial: "FrozenTrial") -> StudyRow:
    return StudyRow(
        trial_id=trial._trial_id,
        number=trial.number,
        state=trial.state.name,
        value=trial.value,
        params=trial.params,
        intermediate=trial.intermediate_values,
        notes=trial.user_attrs,
        sampler_state=trial.system_attrs,
    )


def _located(location: str | Path) -> tuple[Path | None, str]:
    """Return the SQLite file, if it is one, and a name for messages without password."""
    if isinstance(location, Path) or "://" not in location:
        return Path(location), str(location)
    from sqlalchemy import make_url

    with as_sweeper_error(location.partition("://")[0] + "://..."):
        url = make_url(location)
    label = url.render_as_string(hide_password=True)
    if url.get_backend_name() != "sqlite" or not url.database or url.query:
        return None, label
    return Path(url.database), label


def _connect_url(url: str) -> "RDBStorage":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.storages.RDBStorage(url)


def _disconnect(storage: "RDBStorage") -> None:
    storage.remove_session()
    storage.engine.dispose()


def _connect_file(path: Path, goal: Goal | None, say: Callable[[str], None]) -> "RDBStorage":
    """Open an SQLite file through our own connections: any path works, and WAL is chosen once.

    In WAL a commit costs 1 ms, for it waits for no disk; a killed process loses nothing, a power
    cut perhaps the last commits.
    """
    import optuna
    from sqlalchemy.pool import QueuePool

    if goal is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    copy = None
    if goal is None and not os.access(
        path.parent, os.W_OK, effective_ids=True
    ):  # SQLite reads no log without writing
        copy = tempfile.TemporaryDirectory(prefix="sweeper-")
        path = copied(path, Path(copy.name))
    journal = journal_of(path)
    patience = Patience(name=str(path), say=say)

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, check_same_thread=False, timeout=_BUSY_SECONDS, factory=PatientConnection
        )
        connection.patience = patience
        if journal == "WAL":
            connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    with contextlib.closing(connect()) as first:
        if goal is not None:
            first.execute(f"PRAGMA journal_mode={journal}")
        damage = first.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise sqlite3.DatabaseError(f"malformed: {damage}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(
        "sqlite://", engine_kwargs={"creator": connect, "poolclass": QueuePool}
    )
    if copy is not None:
        weakref.finalize(storage, copy.cleanup)
    return storage


def _find_or_create(storage: "RDBStorage", name: str, goal: Goal | None, label: str) -> int:
    from optuna.study import StudyDirection

    known = {study.study_name: study for study in storage.get_all_studies()}
    if name not in known:
        if goal is None:
            raise UsageError(f"{label} has no study `{name}`; it has {sorted(known)}")
        return storage.create_new_study([StudyDirection[goal.upper()]], study_name=name)
    direction = known[name].direction.name.lower()
    if goal is not None and direction != goal:
        raise StudyChangedError(
            f"{label}: study `{name}` was started with goal {direction}, not {goal}; give the new "
            "study another name"
        )
    return storage.get_study_id_from_name(name)


@contextlib.contextmanager
def as_sweeper_error(label: str) -> Iterator[None]:
    """Say what to do when the database fails; the message of its library stays in the chain."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError, sqlite3.Error, OSError) as error:
        said = f"{error} {error.__cause__ or ''}".strip()
        advice = advice_on(said) or f"{said.splitlines()[0]}; check the storage"
        raise SweeperError(f"{label}: {advice}") from error
    except FormatError as error:
        raise SweeperError(f"{label}: {error}") from error
    except (ImportError, RuntimeError) as error:  # no driver for the URL; tables of another Optuna
        raise SweeperError(f"{label}: {error}") from error
