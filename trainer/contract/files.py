"""The trial folder: the files in which sweeper and trainer meet.

    trial.json      in   the job: spec, device, where stages are
    stop            in   its existence asks the trainer to leave after the epoch in hand
    data.json       out  what the data holds, and what training and evaluation use of it; first
    metrics.jsonl   out  one line an epoch, appended while it runs
    trained.txt     out  the key of each stage that was trained for this folder, appended
    result.json     out  last; its existence means that the training finished
    failure.json    out  instead of result.json: the class of the failure and its message
    waiting.json    out  instead of both: the stage that another job is making; ask again after it
    log.txt         out  stdout and stderr

The JSON files are written whole or not at all. No torch in here.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRIAL, STOP, DATA, METRICS, TRAINED, RESULT, FAILURE, WAITING, LOG = (
    "trial.json",
    "stop",
    "data.json",
    "metrics.jsonl",
    "trained.txt",
    "result.json",
    "failure.json",
    "waiting.json",
    "log.txt",
)

DATA_FORMAT = 1


def write_json_atomic(path: Path, payload: Mapping[str, Any]) -> None:
    """Write ``payload`` so that a reader sees the whole file or no file."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("w") as file:
            json.dump(payload, file, indent=2, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)  # atomic within one file system
    except OSError:
        part.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where it is missing or no JSON object."""
    try:
        payload = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return payload if isinstance(payload, dict) else None
