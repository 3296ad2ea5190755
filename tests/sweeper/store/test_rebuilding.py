"""`study.db` is rebuilt from the ledger, whatever became of it."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes.started_study import complete, start_study, unfinished

from sweeper.errors import SweeperError
from sweeper.records import Final, Notes, TrialRecord, TrialState
from sweeper.store.ledger import Ledger
from sweeper.store.reading import read_study
from sweeper.store.rebuilding import rebuild_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore


def write(folder: StudyFolder) -> StudyStore:
    config, _ = read_study(folder)
    return StudyStore.open(folder.database, name=folder.name, goal="maximize", space=config.space)


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study with rows of every kind, one of which still runs."""
    failed = unfinished(2, TrialState.FAILED, failure="not_finite", reason="the loss is nan")
    pruned = unfinished(3, TrialState.PRUNED, reason="stopped by the pruner")
    folder = start_study(tmp_path, complete(0, 0.55), complete(1, 0.625), failed, pruned)
    prefix = TrialRecord(
        number=1, prefix=1, params=complete(1, 0.5).params, state=TrialState.COMPLETE, score=0.25
    )
    with write(folder) as store:
        store.add(prefix)
        store.add(unfinished(4))
        store.add(unfinished(5))
        store.report(5, 1, 0.1 + 0.2)
        store.tell(5, TrialState.COMPLETE, 0.75, notes=Notes(stage="stage5", run_id="run5"))
        final = Final(score=0.5, accuracy={"1": 0.5}, questions=800)
        store.set_final(1, final)
        store.set_attribute("id", "s1")
    return folder


def content(folder: StudyFolder) -> tuple[dict[str, Any], list[TrialRecord]]:
    with StudyStore.open(folder.database, name=folder.name) as store:
        return store.attributes(), store.records()


def close_log(folder: StudyFolder) -> None:
    with closing(sqlite3.connect(folder.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def remove(folder: StudyFolder) -> None:
    folder.database.unlink()


def empty(folder: StudyFolder) -> None:
    folder.database.write_bytes(b"")


def cut(folder: StudyFolder) -> None:
    folder.database.write_bytes(folder.database.read_bytes()[:20_000])


def overwrite(folder: StudyFolder) -> None:
    folder.database.write_bytes(b"no database at all " * 1000)


def start_afresh(folder: StudyFolder) -> None:
    folder.database.rename(folder.root / "elsewhere.db")
    with closing(sqlite3.connect(folder.database)) as connection:
        connection.execute("CREATE TABLE other (id INTEGER)")


def forget_trials(folder: StudyFolder) -> None:
    with closing(sqlite3.connect(folder.database)) as connection, connection:
        connection.execute("DELETE FROM trials WHERE number > 2")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (remove, "study.db was gone; it was rebuilt with 6 trials"),
        (empty, "study.db was empty; it was rebuilt with 6 trials"),
        (cut, "study.db was damaged (now study.db.damaged-0); it was"),
        (overwrite, "study.db was damaged (now study.db.damaged-0); it was"),
        (start_afresh, "study.db had lost its tables (now study.db.damaged-0); it was"),
        (forget_trials, "study.db had lost trials (now study.db.damaged-0); it was"),
    ],
)
def test_a_database_that_was_lost_is_rebuilt_with_every_row_and_attribute(
    folder: StudyFolder, harm: Callable[[StudyFolder], None], told: str
) -> None:
    before = content(folder)
    close_log(folder)
    harm(folder)
    said = rebuild_study(folder)
    assert said is not None
    assert told in said
    assert content(folder) == before
    assert rebuild_study(folder) is None
    assert sorted(path.name for path in folder.root.iterdir() if ".rebuilt" in path.name) == []
    with write(folder) as store:  # it can be written on
        store.tell(4, TrialState.FAILED)
    folder.database.unlink()
    assert rebuild_study(folder)
    assert content(folder)[1][5].state is TrialState.FAILED


def test_a_database_in_order_is_left_alone(folder: StudyFolder) -> None:
    before = folder.database.read_bytes()
    assert rebuild_study(folder) is None
    assert folder.database.read_bytes() == before


def test_a_locked_database_is_not_taken_for_a_damaged_one(folder: StudyFolder) -> None:
    with closing(sqlite3.connect(folder.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        assert rebuild_study(folder) is None


def test_a_study_of_an_earlier_version_gets_its_ledger_when_it_is_opened_to_be_written(
    folder: StudyFolder,
) -> None:
    before = content(folder)
    (folder.root / "rows.jsonl").unlink()
    write(folder).close()
    folder.database.unlink()
    assert rebuild_study(folder)
    assert content(folder) == before


def test_trial_folders_without_ledger_are_taken_over_and_that_is_said(folder: StudyFolder) -> None:
    (folder.root / "rows.jsonl").unlink()
    folder.database.unlink()
    told = rebuild_study(folder)
    assert told is not None
    assert "they are proposed again, and what 4 trial folders hold is taken over" in told


def test_a_study_that_never_began_is_nothing_to_rebuild(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "sweeps" / "new", tmp_path / "sweeps" / "stages")
    folder.root.mkdir(parents=True)
    assert rebuild_study(folder) is None


def test_half_a_line_that_a_killed_driver_left_costs_that_line_alone(folder: StudyFolder) -> None:
    ledger = folder.root / "rows.jsonl"
    with ledger.open("a") as file:
        file.write('{"format": 1, "trial": 6, "pre')
    kept = Ledger(ledger)
    kept.add_row(complete(6, 0.5))
    assert kept.read().proposals == kept.proposals() == 7
    assert kept.read().rows[-1] == complete(6, 0.5)


def test_a_ledger_with_a_gap_gives_the_trials_before_it(folder: StudyFolder) -> None:
    ledger = folder.root / "rows.jsonl"
    lines = [line for line in ledger.read_text().splitlines() if json.loads(line).get("trial") != 3]
    ledger.write_text("\n".join(lines) + "\n")
    assert Ledger(ledger).proposals() == 3
    folder.database.unlink()
    assert "rebuilt with 3 trials" in (rebuild_study(folder) or "")
    assert [record.name for record in content(folder)[1]] == [0, "1@1", 1, 2]


def test_a_ledger_of_a_later_version_is_refused(folder: StudyFolder) -> None:
    (folder.root / "rows.jsonl").write_text('{"format": 9}\n')
    folder.database.unlink()
    with pytest.raises(SweeperError, match=r"rows\.jsonl is of format 9"):
        rebuild_study(folder)
