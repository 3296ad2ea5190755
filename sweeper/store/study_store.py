"""The study's rows in an Optuna storage: written at once, told by number, read back as records.

The only file that knows Optuna's storages. There is one writer, the driver that holds the study's
lock; it keeps all records in memory and writes every change through. What a method has returned
from survives the death of the process. Rejected: Optuna's `ask` (writes a row parameter by
parameter) and `study.tell` (wants a sampler).
"""

import contextlib
import json
import math
import os
import sqlite3
import sys
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import StudyChangedError, SweeperError, UsageError
from sweeper.outcomes import FORMAT, Failure, FailureKind, FormatError, checked_format
from sweeper.records import Final, Notes, TrialRecord, TrialState
from sweeper.search import Goal, distribution, frozen_trial, optuna_value
from sweeper.space import Space
from sweeper.store.ledger import LEDGER, Kept, Ledger
from sweeper.store.patience import Patience, PatientConnection
from sweeper.store.sqlite_file import advice_on, copied, journal_of
from sweeper.store.study_rows import Json, StudyRow, read_rows

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

_NO_SPACE = Space(())
_NUMBER, _PREFIX = "trial", "prefix"  # notes of a row: our number, epochs of a shorter training
_IMPORTED = "imported"  # note of a row that is none of ours: the number of a result from elsewhere
_BEGUN, _ENDED = "begun", "ended"
"""All notes that a row was added with, and that it was told with: Optuna takes 1-4 ms for each."""
_RUNS = "runs"  # attribute of the study: MLflow's runs of trials that got another one later
_BUSY_SECONDS = 5.0  # SQLite waits so long by itself, before anything is said
_FINALS = "finals"  # attribute of the study: what further seeds and questions gave, by trial
_OF_A_PROPOSAL = {"values", "proposed", "origin", "repeat", "run_id"}  # notes before it runs
ROW_FORMAT = 1  # of a row's notes; rows of one study may differ in it


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


class StudyStore:
    """One study in a storage. Use as a context manager, or call `close`."""

    def __init__(
        self,
        storage: "RDBStorage",
        study_id: int,
        *,
        label: str,
        space: Space = _NO_SPACE,
        ledger: Ledger | None = None,
    ) -> None:
        self._storage = storage
        self._study_id = study_id
        self._label = label  # where the study is, for messages; without password
        self._distributions = {p.name: distribution(p) for p in space.searched}
        everything = storage.get_all_trials(study_id, deepcopy=False)
        self._imported = {r.user_attrs[_IMPORTED] for r in everything if _IMPORTED in r.user_attrs}
        rows = [row for row in everything if _IMPORTED not in row.user_attrs]
        read = [_record(_row(row)) for row in rows]  # of one number, the last counts
        self._records = {record.number: record for record in read if record.prefix is None}
        self._prefixes: dict[int, list[TrialRecord]] = {}  # by number, as they were added
        for record in read:
            if record.prefix is not None:
                self._prefixes.setdefault(record.number, []).append(record)
        self._rows = len(everything)
        attributes = self.attributes()
        self._finals, self._runs = _finals(attributes), _runs(attributes)
        self._trial_ids = {
            record.number: row._trial_id
            for record, row in zip(read, rows, strict=True)
            if record.prefix is None
        }
        self._ledger = ledger  # of whoever writes
        if ledger is not None and ledger.read().proposals <= len(self._records):
            ledger.replace(Kept(attributes=self.attributes(), rows=tuple(read)))

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        name: str,
        goal: Goal | None = None,
        space: Space = _NO_SPACE,
        say: Callable[[str], None] = _to_stderr,
    ) -> "StudyStore":
        """Open the study ``name``, and create it if ``goal`` is given and it does not exist.

        Args:
            location: Path of an SQLite file, or any database URL that Optuna takes.
            name: The study's name in the storage.
            goal: None to read what is there, without creating anything.
            space: Of the trials to add; whoever only reads and tells needs none.
            say: Is told where another program has locked the file, which is waited for.

        Raises:
            UsageError: if ``goal`` is None and there is no such study.
            StudyChangedError: if the stored study has the other goal.
            SweeperError: if the storage is damaged, locked or cannot be reached.
        """
        path, label = _located(location)
        if path is not None and goal is None and not path.exists():
            raise UsageError(f"{label}: there is no such file; `sweeper ls` shows the studies")
        with _as_sweeper_error(label), contextlib.ExitStack() as undo:
            storage = (
                _connect_url(str(location)) if path is None else _connect_file(path, goal, say)
            )
            undo.callback(_disconnect, storage)
            study_id = _find_or_create(storage, name, goal, label)
            writes = path is not None and goal is not None
            ledger = Ledger(path.with_name(LEDGER)) if path is not None and writes else None
            store = cls(storage, study_id, label=label, space=space, ledger=ledger)
            undo.pop_all()
        return store

    def __enter__(self) -> "StudyStore":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back. Closing twice does nothing."""
        _disconnect(self._storage)

    def records(self) -> list[TrialRecord]:
        """Return all trials by number, each after its own shorter trainings, from memory.

        A finalist has its final.
        """
        rows: list[TrialRecord] = []
        for number, record in self._records.items():
            rows += self._prefixes.get(number, ())
            rows.append(record)
        return _with_later(rows, self._finals, self._runs)

    def set_runs(self, runs: Mapping[str, str]) -> None:
        """Store which MLflow runs trials have now whose rows have ended, by their names."""
        self._runs |= runs
        self.set_attribute(_RUNS, self._runs)

    def proposals(self) -> list[TrialRecord]:
        """Return the proposals by number, without the shorter trainings, from memory."""
        return list(self._records.values())

    def record(self, number: int) -> TrialRecord:
        """Return one proposal, from memory."""
        return self._records[number]

    def finals(self) -> dict[str, Final]:
        """Return what further seeds and questions gave, by the trial's name, from memory."""
        return {name: f for name, f in self._finals.items() if isinstance(f, Final)}

    def set_final(self, name: int | str, final: Final | Failure) -> None:
        """Store a final beside its trial, whose own row has ended and never changes; or why there
        is none, until there is one.
        """
        self._finals[str(name)] = final
        self._write_finals()

    def forget_failed_finals(self, chosen: Collection[int | str]) -> None:
        """Forget why trials have no final that are none of the finalists any more."""
        names = {str(name) for name in chosen}
        past = [n for n, f in self._finals.items() if isinstance(f, Failure) and n not in names]
        for name in past:
            del self._finals[name]
        if past:
            self._write_finals()

    def _write_finals(self) -> None:
        content = {trial: entry.to_json() for trial, entry in self._finals.items()}
        self.set_attribute(_FINALS, content)

    def attributes(self) -> dict[str, Any]:
        """Return what is stored of the study as a whole."""
        with _as_sweeper_error(self._label):
            return dict(self._storage.get_study_user_attrs(self._study_id))

    def set_attribute(self, key: str, value: Any) -> None:
        """Store a JSON value of the study as a whole."""
        with _as_sweeper_error(self._label):
            self._storage.set_study_user_attr(self._study_id, key, value)
            if self._ledger is not None:
                self._ledger.set_attribute(key, value)

    def add(self, record: TrialRecord) -> None:
        """Write a whole row, in whatever state: the next proposal, or a shorter training of one.

        Optuna numbers its rows as they come; ours are kept beside them.

        Raises:
            ValueError: if the number is not the next, or a parameter lies outside the space.
            SweeperError: if another program has added rows, or the storage cannot be written.
        """
        if record.prefix is None and record.number != len(self._records):
            raise ValueError(f"the next trial is {len(self._records)}, but got {record.number}")
        unknown = sorted(set(record.params) - set(self._distributions))
        if unknown:
            raise ValueError(f"trial {record.number} has parameters outside the space: {unknown}")
        if record.prefix is None:
            self._add_proposal(record)
            return
        self._create(record, _begun(record))
        self._keep(record)
        self._prefixes.setdefault(record.number, []).append(record)

    def reopen(self, number: int) -> None:
        """Let a trial that has failed run once more: a fresh row of its number takes the place of
        its old one, which Optuna would never change.

        Raises:
            ValueError: if the trial has not failed.
        """
        record = self._records[number]
        if record.state is not TrialState.FAILED:
            raise ValueError(f"trial {number} is {record.state.value}")
        begun = record.notes.model_dump(include=_OF_A_PROPOSAL)
        fresh = replace(
            record, state=TrialState.RUNNING, intermediate={}, notes=Notes.model_validate(begun)
        )
        self._add_proposal(fresh)

    def _add_proposal(self, record: TrialRecord) -> None:
        self._trial_ids[record.number] = self._create(record, _begun(record))
        self._keep(record)
        self._records[record.number] = record

    def has_imported(self, number: int) -> bool:
        """Whether a result from elsewhere has a row, from memory."""
        return number in self._imported

    def add_imported(self, record: TrialRecord) -> None:
        """Write a result from elsewhere as a row, for Optuna's own programs; it is no record."""
        notes = {FORMAT: ROW_FORMAT, **record.notes.to_json()}
        self._create(record, {_BEGUN: notes, _IMPORTED: record.number})
        self._imported.add(record.number)

    def _create(self, row: TrialRecord, attributes: Mapping[str, object]) -> int:
        """Write a row; return Optuna's id of it."""
        trial = frozen_trial(row, self._distributions, attributes=attributes)
        with _as_sweeper_error(self._label):
            trial_id = self._storage.create_new_trial(self._study_id, template_trial=trial)
            stored = self._storage.get_trial_id_from_study_id_trial_number(
                self._study_id, self._rows
            )
        if stored != trial_id:
            raise SweeperError(
                f"{self._label}: another program adds trials to this study; stop it and run again"
            )
        self._rows += 1
        return trial_id

    def report(self, number: int, epoch: int, value: float) -> None:
        """Write the score after one epoch; reporting an epoch again replaces its score."""
        record = self._running(number)
        with _as_sweeper_error(self._label):
            self._storage.set_trial_intermediate_value(self._trial_ids[number], epoch, value)
        self._records[number] = replace(
            record, intermediate={**record.intermediate, epoch: float(value)}
        )

    def note_run(self, number: int, run_id: str) -> None:
        """Write the MLflow run of a trial that has not ended."""
        self._set(number, "run_id", run_id, {"run_id": run_id})

    def tell(
        self,
        number: int,
        state: TrialState,
        score: float | None = None,
        *,
        notes: Notes | None = None,
    ) -> None:
        """End a trial. The notes are written first, for a trial that has ended never changes.

        Args:
            number: A running trial, also one that another process has added.
            state: COMPLETE, PRUNED or FAILED.
            score: Of a COMPLETE trial: finite.
            notes: What is known now; what they leave open stays as it is.

        Raises:
            ValueError: if the trial has ended, or state and score contradict each other.
        """
        from optuna.trial import TrialState as OptunaState

        if state is TrialState.RUNNING:
            raise ValueError(f"trial {number} cannot be told that it is running")
        if (state is TrialState.COMPLETE) != (score is not None):
            raise ValueError(f"trial {number}: {state.value} with score {score}")
        if score is not None and not math.isfinite(score):
            raise ValueError(f"trial {number}: the score must be finite, but got {score}")
        if notes is not None:
            changes = notes.model_dump(exclude_defaults=True)
            self._set(number, _ENDED, {FORMAT: ROW_FORMAT, **notes.to_json()}, changes)
        ended = replace(self._running(number), state=state, score=score)
        states = {
            TrialState.COMPLETE: OptunaState.COMPLETE,
            TrialState.PRUNED: OptunaState.PRUNED,
            TrialState.FAILED: OptunaState.FAIL,
        }
        value = optuna_value(ended)
        with _as_sweeper_error(self._label):
            self._storage.set_trial_state_values(
                self._trial_ids[number], states[state], None if value is None else [value]
            )
        self._records[number] = ended
        self._keep(ended)

    def _keep(self, record: TrialRecord) -> None:
        """Write a row as it is now into the ledger, too."""
        with _as_sweeper_error(self._label):
            if self._ledger is not None:
                self._ledger.add_row(record)

    def _set(self, number: int, key: str, value: Any, changes: Mapping[str, object]) -> None:
        """Write an attribute of a row, and remember the notes that it changes."""
        record = self._running(number)
        with _as_sweeper_error(self._label):
            self._storage.set_trial_user_attr(self._trial_ids[number], key, value)
        known = record.notes.model_dump(exclude_defaults=True)
        notes = Notes.model_validate({**known, **changes})
        self._records[number] = replace(record, notes=notes)

    def _running(self, number: int) -> TrialRecord:
        record = self._records[number]
        if record.state is not TrialState.RUNNING:
            raise ValueError(f"trial {number} has ended as {record.state.value}")
        return record


def _begun(record: TrialRecord) -> dict[str, object]:
    """The notes of a row when it is added."""
    place = {FORMAT: ROW_FORMAT, _NUMBER: record.number, _PREFIX: record.prefix}
    return {_BEGUN: {**record.notes.to_json(), **place}}


def _latest(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Of the rows of one trial the last: it was opened again with that."""
    return list({record.order: record for record in records}.values())


def read_stored(database: Path, name: str) -> tuple[Json, list[TrialRecord]]:
    """What is stored of a study as a whole, and its records as `StudyStore.records` has them.

    Without Optuna where that can be: for whoever only looks.

    Raises:
        UsageError: if there is no such study.
        SweeperError: if the storage is damaged or locked.
    """
    stored = read_rows(database, name)
    if stored is None:
        with StudyStore.open(database, name=name) as store:
            return store.attributes(), store.records()
    try:
        rows = _latest(_record(row) for row in stored.rows if _IMPORTED not in row.notes)
    except FormatError as error:
        raise SweeperError(f"{database}: {error}") from error
    rows.sort(key=lambda record: record.order)
    finals, runs = _finals(stored.attributes), _runs(stored.attributes)
    return stored.attributes, _with_later(rows, finals, runs)


def _row(trial: "FrozenTrial") -> StudyRow:
    return StudyRow(
        number=trial.number,
        state=trial.state.name,
        value=trial.value,
        params=trial.params,
        intermediate=trial.intermediate_values,
        notes=trial.user_attrs,
        sampler_state=trial.system_attrs,
    )


def _record(row: StudyRow) -> TrialRecord:
    """Read a row. The value that Optuna keeps of a pruned trial is not a score."""
    state = TrialState.FAILED if row.state == "FAIL" else TrialState[row.state]
    single = dict(row.notes)
    begun, ended = single.pop(_BEGUN, {}), single.pop(_ENDED, {})
    if state is TrialState.RUNNING:  # a driver died before it was told
        ended = {}
    for part in (begun, ended):
        checked_format(part, newest=ROW_FORMAT, where=f"row {row.number} of study.db")
    notes = {**begun, **single, **ended}
    return TrialRecord(
        number=notes.pop(_NUMBER, row.number),
        prefix=notes.pop(_PREFIX, None),
        params=row.params,
        state=state,
        score=row.value if state is TrialState.COMPLETE else None,
        intermediate=row.intermediate,
        sampler_state=row.sampler_state,
        notes=Notes.model_validate_json(json.dumps(_without_none(notes))),
    )


def _without_none(notes: Mapping[str, object]) -> dict[str, object]:
    """Leave out what was written as nothing, as if it had not been written."""
    return {key: value for key, value in notes.items() if value is not None}


def _finals(attributes: Json) -> dict[str, Final | Failure]:
    """By the trial's name."""
    return {name: _final(entry) for name, entry in attributes.get(_FINALS, {}).items()}


def _runs(attributes: Json) -> dict[str, str]:
    """By the trial's name."""
    return dict(attributes.get(_RUNS, {}))


def _with_later(
    records: list[TrialRecord], finals: Mapping[str, Final | Failure], runs: Mapping[str, str]
) -> list[TrialRecord]:
    """Records with what came to them after their rows had ended, which never change."""
    if runs:
        records = [r.with_run(runs[str(r.name)]) if str(r.name) in runs else r for r in records]
    return [_with_final(r, finals.get(str(r.name))) for r in records] if finals else records


def _with_final(record: TrialRecord, final: Final | Failure | None) -> TrialRecord:
    if final is None:
        return record
    if isinstance(final, Failure):
        return replace(record, final_failure=final)
    return replace(record, final=final)


def _final(entry: Mapping[str, Any]) -> Final | Failure:
    if "class" in entry:
        return Failure(kind=FailureKind(entry["class"]), message=entry["message"])
    return Final.model_validate_json(json.dumps(entry))


def _located(location: str | Path) -> tuple[Path | None, str]:
    """Return the SQLite file, if it is one, and a name for messages without password."""
    if isinstance(location, Path) or "://" not in location:
        return Path(location), str(location)
    from sqlalchemy import make_url

    with _as_sweeper_error(location.partition("://")[0] + "://..."):
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
def _as_sweeper_error(label: str) -> Iterator[None]:
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
