"""One process under its guard, and the lines that the driver exchanges with a warm worker.

The driver writes a line a job: the absolute trial folder as a JSON string. The worker prints a line
an event, and whatever else it prints is passed over; its stderr goes to a log:

    {"event": "ready"}
    {"event": "epoch", "folder": ...}
    {"event": "ended", "folder": ..., "status": STATUS}, which is one of
        "completed", "failed", "stopped", "waiting"

One that had better do no other job ends in place of that; the folder says why.

Knows one process; neither slots nor jobs.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.errors import LauncherError
from sweeper.launchers import guard

MAX_LINE = 2**20  # bytes; what prints longer lines is no event
LOG_TAIL = 2000  # bytes of a log that an error message shows
KILL_TIMEOUT = 30.0  # seconds; a process hanging in a device driver may never end


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a worker said."""

    kind: str
    folder: str | None = None
    status: str | None = None


def parse_event(line: bytes) -> Event | None:
    """Read one line of a worker's stdout; None if it is no event."""
    try:
        payload: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict) or payload.get("event") not in ("ready", "epoch", "ended"):
        return None
    return Event(kind=payload["event"], folder=payload.get("folder"), status=payload.get("status"))


class Worker:
    """A worker process that takes one trial folder after another."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        is_warm: bool = True,
    ) -> None:
        """Start ``command`` under a guard, its stderr appended to ``log``.

        Args:
            command: With its arguments.
            environment: All of it.
            log: Made, if need be.
            is_warm: It takes folders on stdin. One that does not finds stdin empty, and what it
                prints is appended to ``log``, too; events of epochs are heeded all the same.

        Raises:
            LauncherError: if no process can be started or the log cannot be written.
        """
        self.ready = False
        self.ended = False  # nothing of it is left but an exit code
        self.log = log
        self._is_warm = is_warm
        self._unread = b""
        try:
            self._start(command, environment)
        except OSError as error:
            raise LauncherError(f"Cannot start a worker (its log is {log}): {error}") from error

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        guard_end, own_end = os.pipe()
        self._lifeline = os.fdopen(own_end, "wb", buffering=0)
        try:
            with self.log.open("ab") as stderr:
                self._log_start = stderr.tell()
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", guard.__file__, str(guard_end), "--", *command],
                    stdin=subprocess.PIPE if self._is_warm else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env=environment,
                    pass_fds=[guard_end],
                    bufsize=0,
                    start_new_session=True,  # a Ctrl-C before the guard's first line would reach it
                )
        except OSError:
            self._lifeline.close()
            raise
        finally:
            os.close(guard_end)
        os.set_blocking(self.fileno(), False)

    @property
    def guard_pid(self) -> int:
        """Process id of the guard; the worker is its child."""
        return self._process.pid

    def fileno(self) -> int:
        """Return the descriptor that turns readable when the worker has said something or ended."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def send(self, folder: Path) -> None:
        """Hand over a trial folder. If the worker has died, `receive` will tell."""
        assert self._process.stdin is not None, "a warm worker has one"
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(str(folder)).encode() + b"\n")

    def receive(self) -> list[Event]:
        """Return what the worker has said since the last time, and notice its end. Never waits."""
        try:
            chunk = os.read(self.fileno(), 2**16)
        except BlockingIOError:
            return []
        if not self._is_warm and chunk:
            with self.log.open("ab") as file:
                file.write(chunk)
        self.ended = not chunk  # the guard holds this pipe too, and leaves last
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        if len(self._unread) > MAX_LINE:
            self._unread = b""
        events = [event for event in map(parse_event, lines) if event is not None]
        self.ready = self.ready or any(event.kind == "ready" for event in events)
        return events

    def kill(self) -> None:
        """Let the guard kill every process of the worker; `wait` waits for that."""
        self._lifeline.close()

    def wait(self) -> int:
        """Wait for the end of a killed or ended worker and return its exit code.

        Raises:
            LauncherError: if a process of it cannot be killed.
        """
        try:
            code = self._process.wait(KILL_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise LauncherError(
                f"A worker cannot be killed: a child of process {self.guard_pid} hangs in the "
                "kernel, perhaps in a device driver. Its slot is lost until the machine restarts."
            ) from error
        finally:
            self._lifeline.close()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
        self.ended = True
        return code

    def note(self, text: str) -> None:
        """Append a line to the worker's log, unless it has gone with its folder."""
        with contextlib.suppress(OSError), self.log.open("a") as file:
            file.write(f"sweeper: {text}\n")

    def log_tail(self) -> str:
        """Return the end of what this worker has written to its log."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._log_start, size - LOG_TAIL))
            return file.read().decode(errors="replace").strip()
