import contextlib
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock
import numpy as np
import pytest
from fakes.rights import without_rights

from trainer.answers import Answer
from trainer.answers.appended import AppendedAnswers, rows_of
from trainer.answers.file import AnswerFile
from trainer.errors import AnswersError

PROMPTS = np.array([[7, 1, 2], [7, 2, 1], [8, 1, 2]])
ANSWERS = [Answer(0.25, 0.5), Answer(1.0, 0.125, "a red\nsquare"), Answer(0.0, 0.5)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.db"


def filled(path: Path, prompts: slice = slice(None)) -> AppendedAnswers:
    store = AppendedAnswers(path)
    store.add("reader", PROMPTS[prompts], ANSWERS[prompts])
    return store


def added(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.added"))


def known(path: Path) -> list[Answer | None]:
    store = AppendedAnswers(path)
    found = store.look_up("reader", PROMPTS)
    store.close()
    return found


def test_a_process_that_only_reads_leaves_nothing(path: Path) -> None:
    assert known(path) == [None, None, None]
    assert {file.name for file in path.parent.iterdir()} <= {"answers.db.merge"}


def test_what_ended_is_merged_and_what_is_at_work_is_left_alone(path: Path) -> None:
    filled(path, slice(0, 1)).close()
    [ended] = added(path)
    at_work = filled(path, slice(1, 2))  # which merges what has ended
    assert not ended.exists()
    assert len(AnswerFile(path)) == 1
    assert known(path) == [*ANSWERS[:2], None]
    assert len(AnswerFile(path)) == 1
    at_work.add("reader", PROMPTS[2:], ANSWERS[2:])
    at_work.close()
    assert known(path) == ANSWERS
    assert added(path) == []
    assert len(AnswerFile(path)) == 3


def test_who_has_the_store_open_finds_what_was_merged_meanwhile(path: Path) -> None:
    reading = AppendedAnswers(path)
    writing = filled(path, slice(0, 2))
    writing.close()
    AppendedAnswers(path).close()  # merges
    assert reading.look_up("reader", PROMPTS) == [*ANSWERS[:2], None]
    filled(path, slice(2, 3)).close()
    AppendedAnswers(path).close()
    assert reading.look_up("reader", PROMPTS) == ANSWERS
    assert len(reading) == 3


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from trainer.answers import Answer
from trainer.answers.appended import AppendedAnswers
store = AppendedAnswers(Path(sys.argv[1]))
store.add("reader", np.array([[7, 1, 2]]), [Answer(0.25, 0.5)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_was_killed_is_merged(path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == -9
    assert len(added(path)) == 1
    assert known(path) == [ANSWERS[0], None, None]
    assert added(path) == []


@pytest.mark.parametrize("lost", [2, 5, 30])
def test_a_torn_last_line_is_no_answer(path: Path, lost: int) -> None:
    filled(path).close()
    [file] = added(path)
    file.write_bytes(file.read_bytes()[:-lost])
    assert known(path) == [*ANSWERS[:2], None]


def test_a_line_that_is_being_written_is_read_once_it_is_whole(path: Path) -> None:
    reading, writing = AppendedAnswers(path), filled(path)
    [file] = added(path)
    content = file.read_bytes()
    file.write_bytes(content[:-30])
    assert reading.look_up("reader", PROMPTS) == [*ANSWERS[:2], None]
    file.write_bytes(content)
    assert reading.look_up("reader", PROMPTS) == ANSWERS
    writing.close()


@contextlib.contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size`` bytes, as on a disk that is full then."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_what_a_full_disk_tore_is_said_and_spoils_nothing_that_follows(path: Path) -> None:
    store = filled(path, slice(0, 1))
    [file] = added(path)
    with (
        disk_of(file.stat().st_size + 20),
        pytest.raises(AnswersError, match=r"answers\.db: the answer store: .*File too large"),
    ):
        store.add("reader", PROMPTS[1:2], ANSWERS[1:2])
    assert not file.read_bytes().endswith(b"\n")  # the line is half there
    assert store.look_up("reader", PROMPTS) == [ANSWERS[0], None, None]
    store.add("reader", PROMPTS[2:], ANSWERS[2:])
    store.close()
    assert known(path) == [ANSWERS[0], None, ANSWERS[2]]


def test_every_flipped_bit_is_found(path: Path) -> None:
    filled(path, slice(1, 2)).close()
    content = added(path)[0].read_bytes()
    assert list(rows_of(content).values()) == [ANSWERS[1]]
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytes([*content[:place], content[place] ^ 1 << bit, *content[place + 1 :]])
            assert rows_of(flipped) == {}


def test_a_merge_that_was_killed_before_it_cleaned_up_is_done_again(path: Path) -> None:
    filled(path, slice(0, 2)).close()
    [file] = added(path)
    content = file.read_bytes()
    known(path)  # merges
    file.write_bytes(content)
    path.with_name("answers.db.part").write_bytes(b"half a copy")
    assert known(path) == [*ANSWERS[:2], None]
    assert added(path) == []
    assert len(AnswerFile(path)) == 2


def test_while_another_merges_nobody_waits_and_nothing_is_missing(path: Path) -> None:
    filled(path).close()
    with filelock.FileLock(f"{path}.merge"):
        assert known(path) == ANSWERS
    assert len(added(path)) == 1


def test_a_merged_file_that_was_changed_in_place_is_opened_anew(path: Path) -> None:
    filled(path).close()
    store = AppendedAnswers(path)
    assert store._merged is not None
    store._merged.close()  # as where a server has thrown away what another host replaced
    assert store.look_up("reader", PROMPTS) == ANSWERS


def test_a_damaged_merged_file_is_mended_and_keeps_a_backup(path: Path) -> None:
    filled(path).close()
    known(path)
    path.write_bytes(path.read_bytes()[:5000])
    assert known(path) == [None, None, None]
    assert path.with_name("answers.db.damaged-0").stat().st_size == 5000
    filled(path).close()
    assert known(path) == ANSWERS


def test_a_file_of_one_host_goes_on_where_it_is_shared(path: Path) -> None:
    alone = AnswerFile(path)
    alone.add("reader", PROMPTS[:2], ANSWERS[:2])
    alone.close()
    filled(path).close()
    assert known(path) == ANSWERS
    assert AnswerFile(path).look_up("reader", PROMPTS) == ANSWERS


def test_a_read_only_store_answers_what_it_knows() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        path = Path(name) / "answers.db"
        filled(path, slice(0, 1)).close()
        known(path)
        filled(path, slice(1, 2)).close()
        Path(name).chmod(0o555)
        with without_rights():
            store = AppendedAnswers(path)
            found = store.look_up("reader", PROMPTS)
            with pytest.raises(AnswersError, match="make its folder writable"):
                store.add("reader", PROMPTS, ANSWERS)
        Path(name).chmod(0o755)
    assert found == [*ANSWERS[:2], None]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match=r"nowhere.*make sure that its folder exists"):
        AppendedAnswers(tmp_path / "nowhere" / "answers.db").add("reader", PROMPTS, ANSWERS)
