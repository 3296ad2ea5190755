import math
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import pytest
from fakes.rights import without_rights

from trainer.answers import Answer, Prompts
from trainer.answers import file as module
from trainer.answers.file import AnswerFile
from trainer.errors import AnswersError

PROMPTS: Prompts = np.array([[7, 1, 2], [7, 2, 1], [8, 1, 2]])
ANSWERS = [Answer(0.25, 0.5), Answer(1.0, 0.125, "a red square"), Answer(0.0, math.nan, "")]


@pytest.fixture
def store(tmp_path: Path) -> AnswerFile:
    store = AnswerFile(tmp_path / "answers.db")
    store.add("reader", PROMPTS, ANSWERS)
    return store


def filled(path: Path, count: int) -> None:
    store = AnswerFile(path)
    prompts = np.arange(3 * count).reshape(count, 3)
    store.add("reader", prompts, [Answer(i % 2, 0.5) for i in range(count)])
    store.close()


def test_a_truncated_file_is_kept_aside_and_what_can_be_read_lives_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "answers.db"
    filled(path, 5000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    found = AnswerFile(path).look_up("reader", np.arange(15000).reshape(-1, 3))
    known = [(i, answer.score) for i, answer in enumerate(found) if answer is not None]
    assert 0 < len(known) < 5000
    assert all(score == i % 2 for i, score in known)  # fewer, and none of them wrong
    assert (tmp_path / "answers.db.damaged-0").stat().st_size < len(content)
    assert "answers of it can be read, the others are asked anew" in caplog.text


def test_a_file_of_something_else_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "answers.db"
    path.write_bytes(b"these are no answers" * 100)
    store = AnswerFile(path)
    store.add("reader", PROMPTS, ANSWERS)
    assert store.look_up("reader", PROMPTS[:1]) == ANSWERS[:1]
    assert (tmp_path / "answers.db.damaged-0").read_bytes().startswith(b"these are no answers")


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "answers.db"
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version = 2")
    later.close()
    with pytest.raises(AnswersError, match=r"format 2, .* move it away"):
        AnswerFile(path)
    assert [file.name for file in tmp_path.iterdir()] == ["answers.db"]


def test_a_locked_store_says_who_to_look_for(
    store: AnswerFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCKED_SECONDS", 0.1)
    patient = AnswerFile(tmp_path / "answers.db")
    other = sqlite3.connect(tmp_path / "answers.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(AnswersError, match=r"answers\.db: .*locked; another program"):
        patient.look_up("reader", PROMPTS)


def test_a_read_only_store_says_so() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        filled(folder / "answers.db", 3)
        (folder / "answers.db").chmod(0o444)
        folder.chmod(0o555)
        with without_rights():
            store = AnswerFile(folder / "answers.db")
            known = store.look_up("reader", np.arange(9).reshape(3, 3))
            assert store.look_up("another", PROMPTS) == [None] * 3
            with pytest.raises(AnswersError, match="make the file and its folder writable"):
                store.add("reader", PROMPTS + 10, ANSWERS)
        folder.chmod(0o755)
    assert known == [Answer(0.0, 0.5), Answer(1.0, 0.5), Answer(0.0, 0.5)]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match="make sure that its folder exists"):
        AnswerFile(tmp_path / "nowhere" / "answers.db")
