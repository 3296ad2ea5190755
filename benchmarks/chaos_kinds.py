"""The ways in which a study is ended, or kept from going on, by the machine that it shares.

Each kind starts a round's study and disturbs it once, at a moment or a write that is drawn; it
returns when that run has ended. What people get to see afterwards is `chaos_comparison`'s affair.
"""

import contextlib
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.chaos_rounds import ROLES, Round
from sweeper.cli.ui import free_port


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way to disturb a study."""

    disturb: Callable[[Round], None]
    lacks: Callable[[], str] = lambda: ""  # what this machine has not that it takes
    by_command: bool = False  # a command scores


def at_a_write(role: str) -> Kind:
    def disturb(round_: Round) -> None:
        at = round_.dice.randint(1, round_.usual.writes[role])
        round_.start(variables=round_.counted(role, at))
        round_.end()

    return Kind(disturb=disturb)


def killed(who: str) -> Kind:
    def disturb(round_: Round) -> None:
        round_.start()
        round_.wait_a_while()
        if who == "driver":
            round_.process.kill()
        elif who == "group":
            for one in [*round_.children("worker"), *round_.children("guard")]:
                with contextlib.suppress(psutil.Error):
                    one.kill()
            round_.process.kill()
        elif found := round_.children(who):
            with contextlib.suppress(psutil.Error):
                round_.dice.choice(found).kill()
        round_.end()

    return Kind(disturb=disturb)


def signalled(number: signal.Signals, times: int = 1) -> Kind:
    def disturb(round_: Round) -> None:
        round_.start()
        round_.wait_a_while()
        for _ in range(times):
            round_.process.send_signal(number)
            time.sleep(0.1)
        round_.end()

    return Kind(disturb=disturb)


def stopped_and_continued(round_: Round) -> None:
    round_.start()
    round_.wait_a_while()
    round_.process.send_signal(signal.SIGSTOP)
    time.sleep(round_.setup.lasting)
    round_.process.send_signal(signal.SIGCONT)
    round_.end()


def terminal_closed(round_: Round) -> None:
    ours, its = pty.openpty()
    os.set_blocking(ours, False)

    def show() -> None:  # a full terminal would block the writer
        with contextlib.suppress(BlockingIOError):
            os.read(ours, 2**16)

    round_.start(terminal=Path(os.ttyname(its)))
    round_.wait_a_while(show)
    os.close(its)
    os.close(ours)
    if round_.dice.random() < 0.5:  # a shell sends it, `setsid` and `disown` keep it away
        round_.process.send_signal(signal.SIGHUP)
    round_.end()


def pipe_closed(round_: Round) -> None:
    pipe = round_.folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    round_.start(terminal=pipe)
    round_.wait_a_while()
    os.close(reader)
    round_.end()


def output_full(round_: Round) -> None:
    round_.start(terminal=Path("/dev/full"))
    round_.end()


def disk_full(round_: Round) -> None:
    """Fill the file system of the workspace under way; make room before the next run."""
    round_.workspace.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "chaos", str(round_.workspace)], check=True
    )
    round_.to_close.callback(subprocess.run, ["umount", "-l", str(round_.workspace)], check=True)
    round_.setup.furnish(round_.workspace)
    round_.start()
    round_.wait_a_while()
    filler = round_.workspace / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    round_.end()
    filler.unlink(missing_ok=True)


def memory_limited(round_: Round) -> None:
    round_.start()
    round_.wait_a_while()
    workers = round_.children("worker")
    for one in workers[: round_.dice.randint(1, 2)]:
        with contextlib.suppress(psutil.Error):
            one.rlimit(psutil.RLIMIT_AS, (one.memory_info().vms, one.memory_info().vms))
    round_.end()


def locked(name: str) -> Kind:
    """Another program writes to a database for a while."""

    def disturb(round_: Round) -> None:
        round_.start()
        round_.wait_a_while()
        path = next(round_.workspace.rglob(name))
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(round_.setup.lasting)
        round_.end()

    return Kind(disturb=disturb)


def lost(name: str, *, how: str) -> Kind:
    """The driver is killed, and a database of it is deleted, emptied or cut in half."""

    def disturb(round_: Round) -> None:
        killed("driver").disturb(round_)
        for path in list(round_.workspace.rglob(name)):
            if how == "deleted":
                for part in path.parent.glob(f"{name}*"):
                    part.unlink()
            else:
                os.truncate(path, 0 if how == "emptied" else path.stat().st_size // 2)

    return Kind(disturb=disturb)


def moved(round_: Round) -> None:
    round_.start()
    round_.wait_a_while()
    there = round_.workspace.with_name("moved workspace")
    round_.workspace.rename(there)
    round_.workspace = there
    round_.database = there / round_.database.name
    round_.end()


def judge_down(round_: Round) -> None:
    """Nobody scores until the study has halted, or ended with trials that failed."""
    round_.start()
    round_.wait_a_while()
    round_.down.touch()
    round_.end()
    round_.down.unlink()


def server_away(round_: Round) -> None:
    """MLflow's server is killed, and started again after a while."""
    port = free_port(port=0)
    line = f'mlflow: {{tracking_uri: "http://127.0.0.1:{port}"}}\n'
    round_.study.write_text(round_.study.read_text() + line)
    round_.variables["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"  # else it only waits
    place = round_.folder / "server"
    place.mkdir()
    round_.setup.furnish(place)
    round_.database = place / "mlflow.db"
    with round_.setup.serving(round_.database, port):
        round_.start()
        round_.wait_a_while()
    time.sleep(round_.setup.lasting)
    round_.to_close.enter_context(round_.setup.serving(round_.database, port))
    round_.end()


def no_mounting() -> str:
    return "" if os.geteuid() == 0 and shutil.which("mount") else "the right to mount a tmpfs"


def no_full_device() -> str:
    return "" if Path("/dev/full").exists() else "/dev/full"


def no_limits() -> str:
    return "" if hasattr(psutil, "RLIMIT_AS") else "limits for other processes"


KINDS: dict[str, Kind] = {
    **{f"SIGKILL at a write of the {role}": at_a_write(role) for role in ROLES},
    "SIGKILL of the driver": killed("driver"),
    "SIGKILL of a worker": killed("worker"),
    "SIGKILL of a guard": killed("guard"),
    "SIGKILL of all": killed("group"),
    "terminal closed": Kind(disturb=terminal_closed),
    "SIGTERM": signalled(signal.SIGTERM),
    "SIGHUP": signalled(signal.SIGHUP),
    "Ctrl-C": signalled(signal.SIGINT),
    "Ctrl-C, twice": signalled(signal.SIGINT, 2),
    "Ctrl-C, five times": signalled(signal.SIGINT, 5),
    "STOP and CONT": Kind(disturb=stopped_and_continued),
    "pipe closed": Kind(disturb=pipe_closed),
    "output full": Kind(disturb=output_full, lacks=no_full_device),
    "disk full": Kind(disturb=disk_full, lacks=no_mounting),
    "memory limit": Kind(disturb=memory_limited, lacks=no_limits),
    "judge down for a while": Kind(disturb=judge_down, by_command=True),
    "MLflow's server away for a while": Kind(disturb=server_away),
    "study.db locked for a while": locked("study.db"),
    "mlflow.db locked for a while": locked("mlflow.db"),
    "mlflow.db deleted": lost("mlflow.db", how="deleted"),
    "mlflow.db cut in half": lost("mlflow.db", how="cut"),
    "study.db deleted": lost("study.db", how="deleted"),
    "study.db cut in half": lost("study.db", how="cut"),
    "state.json emptied": lost("state.json", how="emptied"),
    "workspace moved under way": Kind(disturb=moved),
}
