"""Commands of the lab's own in processes of their own: what they find, and what is left of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.lab.command import TookTooLongError, run_command

PATIENCE = 60.0  # seconds until a test gives up; none waits as long where all is well


def shell(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def pid_in(path: Path) -> int:
    wait_for(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


def is_gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has collected it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def test_how_it_ended_and_what_it_said_are_told_apart() -> None:
    ended = run_command(shell("echo said; echo complained >&2; exit 3"))
    assert (ended.code, ended.stdout, ended.stderr) == (3, "said\n", "complained\n")
    assert (ended.how, ended.complaint) == ("ended with exit code 3", "complained")
    ended = run_command(shell("echo said; kill -s SEGV $$"))
    assert (ended.how, ended.complaint) == ("was ended by signal SIGSEGV", "said")


def test_stdin_is_empty_whatever_this_process_reads_from() -> None:
    code = "from trainer.lab.command import run_command; print(run_command(['cat']))"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,  # which stays open
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "Ended(code=0, stdout='', stderr='')\n"


def test_it_has_no_terminal_to_ask() -> None:
    ended = run_command([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"])
    assert ended.stdout == "True\n"


def test_a_child_that_outlives_the_command_holds_nobody_up_and_is_ended(tmp_path: Path) -> None:
    ended = run_command(shell(f"sleep 1000 & echo $! > {tmp_path}/child; echo done"))
    assert (ended.code, ended.stdout) == (0, "done\n")
    wait_for(lambda: is_gone(pid_in(tmp_path / "child")))


def test_at_its_time_limit_its_whole_group_is_killed(tmp_path: Path) -> None:
    text = f"echo loading >&2; sleep 1000 & echo $! > {tmp_path}/child; sleep 1000"
    with pytest.raises(TookTooLongError, match=r"^loading$"):
        run_command(shell(text), timeout=1.0)
    wait_for(lambda: is_gone(pid_in(tmp_path / "child")))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_its_whole_group_ends_with_the_process_that_runs_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    text = f"sleep 1000 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/leader; wait"
    code = f"from trainer.lab.command import run_command; run_command({shell(text)!r})"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], stderr=subprocess.DEVNULL
    ) as process:
        pids = [pid_in(tmp_path / name) for name in ("child", "leader")]
        assert not any(map(is_gone, pids))
        wait_for(lambda: has_watcher(process.pid))
        os.kill(process.pid, number)
        process.wait()
    wait_for(lambda: all(map(is_gone, pids)))


def has_watcher(pid: int) -> bool:
    """Whether both the command and its watcher are there."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    return any(b"kill -s KILL" in command for command in commands)


def test_a_program_that_is_not_there_is_an_error_of_the_system() -> None:
    with pytest.raises(FileNotFoundError):
        run_command(["/no/such/program"])
