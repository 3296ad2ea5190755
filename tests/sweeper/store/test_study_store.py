import contextlib
import math
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from sweeper.errors import StudyChangedError, SweeperError, UsageError
from sweeper.outcomes import Calls, Failure, FailureKind
from sweeper.records import Notes, SeedScore, TrialRecord, TrialState
from sweeper.search import Search, propose
from sweeper.space import Parameter, Space, Value
from sweeper.store.study_store import StudyStore

SPACE = Space(
    (
        Parameter(name="lr", low=1e-5, high=1e-2, log=True),
        Parameter(name="epochs", low=1, high=6, integer=True),
        Parameter(name="衰减 rate", low=0.1, high=0.9, step=0.1),
        Parameter(name="freeze", choices=("none", "backbone", 3, 0.5, True)),
    )
)
PARAMS: dict[str, Value] = {"lr": 0.1**3.3, "epochs": 3, "衰减 rate": 0.3, "freeze": True}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


@pytest.fixture
def store(path: Path) -> Iterator[StudyStore]:
    with create(path) as opened:
        yield opened


def create(path: Path | str, name: str = "kl_lr") -> StudyStore:
    return StudyStore.open(path, name=name, goal="maximize", space=SPACE)


def running(number: int) -> TrialRecord:
    return TrialRecord(number=number, params=PARAMS, state=TrialState.RUNNING)


def read(path: Path | str, name: str = "kl_lr") -> list[TrialRecord]:
    with StudyStore.open(path, name=name) as store:
        return store.records()


def test_what_was_written_is_read_back_equal_with_its_types(path: Path, store: StudyStore) -> None:
    state = {"cma:generation": 2, "cma:optimizer:0": "ab" * 1000, "x_for_tell": [0.5]}
    store.add(replace(running(0), sampler_state=state, notes=Notes(origin="trained")))
    store.report(0, 1, 0.5)
    store.report(0, 2, 0.1 + 0.2)
    store.note_run(0, "abc")
    store.tell(0, TrialState.COMPLETE, 2 / 3, notes=Notes(accuracy={"1": 0.5}, seconds=1.5))
    [record] = read(path)
    assert [record] == store.records()
    assert record == TrialRecord(
        number=0,
        params=PARAMS,
        state=TrialState.COMPLETE,
        score=2 / 3,
        intermediate={1: 0.5, 2: 0.1 + 0.2},
        sampler_state=state,
        notes=Notes(origin="trained", run_id="abc", accuracy={"1": 0.5}, seconds=1.5),
    )
    assert {name: type(value) for name, value in record.params.items()} == {
        name: type(value) for name, value in PARAMS.items()
    }


def test_notes_in_memory_are_as_they_will_be_read_back(path: Path, store: StudyStore) -> None:
    seeds = (SeedScore(seed=0, score=0.5, accuracy={"1": 0.5}), SeedScore(seed=1, score=0.25))
    store.add(replace(running(0), notes=Notes(values={"lr": 1, "tied": True})))
    store.tell(0, TrialState.COMPLETE, 0.5, notes=Notes(seeds=seeds, calls=Calls(asked=2)))
    known = Notes(values={"lr": 1, "tied": True}, seeds=seeds, calls=Calls(asked=2))
    assert store.record(0).notes == known
    assert type(read(path)[0].notes.values["tied"]) is bool
    assert read(path) == store.records()


def test_a_verdict_that_was_written_in_half_was_never_told(
    path: Path, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(replace(running(0), notes=Notes(origin="trained")))
    monkeypatch.setattr(store._storage, "end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.tell(0, TrialState.FAILED, notes=Notes(failure="lost", seconds=1.0))
    assert read(path)[0].notes == Notes(origin="trained")
    with create(path) as next_one:
        next_one.note_run(0, "abc")
        next_one.tell(0, TrialState.COMPLETE, 0.5, notes=Notes(seconds=2.0))
        told = Notes(origin="trained", run_id="abc", seconds=2.0)
        assert next_one.record(0).notes == told
    assert read(path)[0].notes == told


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_failed_pruned_and_running_trials_have_no_score(path: Path, store: StudyStore) -> None:
    for number in range(4):
        store.add(running(number))
        store.report(number, 1, 0.4)
    store.report(2, 2, math.nan)
    store.tell(0, TrialState.FAILED, notes=Notes(failure="not_finite"))
    store.tell(1, TrialState.PRUNED)
    store.tell(2, TrialState.PRUNED)
    found = read(path)
    states = ["failed", "pruned", "pruned", "running"]
    assert [record.state.value for record in found] == states
    assert [record.score for record in found] == [None] * 4
    assert math.isnan(found[2].intermediate[2])
    frozen = optuna.load_study(study_name="kl_lr", storage=f"sqlite:///{path}").trials
    assert [trial.value for trial in frozen] == [None, 0.4, None, None]  # as Optuna's tell has it


def test_a_finished_trial_can_be_added_whole(path: Path, store: StudyStore) -> None:
    done = replace(running(0), state=TrialState.COMPLETE, score=0.5, intermediate={1: 0.4, 2: 0.5})
    store.add(done)
    assert read(path) == [done]


def test_optunas_tools_see_the_study_as_their_own(path: Path, store: StudyStore) -> None:
    store.add(running(0))
    store.tell(0, TrialState.COMPLETE, 0.5)
    study = optuna.load_study(study_name="kl_lr", storage=f"sqlite:///{path}")
    assert study.direction is optuna.study.StudyDirection.MAXIMIZE
    assert study.best_params == PARAMS
    assert study.best_trial.distributions == {
        "lr": optuna.distributions.FloatDistribution(1e-5, 1e-2, log=True),
        "epochs": optuna.distributions.IntDistribution(1, 6),
        "衰减 rate": optuna.distributions.FloatDistribution(0.1, 0.9, step=0.1),
        "freeze": optuna.distributions.CategoricalDistribution(("none", "backbone", 3, 0.5, True)),
    }


def test_numbers_go_on_after_reopening(path: Path) -> None:
    with create(path) as store:
        store.add(running(0))
        store.add(running(1))
    with create(path) as store:
        store.tell(1, TrialState.COMPLETE, 0.5)  # told by number from another connection
        store.add(running(2))
        assert [record.number for record in store.records()] == [0, 1, 2]
    assert [record.state.value for record in read(path)] == ["running", "complete", "running"]


def test_a_number_that_is_not_the_next_is_refused(store: StudyStore) -> None:
    with pytest.raises(ValueError, match="next trial is 0, but got 1"):
        store.add(running(1))
    store.add(running(0))
    with pytest.raises(ValueError, match="next trial is 1, but got 0"):
        store.add(running(0))


def test_a_second_writer_is_noticed(path: Path, store: StudyStore) -> None:
    with create(path) as other:
        other.add(running(0))
        with pytest.raises(SweeperError, match="another program adds trials"):
            store.add(running(0))


def test_a_parameter_outside_the_space_is_refused(path: Path, store: StudyStore) -> None:
    with pytest.raises(ValueError, match=r"outside the space: \['epoch'\]"):
        store.add(replace(running(0), params={"epoch": 3}))
    with pytest.raises(ValueError, match="7 of parameter 'epochs' isn't contained"):
        store.add(replace(running(0), params={"epochs": 7}))
    assert store.records() == read(path) == []


def test_an_ended_trial_never_changes(path: Path, store: StudyStore) -> None:
    store.add(running(0))
    store.tell(0, TrialState.FAILED)
    with pytest.raises(ValueError, match="trial 0 has ended as failed"):
        store.tell(0, TrialState.COMPLETE, 0.5)
    with pytest.raises(ValueError, match="trial 0 has ended as failed"):
        store.report(0, 1, 0.5)
    with pytest.raises(ValueError, match="trial 0 has ended as failed"):
        store.note_run(0, "late")
    assert read(path) == store.records()


def test_a_failed_trial_that_is_opened_again_has_one_row_that_counts(
    path: Path, store: StudyStore
) -> None:
    store.add(replace(running(0), notes=Notes(origin="trained", proposed="baseline", repeat=2)))
    store.add(running(1))
    store.note_run(0, "abc")
    store.report(0, 1, 0.4)
    store.tell(0, TrialState.FAILED, notes=Notes(failure="judge", reason="down", seconds=1.0))
    store.reopen(0)
    proposed = Notes(origin="trained", proposed="baseline", repeat=2, run_id="abc")
    assert store.record(0) == replace(running(0), notes=proposed)
    assert read(path) == store.records()
    store.tell(0, TrialState.COMPLETE, 0.5)
    store.add(running(2))
    assert [(r.number, r.state.value) for r in read(path)] == [
        (0, "complete"),
        (1, "running"),
        (2, "running"),
    ]
    with pytest.raises(ValueError, match="trial 0 is complete"):
        store.reopen(0)


def test_a_score_must_go_with_its_state(store: StudyStore) -> None:
    store.add(running(0))
    with pytest.raises(ValueError, match="complete with score None"):
        store.tell(0, TrialState.COMPLETE)
    with pytest.raises(ValueError, match=r"failed with score 0\.5"):
        store.tell(0, TrialState.FAILED, 0.5)
    with pytest.raises(ValueError, match="must be finite, but got nan"):
        store.tell(0, TrialState.COMPLETE, math.nan)
    with pytest.raises(ValueError, match="cannot be told that it is running"):
        store.tell(0, TrialState.RUNNING)
    assert store.record(0) == running(0)


def test_attributes_of_the_study_are_json(path: Path, store: StudyStore) -> None:
    store.set_attribute("study", {"name": "kl_lr", "trials": 32})
    store.set_attribute("study", {"name": "kl_lr", "trials": 64})
    with StudyStore.open(path, name="kl_lr") as reader:
        assert reader.attributes() == {"study": {"name": "kl_lr", "trials": 64}}


@pytest.mark.parametrize(
    ("folder", "name"),
    [("a b", "学习率 sweep"), ("{x}", "{name}"), ("50% ?#&", "a/b:c'\"; --"), ("ü", "ü" * 200)],
)
def test_unusual_names_of_folders_and_studies(tmp_path: Path, folder: str, name: str) -> None:
    path = tmp_path / folder / "study.db"
    with create(path, name) as store:
        store.add(running(0))
    assert read(path, name) == [running(0)]
    assert path.exists()


def test_two_studies_share_a_file(path: Path) -> None:
    with create(path, "one") as one, create(path, "two") as two:
        one.add(running(0))
        two.add(running(0))
        two.add(running(1))
    assert len(read(path, "one")) == 1
    assert len(read(path, "two")) == 2


def test_an_optuna_url_works_as_a_path_does(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    with create(url) as store:
        store.add(running(0))
    assert read(url) == read(tmp_path / "study.db") == [running(0)]
    other = f"sqlite:///{tmp_path}/other.db?timeout=2"
    with create(other) as store:
        store.add(running(0))
    assert read(other) == [running(0)]


def test_the_file_is_in_wal(path: Path, store: StudyStore) -> None:
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_reading_creates_nothing(path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read(path)
    assert not path.exists()
    create(path).close()
    with pytest.raises(UsageError, match=r"no study `other`; it has \['kl_lr'\]"):
        read(path, "other")
    assert read(path) == []


def test_another_goal_is_another_study(path: Path, store: StudyStore) -> None:
    with pytest.raises(StudyChangedError, match="goal maximize, not minimize"):
        StudyStore.open(path, name="kl_lr", goal="minimize")


def test_a_file_that_is_no_database_says_what_to_do(path: Path) -> None:
    path.write_bytes(b"no database " * 100)
    with pytest.raises(SweeperError, match=r"study\.db: it is damaged; `sweeper run`"):
        create(path)


def test_damage_is_found_before_anything_is_written(path: Path) -> None:
    """Damage a part that nothing reads while the study is opened."""
    with create(path) as store:
        for number in range(5):
            store.add(running(number))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        [[page_size]] = connection.execute("PRAGMA page_size")
        [[page]] = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'trial_heartbeats'"
        )
    with path.open("r+b") as file:
        file.seek((page - 1) * page_size)
        file.write(os.urandom(page_size))
    with pytest.raises(SweeperError, match="it is damaged; `sweeper run`"):
        create(path)


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SweeperError, match="File exists"):
        create(tmp_path / "file" / "study.db")


def test_a_file_that_is_locked_for_a_while_is_waited_for_and_that_is_said(path: Path) -> None:
    create(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            other.execute("ROLLBACK")  # as soon as it was said

        with StudyStore.open(path, name="kl_lr", goal="maximize", space=SPACE, say=say) as store:
            other.execute("BEGIN IMMEDIATE")
            store.add(running(0))
        assert said == [f"{path} is locked by another program; waiting up to 120 s for it"]
    assert [record.number for record in read(path)] == [0]


def test_a_locked_file_says_what_to_do(path: Path, store: StudyStore) -> None:
    store.add(running(0))
    impatient = create(f"sqlite:///{path}?timeout=0.05")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(SweeperError, match="another program has locked it"):
        impatient.tell(0, TrialState.FAILED)
    assert impatient.record(0).state is TrialState.RUNNING  # memory says what the file says
    blocker.execute("COMMIT")
    blocker.close()
    impatient.tell(0, TrialState.FAILED)
    impatient.close()
    assert read(path)[0].state is TrialState.FAILED


def test_a_read_only_file_says_what_to_do(path: Path) -> None:
    with create(path) as store:
        store.add(running(0))
    with (
        create(f"sqlite:///file:{path}?mode=ro&uri=true") as frozen,
        pytest.raises(SweeperError, match="it cannot be written; check the permissions"),
    ):
        frozen.report(0, 1, 0.5)


@pytest.mark.parametrize("url", ["nonsense://host/db", "postgresql://user:secret@host/db", "://"])
def test_a_wrong_address_is_one_message_without_password(url: str) -> None:
    with pytest.raises(SweeperError) as caught:
        create(url)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_proposals_of_cmaes_go_on_from_the_file(path: Path, store: StudyStore) -> None:
    search = Search(space=SPACE, sampler_name="cmaes", lag=1)
    for number in range(16):
        proposal = propose(search, number, store.records())
        assert proposal is not None
        store.add(
            TrialRecord(
                number=number,
                params=proposal.params,
                state=TrialState.RUNNING,
                sampler_state=proposal.sampler_state,
            )
        )
        store.tell(number, TrialState.COMPLETE, -abs(float(proposal.params["lr"]) - 1e-4))
    assert store.record(15).sampler_state["cma:generation"] > 0
    assert propose(search, 16, read(path)) == propose(search, 16, store.records())


WRITER = """
import sys
from sweeper.records import Notes, TrialRecord, TrialState
from sweeper.space import Parameter, Space
from sweeper.store.study_store import StudyStore

space = Space((Parameter(name="lr", low=0.0, high=1.0),))
store = StudyStore.open(sys.argv[1], name="kl_lr", goal="maximize", space=space)
while True:
    number = len(store.records())
    store.add(TrialRecord(number=number, params={"lr": 0.5}, state=TrialState.RUNNING))
    print("added", number, flush=True)
    store.report(number, 1, 0.25)
    print("reported", number, flush=True)
    store.tell(number, TrialState.COMPLETE, 0.5, notes=Notes(reason="yes"))
    print("told", number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_returned(path: Path) -> None:
    """Two writers in turn are killed in the middle of their work."""
    promised: set[tuple[str, int]] = set()
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(40):
            what, number = writer.stdout.readline().split()
            promised.add((what, int(number)))
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:  # what it had said before it died
            if line.endswith("\n"):
                what, number = line.split()
                promised.add((what, int(number)))
        writer.stdout.close()
        writer.wait()
        records = read(path)
        assert [record.number for record in records] == list(range(len(records)))
        assert {number for what, number in promised if what == "added"} <= set(range(len(records)))
        for record in records:
            assert record.params == {"lr": 0.5}  # rows are whole
            if ("reported", record.number) in promised:
                assert record.intermediate == {1: 0.25}
            if ("told", record.number) in promised:
                assert (record.state, record.score) == (TrialState.COMPLETE, 0.5)
            if record.state is TrialState.COMPLETE:
                assert record.notes == Notes(reason="yes")  # notes come before the end
    assert len(promised) >= 80


def test_a_failed_final_counts_while_its_trial_is_a_finalist(path: Path, store: StudyStore) -> None:
    failure = Failure(kind=FailureKind.LOST, message="gone")
    for number in (0, 1):
        store.add(running(number))
        store.set_final(number, failure)
    store.forget_failed_finals([1])
    assert [record.final_failure for record in read(path)] == [None, failure]
