"""A command of the lab's own, run to its end: it reads nothing, and nothing of it is left behind.

It finds stdin empty and has a session of its own: no terminal to ask, and one group for all that it
starts. That group ends with the command, at its time limit, and with this process, however that
ends: a shell waits at a pipe whose other end is held here, and kills the group when it breaks.
(The guard of a worker does so, too; a job that was started by hand has none.) Output goes to
files, so that a child which outlives the command with its output open holds nobody up.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

WATCHER = 'read -r _ || kill -s KILL -- "-$1"'


class TookTooLongError(Exception):
    """A command was killed at its time limit; the message is the end of what it had said."""


class Ended(NamedTuple):
    """How a command has ended, and what it said."""

    code: int  # of its exit; the number of a signal that ended it, negative
    stdout: str
    stderr: str

    @property
    def how(self) -> str:
        """The end in words."""
        if self.code >= 0:
            return f"ended with exit code {self.code}"
        names = {number.value: number.name for number in signal.Signals}
        return f"was ended by signal {names.get(-self.code, -self.code)}"

    @property
    def complaint(self) -> str:
        """What it wrote to stderr, or else to stdout."""
        return self.stderr.strip() or self.stdout.strip()


def run_command(arguments: Sequence[str], *, timeout: float | None = None) -> Ended:
    """Run a command until it ends.

    Args:
        arguments: The program and what it is given.
        timeout: Seconds after which it is killed; None: never.

    Raises:
        OSError: where it cannot be started.
        TookTooLongError: where it was killed at ``timeout``.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        is_late = False
        try:
            with _ended_with_this_process(process.pid):
                process.wait(timeout)
        except subprocess.TimeoutExpired:
            is_late = True
        finally:
            _kill_group(process.pid)
            code = process.wait()
        ended = Ended(code, _text(stdout), _text(stderr))
    if is_late:
        raise TookTooLongError(ended.complaint)
    return ended


@contextlib.contextmanager
def _ended_with_this_process(group: int) -> Iterator[None]:
    """Have a process group killed if this process ends within the block."""
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", WATCHER, "sh", str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        watcher.communicate(b"\n")


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing of it is left
        os.killpg(group, signal.SIGKILL)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
