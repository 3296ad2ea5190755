"""The guard is run as the script that it is, with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psutil
import pytest

from sweeper.launchers import guard

DEADLINE = 20.0  # seconds; reached only when a process survives that should not
PYTHON = (sys.executable, "-I", "-S")
PRINT_FAMILY = """
import os, signal, sys
read_end, write_end = os.pipe()
if os.fork() == 0:  # leaves session, process group and parent
    os.setsid()
    if os.fork() == 0:
        os.write(write_end, str(os.getpid()).encode())
        signal.pause()
    os._exit(0)
print(os.getpid(), os.read(read_end, 20).decode(), flush=True)
"""
LIVE_ON = PRINT_FAMILY + "signal.pause()"


class Guarded:
    """A guard over a Python program, and the end of its lifeline."""

    def __init__(self, program: str, *, command: Sequence[str] = (*PYTHON, "-c")) -> None:
        guard_end, self.lifeline = os.pipe()
        self.process = subprocess.Popen(
            [*PYTHON, guard.__file__, str(guard_end), "--", *command, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[guard_end],
            text=True,
        )
        os.close(guard_end)

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def family(self) -> list[psutil.Process]:
        """Worker and daemon, by the line that PRINT_FAMILY prints."""
        return [psutil.Process(int(pid)) for pid in self.line().split()]

    def cut_lifeline(self) -> None:
        if self.lifeline >= 0:
            os.close(self.lifeline)
        self.lifeline = -1


@pytest.fixture
def start() -> Iterator[type[Guarded]]:
    started: list[Guarded] = []

    class Started(Guarded):
        def __init__(self, program: str, **settings: Any) -> None:
            super().__init__(program, **settings)
            started.append(self)

    yield Started
    for guarded in started:
        guarded.cut_lifeline()
        guarded.process.communicate(timeout=DEADLINE)


def assert_gone(processes: list[psutil.Process]) -> None:
    deadline = time.monotonic() + DEADLINE
    while alive := [process for process in processes if is_alive(process)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.005)


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)  # a corpse is its parent's affair
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("", 0),
        ("raise SystemExit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", 128 + 9),
        ("import os; os.abort()", 128 + 6),
    ],
)
def test_guard_exits_with_the_code_of_its_worker(
    start: type[Guarded], program: str, expected: int
) -> None:
    assert start(program).process.wait(DEADLINE) == expected


def test_worker_talks_through_the_guards_own_streams(start: type[Guarded]) -> None:
    program = "import sys; print(input() + '!'); print('oh', file=sys.stderr)"
    assert start(program).process.communicate("hello\n", timeout=DEADLINE) == ("hello!\n", "oh\n")


def test_command_that_does_not_exist_is_named(start: type[Guarded]) -> None:
    guarded = start("argument", command=("no-such-command",))
    message = "guard: cannot start 'no-such-command': No such file or directory\n"
    assert guarded.process.communicate(timeout=DEADLINE) == ("", message)
    assert guarded.process.returncode == 127


def test_end_of_the_lifeline_ends_worker_and_daemon(start: type[Guarded]) -> None:
    guarded = start(LIVE_ON)
    family = guarded.family()
    assert len(family) == 2
    guarded.cut_lifeline()
    assert_gone(family)
    assert guarded.process.wait(DEADLINE) == 128 + signal.SIGKILL


def test_end_of_the_worker_ends_its_daemon(start: type[Guarded]) -> None:
    guarded = start(PRINT_FAMILY + "input()\nsys.exit(5)")
    family = guarded.family()
    assert guarded.process.stdin is not None
    guarded.process.stdin.write("go\n")
    guarded.process.stdin.flush()
    assert guarded.process.wait(DEADLINE) == 5
    assert_gone(family)


def test_processes_that_keep_forking_are_all_caught(start: type[Guarded]) -> None:
    program = """
import os, time
print(flush=True)
while True:  # every child replaces its parent, in a session of its own
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.02)
"""
    # the worker itself ends at once, so the guard has nobody left but processes on the run
    guarded = start(program)
    assert guarded.line() == ""
    assert guarded.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signal_to_the_guard_ends_the_worker(start: type[Guarded], number: signal.Signals) -> None:
    guarded = start("import os, signal; print(os.getpid(), flush=True); signal.pause()")
    worker = guarded.family()
    guarded.process.send_signal(number)
    assert_gone(worker)


def test_worker_does_not_inherit_the_lifeline(start: type[Guarded]) -> None:
    guarded = start("import os; print(*os.listdir('/proc/self/fd'))")
    # 0, 1, 2 and the descriptor that lists the folder
    assert guarded.line().split() == ["0", "1", "2", "3"]


def test_worker_has_the_guards_session_and_its_own_group(start: type[Guarded]) -> None:
    guarded = start("import os; print(os.getsid(0), os.getpgrp(), os.getpid())")
    session, group, worker = map(int, guarded.line().split())
    assert session == guarded.process.pid
    assert group == worker


def test_worker_finds_the_default_signal_handlers(start: type[Guarded]) -> None:
    # not Python, which ignores some signals on its own
    ignored = int(start("/proc/self/status", command=("grep", "SigIgn")).line().split()[1], 16)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD", "SIGPIPE", "SIGXFSZ"):
        assert not ignored & (1 << (signal.Signals[name] - 1)), name


def test_kill_minus_nine_of_the_driver_leaves_nothing() -> None:
    driver_program = f"""
import os, signal, subprocess
guard_end, lifeline = os.pipe()
subprocess.Popen(
    [*{PYTHON!r}, {guard.__file__!r}, str(guard_end), "--", *{PYTHON!r}, "-c", {LIVE_ON!r}],
    pass_fds=[guard_end],
)
os.close(guard_end)
signal.pause()
"""
    with subprocess.Popen(
        [*PYTHON, "-c", driver_program], stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        family = [psutil.Process(int(pid)) for pid in driver.stdout.readline().split()]
        assert len(family) == 2
        driver.send_signal(signal.SIGKILL)
        assert_gone(family)
