"""Ends a study in the ways that a shared machine knows, runs it again, and looks for what is lost.

    python benchmarks/chaos.py [--rounds 3] [--seed 0] [--kinds "Ctrl-C" "disk full" ...]

Each round starts the study in a fresh workspace, disturbs it at a moment or at a write that is
drawn, and repeats `sweeper run` until it ends well. It has survived if `export --all` gives the
same bytes as an undisturbed run, MLflow shows the same runs with the same statuses, parameters and
final numbers, every stage verifies, and no process is left.
"""

import argparse
import contextlib
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sweeper.store.workspace import Workspace
from trainer.errors import StageError
from trainer.stage_store import INFO, read_stage

SWEEPER = str(Path(sys.executable).with_name("sweeper"))
POINTS = Path(__file__).with_name("chaos_points")
STUDY = """\
name: chaos
trainer:
  task: {name: easy_vqa, training_queries: 64}
  policy: {hidden_dim: 16}
  evaluate: {questions: 32, holdout: 32}
  phases:
    - rce: {epochs: 2, lr: 3e-3, batch_size: 8}
    - grpo: {lr: "${lr}", kl_beta: "${kl_beta}", epochs: "${epochs}", batch_size: 8}
parameters:
  lr: {min: 1e-4, max: 1e-1, log: true}
  kl_beta: {min: 0.01, max: 0.3}
  epochs: {min: 1, max: 3, fidelity: true}
baseline: {lr: 1e-3, kl_beta: 0.1, epochs: 1}
trials: 8
resources: {devices: cpu, slots_per_device: 2}
"""
MARK = "CHAOS_ROUND"  # in the environment of every process of a round
RUNS = 4  # at most, after the one that was disturbed
PATIENCE = 300.0  # seconds for one run
UNEQUAL = ("reader_calls_saved", "seconds")  # final numbers that depend on who came first


@dataclass(kw_only=True)
class Round:
    """One study that is to be disturbed."""

    workspace: Path
    dice: random.Random
    usual: float  # seconds of an undisturbed run
    points: Mapping[str, int]  # writes of an undisturbed run, by role
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def study(self) -> Path:
        """The study file."""
        return self.workspace.parent / "chaos.yaml"

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.workspace / "sweeps" / "chaos"

    def start(
        self,
        *,
        stdout: int = subprocess.DEVNULL,
        stdin: int = subprocess.DEVNULL,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Begin a run."""
        self.process = subprocess.Popen(
            [SWEEPER, "--workspace", str(self.workspace), "run", str(self.study)],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            env={**os.environ, MARK: str(self.workspace.parent), **(variables or {})},
            start_new_session=True,
        )

    def wait_a_while(self) -> None:
        """Let it come to a moment that is drawn, between its first trial and its usual end."""
        trials = self.folder / "trials"
        while self.process.poll() is None and not any(trials.glob("*/metrics.jsonl")):
            time.sleep(0.05)
        end = time.monotonic() + self.dice.uniform(0.0, 0.6 * self.usual)
        while self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)

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


Kind = Callable[[Round], None]


def at_a_write(role: str) -> Kind:
    def disturb(round_: Round) -> None:
        at = round_.dice.randint(1, round_.points[role])
        round_.start(variables=_points(round_.workspace, role, at))
        round_.end()

    return disturb


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

    return disturb


def signalled(number: signal.Signals, times: int = 1) -> Kind:
    def disturb(round_: Round) -> None:
        round_.start()
        round_.wait_a_while()
        for _ in range(times):
            round_.process.send_signal(number)
            time.sleep(0.1)
        round_.end()

    return disturb


def stopped_and_continued(round_: Round) -> None:
    round_.start()
    round_.wait_a_while()
    round_.process.send_signal(signal.SIGSTOP)
    time.sleep(3.0)
    round_.process.send_signal(signal.SIGCONT)
    round_.end()


def terminal_closed(round_: Round) -> None:
    ours, its = pty.openpty()
    round_.start(stdout=its, stdin=its)
    os.close(its)
    os.set_blocking(ours, False)
    end = time.monotonic() + round_.dice.uniform(0.4, 0.9) * round_.usual
    while round_.process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(BlockingIOError, OSError):
            os.read(ours, 2**16)
        time.sleep(0.02)
    os.close(ours)
    if round_.dice.random() < 0.5:  # a shell sends it, `setsid` and `disown` keep it away
        round_.process.send_signal(signal.SIGHUP)
    round_.end()


def pipe_closed(round_: Round) -> None:
    reader, writer = os.pipe()
    round_.start(stdout=writer)
    os.close(writer)
    round_.wait_a_while()
    os.close(reader)
    round_.end()


def output_full(round_: Round) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    round_.start(stdout=full)
    os.close(full)
    round_.end()


def disk_full(round_: Round) -> None:
    """Fill the file system of the workspace under way; make room before the next run."""
    round_.workspace.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "chaos", str(round_.workspace)], check=True
    )
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
    """Another program writes to a database for some seconds."""

    def disturb(round_: Round) -> None:
        round_.start()
        round_.wait_a_while()
        path = next(round_.workspace.rglob(name), None)
        if path is not None:
            code = (
                "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], timeout=60); "
                "c.execute('BEGIN EXCLUSIVE'); time.sleep(30)"
            )
            subprocess.run([sys.executable, "-c", code, str(path)], check=True)
        round_.end()

    return disturb


def lost(name: str, *, how: str) -> Kind:
    """The driver is killed, and a database of it is deleted, emptied or cut in half."""

    def disturb(round_: Round) -> None:
        killed("driver")(round_)
        for path in list(round_.workspace.rglob(name)):
            if how == "deleted":
                for part in path.parent.glob(f"{name}*"):
                    part.unlink()
            else:
                os.truncate(path, 0 if how == "emptied" else path.stat().st_size // 2)

    return disturb


def moved(round_: Round) -> None:
    round_.start()
    round_.wait_a_while()
    there = round_.workspace.with_name("moved workspace")
    with contextlib.suppress(FileNotFoundError):
        round_.workspace.rename(there)
        round_.workspace = there
    round_.end()


KINDS: dict[str, Kind] = {
    "SIGKILL at a write of the driver": at_a_write("driver"),
    "SIGKILL at a write of a worker": at_a_write("worker"),
    "SIGKILL of the driver": killed("driver"),
    "SIGKILL of a worker": killed("worker"),
    "SIGKILL of a guard": killed("guard"),
    "SIGKILL of all": killed("group"),
    "terminal closed": terminal_closed,
    "SIGTERM": signalled(signal.SIGTERM),
    "SIGHUP": signalled(signal.SIGHUP),
    "Ctrl-C": signalled(signal.SIGINT),
    "Ctrl-C, twice": signalled(signal.SIGINT, 2),
    "Ctrl-C, five times": signalled(signal.SIGINT, 5),
    "STOP and CONT": stopped_and_continued,
    "pipe closed": pipe_closed,
    "output full": output_full,
    "disk full": disk_full,
    "memory limit": memory_limited,
    "study.db locked for 30 s": locked("study.db"),
    "mlflow.db locked for 30 s": locked("mlflow.db"),
    "mlflow.db deleted": lost("mlflow.db", how="deleted"),
    "mlflow.db cut in half": lost("mlflow.db", how="cut"),
    "study.db deleted": lost("study.db", how="deleted"),
    "study.db cut in half": lost("study.db", how="cut"),
    "state.json emptied": lost("state.json", how="emptied"),
    "workspace moved under way": moved,
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What people get to see of a study that has ended."""

    trials: str
    runs: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, str]]]  # numbers: NaN is itself


def shown(workspace: Path) -> Shown:
    """Export and MLflow's runs: name -> status, parameters, final numbers."""
    from mlflow import MlflowClient

    trials = subprocess.run(
        [SWEEPER, "--workspace", str(workspace), "export", "chaos", "--all"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    client = MlflowClient(f"sqlite:///{workspace}/mlflow.db")
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=1000)
    return Shown(
        trials=trials,
        runs={
            f"{run.info.run_name} {run.data.tags.get('mlflow.parentRunId') is not None}": (
                run.info.status,
                run.data.params,
                {k: repr(v) for k, v in run.data.metrics.items() if not k.startswith(UNEQUAL)},
            )
            for run in runs
        },
    )


def differences(workspace: Path, wanted: Shown) -> Iterator[str]:
    """What is otherwise than after an undisturbed run."""
    found = shown(workspace)
    if found.trials != wanted.trials:
        yield "export --all"
    for name in sorted({*found.runs, *wanted.runs}):
        if found.runs.get(name) != wanted.runs.get(name):
            yield f"MLflow's {name.removesuffix(' True').removesuffix(' False')}"
    for stage in Workspace(workspace).stages.glob(f"*/{INFO}"):
        try:
            read_stage(stage.parent)
        except StageError as error:
            yield str(error)
    if orphans := [one for one in psutil.process_iter() if _is_of(one, workspace.parent)]:
        yield f"{len(orphans)} processes left"


def _is_of(process: psutil.Process, place: Path) -> bool:
    try:
        return process.environ().get(MARK) == str(place)
    except psutil.Error:
        return False


def _points(workspace: Path, role: str, at: int) -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join([str(POINTS), os.environ.get("PYTHONPATH", "")]),
        "CHAOS_POINTS": str(workspace.parent / f"points-{role}"),
        "CHAOS_ROLE": role,
        "CHAOS_KILL_AT": str(at),
    }


def survived(round_: Round, kind: Kind, wanted: Shown) -> tuple[int, list[str]]:
    """Disturb a study and run it until it ends well: runs that it took, and what is otherwise."""
    kind(round_)
    for run in range(1, RUNS + 1):
        round_.start()
        if round_.end() == 0:
            return run, list(differences(round_.workspace, wanted))
    return RUNS, ["it does not end well"]


def undisturbed(folder: Path) -> tuple[Shown, float, dict[str, int]]:
    """What an undisturbed run shows, how long it takes, and how many writes it makes."""
    counts = {}
    seconds = 0.0
    for role in ("driver", "worker"):
        round_ = Round(workspace=_place(folder / role), dice=random.Random(0), usual=0, points={})
        begin = time.monotonic()
        round_.start(variables=_points(round_.workspace, role, 0))
        assert round_.end() == 0, "the undisturbed study must end well"
        seconds = time.monotonic() - begin
        counts[role] = (folder / role / f"points-{role}").stat().st_size
    return shown(folder / "worker" / "workspace"), seconds, counts


def _place(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "chaos.yaml").write_text(STUDY)
    return folder / "workspace"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--keep", type=Path, help="Folder for the workspaces that did not survive.")
    chosen = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        wanted, usual, points = undisturbed(root / "undisturbed")
        print(f"undisturbed: {usual:.0f} s, writes: {points}\n")
        print("| what happens | rounds | as undisturbed | runs after it | otherwise |")
        print("| --- | --- | --- | --- | --- |")
        for kind in chosen.kinds:
            well, runs, otherwise = 0, 0, []
            for number in range(chosen.rounds):
                place = root / f"{kind} {number}"
                dice = random.Random(f"{chosen.seed}/{kind}/{number}")
                round_ = Round(workspace=_place(place), dice=dice, usual=usual, points=points)
                took, found = survived(round_, KINDS[kind], wanted)
                runs += took
                well += not found
                otherwise += [f"round {number}: {', '.join(found)}"] if found else []
                if found and chosen.keep is not None:
                    shutil.copytree(place, chosen.keep / place.name)
                subprocess.run(
                    ["umount", "-l", str(round_.workspace)], check=False, capture_output=True
                )
                shutil.rmtree(place)
            failed += chosen.rounds - well
            print(
                f"| {kind} | {chosen.rounds} | {well} | {runs} | {'; '.join(otherwise)} |",
                flush=True,
            )
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
