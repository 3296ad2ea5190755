"""The trial folder: the files in which sweeper and trainer meet.

    trial.json      in   the job: spec, device, where stages are
    stop            in   its existence asks the trainer to leave after the epoch in hand
    data.json       out  what the data holds, and what training and evaluation use of it; first
    metrics.jsonl   out  one line an epoch, appended while it runs
    trained.txt     out  the key of each stage that was trained for this folder, appended
    calls.txt       out  what was asked for the stage in hand; removed with its line
    result.json     out  last; its existence means that the training finished
    failure.json    out  instead of result.json: the class of the failure and its message
    waiting.json    out  instead of both: the stage that another job is making; ask again after it
    log.txt         out  stdout and stderr

The JSON files are written whole or not at all, and stay so when the power fails. No torch in here.
"""

import contextlib
import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRIAL, STOP, DATA, METRICS, TRAINED, CALLS, RESULT, FAILURE, WAITING, LOG = (
    "trial.json",
    "stop",
    "data.json",
    "metrics.jsonl",
    "trained.txt",
    "calls.txt",
    "result.json",
    "failure.json",
    "waiting.json",
    "log.txt",
)

DATA_FORMAT = 1


def write_json_atomic(path: Path, payload: Mapping[str, Any]) -> None:
    """Write ``payload`` so that a reader sees the whole file or no file."""
    write_text_atomic(path, json.dumps(payload, indent=2, allow_nan=False))


def write_text_atomic(path: Path, text: str) -> None:
    """Write ``text`` so that a reader sees the whole file or what stood there before."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)  # atomic within one file system
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)  # of a disk that is full


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: without it a power cut may undo a rename."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # this file system syncs no folders
            raise
    finally:
        os.close(opened)


def append_line(path: Path, line: str, *, head: str) -> None:
    """Append a line, below ``head`` in a file that is new, and on a line of its own behind a torn
    one.
    """
    with path.open("ab+") as file:
        if file.tell() == 0:
            line = f"{head}\n{line}"
        else:
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(f"{line}\n".encode())


def set_aside(path: Path) -> Path:
    """Give a file that is of no use a name beside its own; the name, taken or not."""
    aside = free_name(path.with_name(f"{path.name}.damaged"))
    with contextlib.suppress(FileNotFoundError):  # another process was quicker
        path.rename(aside)
    return aside


def free_name(wanted: Path) -> Path:
    """The first of ``wanted``-0, ``wanted``-1 ... that nothing has."""
    count = 0
    while (path := wanted.with_name(f"{wanted.name}-{count}")).exists():
        count += 1
    return path


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where it is missing or no JSON object."""
    try:
        payload = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None
