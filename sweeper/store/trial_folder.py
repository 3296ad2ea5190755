"""A trial folder as the sweeper writes and reads it; its names are `trainer.contract`'s."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from sweeper.errors import SweeperError
from trainer.contract import (
    FAILURE,
    RESULT,
    STOP,
    TRIAL,
    WAITING,
    Job,
    write_json_atomic,
)


def prepare_job(folder: Path, job: Job) -> None:
    """Make ``folder`` the trial folder of ``job``; what it holds of another job is removed.

    The same job with its answers in another place is the same job.

    Raises:
        SweeperError: where the folder cannot be written.
    """
    payload = json.loads(json.dumps(job.to_json()))
    try:
        former = read_json(folder / TRIAL)
        if former is None or {**former, "answers": None} != {**payload, "answers": None}:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
        if former != payload:
            write_json_atomic(folder / TRIAL, payload)
        for name in (STOP, WAITING):
            (folder / name).unlink(missing_ok=True)
        if read_result(folder) is None:
            (folder / RESULT).unlink(missing_ok=True)  # empty or torn: the trainer would heed it
    except OSError as error:
        raise SweeperError(f"cannot write the trial folder {folder}: {error}") from error


def ask_to_stop(folder: Path) -> None:
    """Ask the trainer to leave after the epoch in hand."""
    with contextlib.suppress(FileNotFoundError):  # someone removed the folder: nothing to ask
        (folder / STOP).touch()


def read_result(folder: Path) -> dict[str, Any] | None:
    """The result of a trial folder, if its training finished."""
    return read_json(folder / RESULT)


def read_failure(folder: Path) -> dict[str, Any] | None:
    """Class and message of a failure, if the trainer left one."""
    return read_json(folder / FAILURE)


def read_waiting(folder: Path) -> str | None:
    """The key of the stage that a job left waiting for, if it did."""
    waiting = read_json(folder / WAITING)
    return None if waiting is None else str(waiting["stage"])


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where it is missing or no JSON object."""
    try:
        payload = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return payload if isinstance(payload, dict) else None
