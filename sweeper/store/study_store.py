"""The study's rows: written at once, told by number, read back as records.

There is one writer, the driver that holds the study's lock; it keeps all records in memory and
writes every change through, to the storage and to the ledger. What a method has returned from
survives the death of the process. Rejected: Optuna's `ask` (writes a row parameter by parameter)
and `study.tell` (wants a sampler).
"""

import contextlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from sweeper.errors import SweeperError
from sweeper.outcomes import FORMAT, Failure, FormatError
from sweeper.records import Final, Notes, TrialRecord, TrialState
from sweeper.search import Goal, distribution, frozen_trial, optuna_value
from sweeper.space import Space
from sweeper.store.ledger import LEDGER, Kept, Ledger
from sweeper.store.stored_records import (
    BEGUN,
    ENDED,
    FINALS,
    IMPORTED,
    ROW_FORMAT,
    RUNS,
    finals_of,
    latest,
    notes_begun,
    record_of,
    runs_of,
    with_later,
)
from sweeper.store.study_rows import Json, read_rows
from sweeper.store.study_storage import StudyStorage, to_stderr

_NO_SPACE = Space(())
_OF_A_PROPOSAL = {"values", "proposed", "origin", "repeat", "run_id"}  # notes before it runs
_ENDS: Mapping[TrialState, Literal["COMPLETE", "PRUNED", "FAIL"]] = {  # as Optuna names them
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAILED: "FAIL",
}


class StudyStore:
    """One study in a storage. Use as a context manager, or call `close`."""

    def __init__(
        self, storage: StudyStorage, *, space: Space = _NO_SPACE, ledger: Ledger | None = None
    ) -> None:
        self._storage = storage
        self._distributions = {p.name: distribution(p) for p in space.searched}
        stored = storage.read()
        self._rows = len(stored.rows)
        self._imported = {r.notes[IMPORTED] for r in stored.rows if IMPORTED in r.notes}
        rows = [row for row in stored.rows if IMPORTED not in row.notes]
        with storage.explained():
            read = [record_of(row) for row in rows]  # of one number, the last counts
        self._records = {record.number: record for record in read if record.prefix is None}
        self._prefixes: dict[int, list[TrialRecord]] = {}  # by number, as they were added
        for record in read:
            if record.prefix is not None:
                self._prefixes.setdefault(record.number, []).append(record)
        self._finals, self._runs = finals_of(stored.attributes), runs_of(stored.attributes)
        self._trial_ids = {
            record.number: row.trial_id
            for record, row in zip(read, rows, strict=True)
            if record.prefix is None
        }
        self._ledger = ledger  # of whoever writes
        if ledger is not None and ledger.proposals() <= len(self._records):
            with storage.explained():
                ledger.replace(Kept(attributes=stored.attributes, rows=tuple(read)))

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        name: str,
        goal: Goal | None = None,
        space: Space = _NO_SPACE,
        say: Callable[[str], None] = to_stderr,
    ) -> "StudyStore":
        """Open the study ``name``, and create it if ``goal`` is given and it does not exist.

        Args:
            location: Path of an SQLite file, or any database URL that Optuna takes.
            name: The study's name in the storage.
            goal: None to read what is there, without creating anything.
            space: Of the trials to add; whoever only reads and tells needs none.
            say: Is told where another program has locked the file, which is waited for.

        Raises:
            UsageError, StudyChangedError, SweeperError: as `StudyStorage.open`.
        """
        storage = StudyStorage.open(location, name=name, goal=goal, say=say)
        with contextlib.ExitStack() as undo:
            undo.callback(storage.close)
            writes = storage.path is not None and goal is not None
            ledger = Ledger(storage.path.with_name(LEDGER)) if storage.path and writes else None
            store = cls(storage, space=space, ledger=ledger)
            undo.pop_all()
        return store

    def __enter__(self) -> "StudyStore":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back. Closing twice does nothing."""
        self._storage.close()

    def records(self) -> list[TrialRecord]:
        """Return all trials by number, each after its own shorter trainings, from memory.

        A finalist has its final.
        """
        rows: list[TrialRecord] = []
        for number, record in self._records.items():
            rows += self._prefixes.get(number, ())
            rows.append(record)
        return with_later(rows, self._finals, self._runs)

    def set_runs(self, runs: Mapping[str, str]) -> None:
        """Store which MLflow runs trials have now whose rows have ended, by their names."""
        self._runs |= runs
        self.set_attribute(RUNS, self._runs)

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
        self.set_attribute(FINALS, content)

    def attributes(self) -> Json:
        """Return what is stored of the study as a whole."""
        return self._storage.attributes()

    def set_attribute(self, key: str, value: Any) -> None:
        """Store a JSON value of the study as a whole."""
        self._storage.set_attribute(key, value)
        with self._storage.explained():
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
        self._create(record, notes_begun(record))
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
        self._trial_ids[record.number] = self._create(record, notes_begun(record))
        self._keep(record)
        self._records[record.number] = record

    def has_imported(self, number: int) -> bool:
        """Whether a result from elsewhere has a row, from memory."""
        return number in self._imported

    def add_imported(self, record: TrialRecord) -> None:
        """Write a result from elsewhere as a row, for Optuna's own programs; it is no record."""
        notes = {FORMAT: ROW_FORMAT, **record.notes.to_json()}
        self._create(record, {BEGUN: notes, IMPORTED: record.number})
        self._imported.add(record.number)

    def _create(self, row: TrialRecord, attributes: Mapping[str, object]) -> int:
        """Write a row; return Optuna's id of it."""
        trial = frozen_trial(row, self._distributions, attributes=attributes)
        trial_id = self._storage.add(trial, number=self._rows)
        self._rows += 1
        return trial_id

    def report(self, number: int, epoch: int, value: float) -> None:
        """Write the score after one epoch; reporting an epoch again replaces its score."""
        record = self._running(number)
        self._storage.set_intermediate(self._trial_ids[number], epoch, value)
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
        if state is TrialState.RUNNING:
            raise ValueError(f"trial {number} cannot be told that it is running")
        if (state is TrialState.COMPLETE) != (score is not None):
            raise ValueError(f"trial {number}: {state.value} with score {score}")
        if score is not None and not math.isfinite(score):
            raise ValueError(f"trial {number}: the score must be finite, but got {score}")
        if notes is not None:
            changes = notes.model_dump(exclude_defaults=True)
            self._set(number, ENDED, {FORMAT: ROW_FORMAT, **notes.to_json()}, changes)
        ended = replace(self._running(number), state=state, score=score)
        self._storage.end(self._trial_ids[number], _ENDS[state], optuna_value(ended))
        self._records[number] = ended
        self._keep(ended)

    def _keep(self, record: TrialRecord) -> None:
        """Write a row as it is now into the ledger, too."""
        with self._storage.explained():
            if self._ledger is not None:
                self._ledger.add_row(record)

    def _set(self, number: int, key: str, value: Any, changes: Mapping[str, object]) -> None:
        """Write an attribute of a row, and remember the notes that it changes."""
        record = self._running(number)
        self._storage.set_note(self._trial_ids[number], key, value)
        known = record.notes.model_dump(exclude_defaults=True)
        notes = Notes.model_validate({**known, **changes})
        self._records[number] = replace(record, notes=notes)

    def _running(self, number: int) -> TrialRecord:
        record = self._records[number]
        if record.state is not TrialState.RUNNING:
            raise ValueError(f"trial {number} has ended as {record.state.value}")
        return record


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
        rows = latest(record_of(row) for row in stored.rows if IMPORTED not in row.notes)
    except FormatError as error:
        raise SweeperError(f"{database}: {error}") from error
    rows.sort(key=lambda record: record.order)
    finals, runs = finals_of(stored.attributes), runs_of(stored.attributes)
    return stored.attributes, with_later(rows, finals, runs)
