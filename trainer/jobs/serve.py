"""A warm worker: one trial folder a line on stdin, one event a line on stdout.

Importing torch and loading data is paid once. Everything that a job prints goes to the `log.txt` of
its folder, and whatever reads stdin finds it empty; on the level of file descriptors, so that no
library and no child can disturb the events or take the folders.

    in    "/path/of/a/trial"                                      a JSON string
    out   {"event": "ready"}
          {"event": "epoch", "folder": ...}
          {"event": "ended", "folder": ..., "status": STATUS}, which is one of
              "completed", "failed", "stopped", "waiting"

A worker whose memory ran out, or whose device is lost, says nothing more: it ends with exit code 75
once the reason stands in the folder, so that no other folder is handed to it.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from trainer.contract import LOG
from trainer.errors import InputError
from trainer.jobs.run import InputCache, LoadInputs, run_folder


def serve(stdin: TextIO, *, load_inputs: LoadInputs | None = None) -> None:
    """Work through folders until ``stdin`` ends.

    Args:
        stdin: One JSON string a line; nothing of it was read so far.
        load_inputs: Gives the task of a spec, and its reader on a device; None loads each once.

    Raises:
        InputError: for a line that is no JSON string; who sends such lines does not mean us.
        SystemExit: where this process had better do no other job.
    """
    inputs = InputCache() if load_inputs is None else load_inputs
    with os.fdopen(os.dup(1), "w") as events, os.fdopen(os.dup(stdin.fileno())) as folders:
        os.dup2(2, 1)  # what is printed between jobs must not be taken for an event
        with open(os.devnull) as nothing:  # noqa: PTH123  (a descriptor is what is wanted)
            os.dup2(nothing.fileno(), stdin.fileno())

        def say(**event: Any) -> None:
            events.write(json.dumps(event) + "\n")
            events.flush()

        say(event="ready")
        for line in folders:
            folder = _folder(line)
            with _printing_to(folder / LOG):
                status = run_folder(
                    folder,
                    inputs,
                    on_epoch=lambda f=folder: say(event="epoch", folder=str(f)),  # type: ignore[misc]
                )
            if status == "broken":
                raise SystemExit(os.EX_TEMPFAIL)
            say(event="ended", folder=str(folder), status=status)


def _folder(line: str) -> Path:
    try:
        return Path(json.loads(line))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"a line on stdin must be a folder as a JSON string, but got {line.strip()!r}"
        ) from error


@contextlib.contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Send file descriptors 1 and 2 to a file, appended; where it can't be opened, leave them."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        print(f"cannot write {path}: {error}", file=sys.stderr)
        yield
        return
    saved = [os.dup(1), os.dup(2)]
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for target, original in enumerate(saved, start=1):
            os.dup2(original, target)
            os.close(original)
        os.close(log)
