"""Files that are written whole: what is on the disk when, and what is left where it cannot be."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainer.contract import append_line, free_name, set_aside, sync_folder, write_json_atomic
from trainer.stage_store import EVALUATIONS, INFO, POLICY, StageStore

Write = Callable[[Path], Path]  # into a folder; returns what was written


def write_json(folder: Path) -> Path:
    write_json_atomic(folder / "result.json", {"a": 1})
    return folder / "result.json"


def write_stage(folder: Path) -> Path:
    StageStore(folder).write("key", {POLICY: {"weight": torch.ones(2)}}, {"phase": "rce"})
    return folder / "key" / INFO


def write_evaluation(folder: Path) -> Path:
    StageStore(folder).write_evaluation("key", {"scores": torch.ones(2)})
    return folder / EVALUATIONS / "key.safetensors"


WRITES = [write_json, write_stage, write_evaluation]


@pytest.mark.parametrize("write", WRITES)
def test_content_is_on_the_disk_before_its_name_and_its_name_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(opened: int) -> None:
        synced.append(os.fstat(opened).st_ino)
        real(opened)

    monkeypatch.setattr(os, "fsync", fsync)
    path = write(tmp_path)
    renamed_in = path.parent if write is not write_stage else path.parent.parent
    file, folder = path.stat().st_ino, renamed_in.stat().st_ino
    assert synced.index(file) < synced.index(folder)
    assert synced[-1] == folder


@pytest.mark.parametrize("write", WRITES)
def test_a_full_disk_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    def fsync(opened: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left on device"):
        write(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_system_that_syncs_no_folders_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [errno.EINVAL, errno.EIO]

    def fsync(opened: int) -> None:
        number = numbers.pop(0)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    sync_folder(tmp_path)
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(tmp_path)


def test_what_is_written_again_stands_alone(tmp_path: Path) -> None:
    write_json(tmp_path)
    write_json_atomic(tmp_path / "result.json", {"b": 2})
    assert json.loads((tmp_path / "result.json").read_text()) == {"b": 2}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_line_behind_a_torn_one_is_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "trained.txt"
    append_line(path, "a", head="format 1")
    append_line(path, "b", head="format 1")
    assert path.read_text() == "format 1\na\nb\n"
    path.write_text("format 1\na\nto")
    append_line(path, "b", head="format 1")
    assert path.read_text() == "format 1\na\nto\nb\n"


def test_what_is_put_aside_gets_a_name_that_nothing_has(tmp_path: Path) -> None:
    names = []
    for content in "ab":
        (tmp_path / "file").write_text(content)
        names.append(set_aside(tmp_path / "file"))
    assert [path.name for path in names] == ["file.damaged-0", "file.damaged-1"]
    assert [path.read_text() for path in names] == ["a", "b"]
    assert set_aside(tmp_path / "file") == free_name(tmp_path / "file.damaged")  # it was gone
