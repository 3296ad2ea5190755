"""A trial folder as the sweeper makes it ready for a job, and asks the job to stop."""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from sweeper.errors import SweeperError
from sweeper.outcomes import (
    FAILURE,
    FORMAT,
    METRICS,
    RESULT,
    STOP,
    TRIAL,
    WAITING,
    read_json,
    write_json_atomic,
)


def prepare_job(folder: Path, job: Mapping[str, object]) -> None:
    """Make ``folder`` the trial folder of ``job``; what it holds of another job is removed.

    The same job with its answers in another place is the same job.

    Args:
        folder: Made, if need be.
        job: The content of its `trial.json`.

    Raises:
        SweeperError: where the folder cannot be written.
    """
    payload = json.loads(json.dumps(job))
    try:
        former = read_json(folder / TRIAL)
        if former is None or _asked(former) != _asked(payload):
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
        if former != payload:
            write_json_atomic(folder / TRIAL, payload)
        for name in (STOP, WAITING):
            (folder / name).unlink(missing_ok=True)
        if read_json(folder / RESULT) is None:
            (folder / RESULT).unlink(missing_ok=True)  # empty or torn: the trainer would heed it
    except OSError as error:
        raise SweeperError(f"cannot write the trial folder {folder}: {error}") from error


def _asked(job: Mapping[str, object]) -> dict[str, object]:
    """What a job asks for: neither where its answers are kept nor the format that says so."""
    return {key: value for key, value in job.items() if key not in ("answers", FORMAT)}


def forget_ending(folder: Path) -> None:
    """Remove how an earlier job ended, for a next one: a trainer takes whatever result it finds for
    its own, and may die before it has removed the rest.

    Raises:
        SweeperError: where the folder cannot be written.
    """
    try:
        for name in (RESULT, FAILURE, WAITING, STOP):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise SweeperError(f"cannot write the trial folder {folder}: {error}") from error


def forget_epochs(folder: Path) -> None:
    """Remove the epochs that a job wrote, for one that tells them anew from its stages.

    Raises:
        SweeperError: where the folder cannot be written.
    """
    try:
        (folder / METRICS).unlink(missing_ok=True)
    except OSError as error:
        raise SweeperError(f"cannot write the trial folder {folder}: {error}") from error


def ask_to_stop(folder: Path) -> None:
    """Ask the trainer to leave after the epoch in hand."""
    with contextlib.suppress(FileNotFoundError):  # someone removed the folder: nothing to ask
        (folder / STOP).touch()


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def end_of_file(path: Path, size: int, *, since: int = 0) -> str:
    """The last ``size`` bytes of a file, or those after byte ``since`` where these are fewer, as
    text; empty where there is none.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
