import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.errors import SweeperError, UsageError
from sweeper.outcomes import Calls, Failure, FailureKind
from sweeper.records import Final, Notes, TrialRecord, TrialState
from sweeper.space import Parameter, Space
from sweeper.store.study_rows import read_rows
from sweeper.store.study_store import StudyStore, read_stored

SPACE = Space(
    (
        Parameter(name="lr", low=1e-5, high=1e-2, log=True),
        Parameter(name="epochs", low=1, high=6, integer=True),
        Parameter(name="衰减", choices=("none", 3, 0.5, True)),
    )
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A study that has a row of each kind."""
    path = tmp_path / "study.db"
    with StudyStore.open(path, name="rows", goal="minimize", space=SPACE) as store:
        store.set_attribute("study", {"name": "rows"})
        for number, choice in enumerate(("none", 3, 0.5, True, "none")):
            params = {"lr": 0.1**3.3, "epochs": 3, "衰减": choice}
            state = {"cma:generation": number, "x": [0.5]}
            notes = Notes(values=params, origin="trained", calls=Calls(asked=number))
            store.add(
                TrialRecord(
                    number=number,
                    params=params,
                    state=TrialState.RUNNING,
                    sampler_state=state,
                    notes=notes,
                )
            )
            store.report(number, 1, 0.5)
        store.report(1, 2, math.inf)
        store.tell(0, TrialState.COMPLETE, 1 / 3, notes=Notes(accuracy={"1": 0.1}))
        store.tell(1, TrialState.PRUNED)
        store.tell(2, TrialState.FAILED, notes=Notes(failure="not_finite", reason="nan"))
        store.tell(3, TrialState.COMPLETE, 0.25)
        for record in (store.record(0), store.record(3)):
            shorter = {**record.params, "epochs": 1}
            store.add(replace(record, prefix=1, params=shorter, score=0.5, notes=Notes()))
        store.add_imported(replace(store.record(0), number=0, notes=Notes(origin="imported")))
        store.set_final(0, Final(score=0.3, accuracy={}, questions=8))
        store.set_final("3@1", Failure(kind=FailureKind.LOST, message="gone"))
    return path


def test_records_are_read_without_optuna_as_the_store_reads_them(path: Path) -> None:
    assert read_rows(path, "rows") is not None
    attributes, records = read_stored(path, "rows")
    with StudyStore.open(path, name="rows") as store:
        assert records == store.records()
        assert attributes == store.attributes()
    assert [record.name for record in records] == ["0@1", 0, 1, 2, "3@1", 3, 4]
    types = [type(record.params["衰减"]) for record in records if record.prefix is None]
    assert types == [str, int, float, bool, str]


def test_tables_of_another_schema_are_left_to_optuna(path: Path) -> None:
    records = read_stored(path, "rows")[1]
    with sqlite3.connect(path) as database:
        database.execute("UPDATE version_info SET schema_version = 13")
    assert read_rows(path, "rows") is None
    assert read_stored(path, "rows")[1] == records


@pytest.mark.parametrize("schema", [12, 13])
def test_a_trial_is_told_in_its_own_row_whoever_has_read_it(path: Path, schema: int) -> None:
    with StudyStore.open(path, name="other", goal="minimize", space=SPACE) as other:
        for number in range(2):  # its rows are not numbered as the database numbers them
            other.add(TrialRecord(number=number, params={}, state=TrialState.RUNNING))
    with sqlite3.connect(path) as database:
        database.execute("UPDATE version_info SET schema_version = ?", (schema,))
    with StudyStore.open(path, name="other", goal="minimize", space=SPACE) as other:
        other.tell(1, TrialState.COMPLETE, 0.25)
        other.add(TrialRecord(number=2, params={}, state=TrialState.RUNNING))
        records = other.records()
    states = [record.state.value for record in read_stored(path, "other")[1]]
    assert states == ["running", "complete", "running"]
    assert read_stored(path, "other")[1] == records


def test_what_is_not_there_is_told_as_the_store_tells_it(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no study `other`; it has \['rows'\]"):
        read_stored(path, "other")
    with pytest.raises(UsageError, match="there is no such file"):
        read_stored(tmp_path / "none.db", "rows")
    assert not (tmp_path / "none.db").exists()
    path.write_bytes(b"no database" * 999)
    with pytest.raises(SweeperError, match="it is damaged"):
        read_stored(path, "rows")


def test_a_row_of_a_later_format_is_a_clear_error(path: Path) -> None:
    with sqlite3.connect(path) as database:
        change = "UPDATE trial_user_attributes SET value_json = '{\"format\": 99}'"
        database.execute(f"{change} WHERE key = 'begun'")
    with pytest.raises(SweeperError, match="is of format 99"):
        read_stored(path, "rows")
