"""The guard of one worker: when the driver dies, however it dies, nothing of the worker is left.

    python -I -S guard.py LIFELINE_FD -- COMMAND...

The lifeline is the read end of a pipe whose only write end the driver holds: when it ends, the
driver has. As the subreaper of all its descendants the guard finds those too that left the process
group or lost their parent. It exits with the worker's code (128 + number of the signal that ended
it), after the last descendant. Where there is no /proc, only the worker's process group is killed.
A script of its own with a handful of small modules, because one is started for every worker.
Must not know jobs, slots or the protocol of the worker.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LEAVE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: Sequence[str]) -> int:
    """Guard the command in ``arguments`` and return its exit code."""
    lifeline, command = int(arguments[0]), arguments[2:]
    os.set_inheritable(lifeline, False)
    if os.getsid(0) != os.getpid():
        os.setsid()  # a Ctrl-C in the driver's terminal stays there
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    signals = _signal_pipe()
    worker = _start(command)
    code = _watch(worker, lifeline, signals)
    _kill_descendants(worker)
    return code


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _signal_pipe() -> int:
    """Return a file descriptor on which every caught signal's number arrives as a byte."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *LEAVE):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the worker would inherit
    return read_end


def _start(command: Sequence[str]) -> int:
    """Start the worker in a process group of its own and return its process id."""
    worker = os.fork()
    if worker:
        return worker
    try:
        os.setpgid(0, 0)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a killed guard takes the worker along
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # Python ignores them, and exec hands that on
        os.execvp(command[0], list(command))
    except OSError as error:
        os.write(2, f"guard: cannot start {command[0]!r}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _watch(worker: int, lifeline: int, signals: int) -> int:
    """Return the worker's exit code once it, the driver or the guard has to go."""
    while True:
        ready, _, _ = select.select([lifeline, signals], [], [])
        if lifeline in ready:
            return 128 + signal.SIGKILL
        received = os.read(signals, 4096)
        for number in LEAVE:
            if number in received:
                return 128 + number
        code = _reap(worker)
        if code is not None:
            return code


def _reap(worker: int) -> int | None:
    """Collect every child that has ended; return the worker's exit code if it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == worker:
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code


def _kill_descendants(worker: int) -> None:
    """Kill the children until there are none: a killed one leaves its own to the subreaper."""
    while True:
        if sys.platform == "linux":
            for pid in _children(os.getpid()):
                _kill(pid)
        else:
            _kill(-worker)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
        _reap(worker)  # all that have ended by now, to look for children less often


def _kill(pid: int) -> None:
    # it may have ended, or run as another user
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _children(parent: int) -> list[int]:
    names = os.listdir("/proc")  # noqa: PTH208  (importing pathlib would double the start-up time)
    return [int(name) for name in names if name.isdigit() and _parent(name) == parent]


def _parent(pid: str) -> int:
    """Return the parent's process id, or -1 for a process that has just gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            content = file.read()
    except OSError:
        return -1
    return int(content[content.rindex(b")") + 1 :].split()[1])  # a name may hold blanks and ")"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
