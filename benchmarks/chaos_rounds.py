"""A round of the chaos benchmark: a study that is started, disturbed, and run until it ends well.

How a driver is started and which study it runs is the caller's affair (`Setup`): the benchmark runs
the real command and trainer, the tests a driver that is forked and a trainer that does not train.
"""

import contextlib
import os
import random
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

POINTS = Path(__file__).with_name("chaos_points")
MARK = "CHAOS_ROUND"  # in the environment of every process of a round
RUNS = 4  # at most, after the one that was disturbed
PATIENCE = 300.0  # seconds for one run
ROLES = ("driver", "worker")


class Process(Protocol):
    """As much of `subprocess.Popen` as a round asks for."""

    pid: int

    def poll(self) -> int | None:
        """Exit code, or minus the signal's number; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait so many seconds for the exit code."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, if it still runs."""

    def kill(self) -> None:
        """Send SIGKILL, if it still runs."""


class Start(Protocol):
    """Starts `sweeper run` in a session of its own."""

    def __call__(self, round_: "Round", *, terminal: Path, variables: Mapping[str, str]) -> Process:
        """Start it on the round's study and workspace; ``terminal`` is its input and output."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is run, in all rounds alike."""

    study: str  # the text of the study file; its name is chaos
    by_command: str  # the same with a judge that fails while the file CHAOS_DOWN is there
    start: Start
    serving: Callable[[Path, int], AbstractContextManager[None]]  # MLflow: database, port
    furnish: Callable[[Path], None] = lambda folder: (
        None
    )  # what a new folder of MLflow's begins with
    lasting: float  # seconds that a lock, a stop or an absence lasts


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much there is of an undisturbed run."""

    seconds: float = 0.0
    rows: int = 0  # how often the driver writes one
    writes: Mapping[str, int] = field(default_factory=dict)  # by role


@dataclass(kw_only=True)
class Round:
    """One study that is to be disturbed, in a folder of its own."""

    setup: Setup
    folder: Path
    dice: random.Random
    usual: Extent
    workspace: Path = field(init=False)
    database: Path = field(init=False)  # of MLflow
    variables: dict[str, str] = field(default_factory=dict)  # of every run of this round
    to_close: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.workspace = self.folder / "workspace"
        self.database = self.workspace / "mlflow.db"
        self.study.write_text(self.setup.study)

    @property
    def study(self) -> Path:
        """The study file."""
        return self.folder / "chaos.yaml"

    @property
    def errors(self) -> Path:
        """What its drivers said of errors."""
        return self.folder / "errors.txt"

    @property
    def down(self) -> Path:
        """The file that says that the judge is down."""
        return self.folder / "down"

    def furnish(self) -> None:
        """Make the workspace, if there is none."""
        if not self.workspace.exists():
            self.workspace.mkdir()
            self.setup.furnish(self.workspace)

    def start(
        self, *, terminal: Path = Path(os.devnull), variables: Mapping[str, str] | None = None
    ) -> None:
        """Begin a run whose input and output is ``terminal``."""
        self.furnish()
        marks = {MARK: str(self.folder), "CHAOS_DOWN": str(self.down)}
        given = {**marks, **self.variables, **(variables or {})}
        self.process = self.setup.start(self, terminal=terminal, variables=given)

    def wait_a_while(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Let it come to a row that is drawn: it is then busy with what follows."""
        rows = self.dice.randint(1, self.usual.rows - 1)
        while self.process.poll() is None and self.rows() < rows:
            meanwhile()
            time.sleep(0.01)

    def rows(self) -> int:
        """How often the driver has written a row so far."""
        try:
            return (self.workspace / "sweeps" / "chaos" / "rows.jsonl").read_bytes().count(b"\n")
        except OSError:
            return 0

    def children(self, of: str) -> list[psutil.Process]:
        """Living guards, or workers, of the driver."""
        with contextlib.suppress(psutil.Error):
            family = psutil.Process(self.process.pid).children(recursive=True)
            return [
                one for one in family if ("guard.py" in " ".join(one.cmdline())) == (of == "guard")
            ]
        return []

    def end(self) -> int:
        """Wait for the run's own end."""
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Give back what the round took of the machine."""
        self.to_close.close()

    def counted(self, role: str = "", at: int = 0) -> dict[str, str]:
        """The variables that have the writes counted, and a process of ``role`` killed at one."""
        return {
            "PYTHONPATH": os.pathsep.join([str(POINTS), os.environ.get("PYTHONPATH", "")]),
            "CHAOS_POINTS": str(self.folder / "points"),
            "CHAOS_ROLE": role,
            "CHAOS_KILL_AT": str(at),
        }


def finished(round_: Round) -> int | None:
    """Run a disturbed study until it ends well: how often that took; None if it never does."""
    for run in range(1, RUNS + 1):
        round_.start()
        if round_.end() == 0:
            return run
    return None


def undisturbed(round_: Round) -> Extent:
    """Run a study that nobody disturbs."""
    begin = time.monotonic()
    round_.start(variables=round_.counted())
    assert round_.end() == 0, "the undisturbed study must end well"
    return Extent(
        seconds=time.monotonic() - begin,
        rows=round_.rows(),
        writes={role: (round_.folder / f"points-{role}").stat().st_size for role in ROLES},
    )


@contextlib.contextmanager
def streams(terminal: Path) -> Iterator[tuple[int, int]]:
    """Descriptors of input and output for a driver. A terminal becomes nobody's controlling one."""
    source = terminal if terminal.is_char_device() else Path(os.devnull)
    given = os.open(source, os.O_RDONLY | os.O_NOCTTY)
    out = os.open(terminal, os.O_WRONLY | os.O_NOCTTY)
    try:
        yield given, out
    finally:
        os.close(given)
        os.close(out)


def wait_for_server(port: int) -> None:
    """Return once MLflow answers on a port of this machine."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
