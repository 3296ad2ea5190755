"""One program, from its start to the end of all that it has started.

It gets no stdin and a process group of its own; what it prints goes to a log, to whoever follows
it, and nowhere else. Children that it leaves behind are ended with it.
"""

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

TICK = 0.05  # seconds between two looks at what the program does beside printing
BLOCK = 2**16  # bytes that are read at a time
LOG_LIMIT = 32 * 2**20  # bytes of a log; of what is printed beyond twice that the middle is dropped
KILL_SECONDS = 10.0  # a process that hangs in a device driver may outlive them
_SET_CHILD_SUBREAPER = 36  # of prctl: orphans of a program become children of this process


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    exit_code: int | None  # None: by a signal
    signal: int | None
    reason: str  # why we ended it; empty where it ended by itself
    seconds: float

    @property
    def is_well(self) -> bool:
        """Whether it ended by itself and says that all went well."""
        return not self.reason and self.exit_code == 0


class Log:
    """Its two ends are kept of what a program prints; the last of it is always there."""

    def __init__(self, path: Path, *, limit: int = LOG_LIMIT) -> None:
        self._path = path
        self._limit = limit
        self._file: BinaryIO = path.open("ab")
        self._ends_whole = True

    def write(self, chunk: bytes) -> None:
        """Append; what is full becomes `log.head.txt` once, and later gives way."""
        self._file.write(chunk)
        self._file.flush()
        self._ends_whole = chunk.endswith(b"\n")
        if self._file.tell() >= self._limit:
            self._file.close()
            head = _head_of(self._path)
            if head.exists():
                self._path.unlink()
            else:
                self._path.rename(head)
            self._file = self._path.open("ab")

    def close(self) -> None:
        """End the last line, which is none of the next program's, and close the file."""
        if not self._ends_whole:
            self._file.write(b"\n")
        self._file.close()


def kept(path: Path) -> Iterator[bytes]:
    """The lines that are kept of a log, its beginning first."""
    for part in (_head_of(path), path):
        with contextlib.suppress(FileNotFoundError), part.open("rb") as file:
            yield from file


def kept_bytes(path: Path) -> int:
    """How many bytes `kept` has."""
    return sum(part.stat().st_size for part in (_head_of(path), path) if part.exists())


def _head_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}.head{path.suffix}")


def run_program(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    log: Log,
    heard: Callable[[bytes], str],
    watched: Callable[[], str],
    time_limit: float | None = None,
    grace: float,
) -> Ended:
    """Run it to its end.

    Args:
        argv: The program and its arguments.
        cwd: Where it runs.
        environment: All of its variables.
        log: Gets stdout and stderr.
        heard: Is told what was printed; says why the program is to end, or nothing.
        watched: Says the same, asked every `TICK` seconds.
        time_limit: Seconds.
        grace: Seconds that it has to leave by itself once it is asked by SIGTERM.

    Raises:
        OSError: where it cannot be started.
    """
    _adopt_orphans()
    begun = time.monotonic()
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
    )
    assert process.stdout is not None, "it was asked for"
    reason, kill_at = "", 0.0
    with process.stdout as stdout, selectors.DefaultSelector() as selector:
        os.set_blocking(stdout.fileno(), False)
        selector.register(stdout, selectors.EVENT_READ)
        is_open = True
        while is_open or process.poll() is None:
            chunk = None
            if is_open:
                chunk = _read(stdout.fileno(), selector)
            else:
                _pause(process)
            if chunk:
                log.write(chunk)
            said = heard(chunk) if chunk else ""
            if chunk == b"":
                is_open = False
            if chunk is None and process.poll() is not None:
                break  # a child that it left behind holds the pipe
            now = time.monotonic()
            if not reason:
                late = time_limit is not None and now - begun > time_limit
                reason = said or watched() or (f"after {time_limit:g} s" if late else "")
                if reason:
                    _signal_group(process.pid, signal.SIGTERM)
                    kill_at = now + grace
            elif now > kill_at:
                _signal_group(process.pid, signal.SIGKILL)
                kill_at = now + KILL_SECONDS
    _end_what_is_left(process.pid)
    code = process.wait()
    return Ended(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        reason=reason,
        seconds=time.monotonic() - begun,
    )


def _read(descriptor: int, selector: selectors.BaseSelector) -> bytes | None:
    """What was printed; b"" where the pipe has ended, None where nothing came within a tick."""
    if not selector.select(TICK):
        return None
    try:
        return os.read(descriptor, BLOCK)
    except BlockingIOError:
        return None


def _pause(process: "subprocess.Popen[bytes]") -> None:
    """Wait a tick for a program that has closed its stdout and goes on."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(TICK)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_what_is_left(group: int) -> None:
    """Kill the program's group, and children that have left it: they were handed to us."""
    _signal_group(group, signal.SIGKILL)
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs([child for child in children if child.pid != group], timeout=KILL_SECONDS)


def _adopt_orphans() -> None:
    """Become the parent of whatever a program leaves behind, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
