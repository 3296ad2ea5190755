"""What the sweeper costs besides training, each figure beside a bare equivalent in the same run.

    python benchmarks/overhead.py [--trials 60]

Start of the command; one no-op trial from its proposal to MLflow's end of run, of the embedded
trainer and of a program, with the sampler's share; memory of the driver and of a worker. Ratios
mean more than seconds: machines are noisy.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from noop import NAME, ROOT, noop_command_study, noop_study

from sweeper.search import propose
from sweeper.search.of_study import search_of
from sweeper.store.reading import read_study
from sweeper.store.workspace import Workspace

BARE = """
import optuna, subprocess, sys
optuna.logging.set_verbosity(optuna.logging.ERROR)
sampler = optuna.samplers.RandomSampler(0)
study = optuna.create_study(storage=f"sqlite:///{sys.argv[1]}", sampler=sampler)
for _ in range(int(sys.argv[2])):
    trial = study.ask()
    trial.suggest_float("lr", 1e-5, 1e-2, log=True), trial.suggest_float("kl_beta", 0.01, 0.3)
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    study.tell(trial, 0.5)
"""

ALONE = """
import subprocess, sys
for _ in range(int(sys.argv[1])):
    subprocess.run([sys.executable, "-c", "print('score=0.5')"], check=True)
"""


def seconds(command: Sequence[str], *, repeat: int = 1) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_memory(
    command: Sequence[str], *, of_descendant: Callable[[list[str]], bool] | None = None
) -> float:
    """Largest resident memory of a command, or of one of its descendants, in MB."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    peak = 0.0

    def sample() -> None:
        nonlocal peak
        while process.poll() is None:
            try:
                family = [process, *process.children(recursive=True)]
                watched = (
                    [process]
                    if of_descendant is None
                    else [one for one in family if of_descendant(one.cmdline())]
                )
                peak = max([peak, *(one.memory_info().rss / 1e6 for one in watched)])
            except psutil.Error:
                pass  # it ended between two looks
            time.sleep(0.05)

    watcher = threading.Thread(target=sample)
    watcher.start()
    watcher.join()
    return peak


def seconds_a_trial(run: Callable[[int], float], trials: int) -> float:
    """Cost of one more trial: what is paid once cancels."""
    few = trials // 4
    return (run(trials) - run(few)) / (trials - few)


def sampler_seconds(workspace: Path) -> float:
    """Time of one proposal, with the study's own records as history."""
    config, records = read_study(Workspace(workspace).study(NAME))
    search = search_of(config, lag=8)
    start = time.perf_counter()
    for record in records:
        propose(search, record.number, records)
    return (time.perf_counter() - start) / len(records)


def row(name: str, ours: float, bare_name: str, bare: float, unit: str, bound: str) -> None:
    """Print one line of the table."""
    ratio = f"{ours / bare:.1f}"
    print(f"| {name} | {ours:.3g} {unit} | {bare_name} | {bare:.3g} {unit} | {ratio} | {bound} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=60)
    trials = parser.parse_args().trials
    os.environ["PYTHONPATH"] = str(ROOT)
    python = sys.executable
    sweeper = str(Path(python).with_name("sweeper"))
    print("| what | sweeper | bare equivalent | bare | ratio | bound |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        row(
            "`--help`",
            seconds([sweeper, "--help"], repeat=9),
            "`python -c 'import click'`",
            seconds([python, "-c", "import click"], repeat=9),
            "s",
            "0.25 s",
        )

        def ours(count: int) -> float:
            return seconds(noop_study(folder / f"ours{count}", count))

        def bare(count: int, name: str = "bare") -> float:
            return seconds([python, "-c", BARE, str(folder / f"{name}{count}.db"), str(count)])

        ours(1)  # the database's migration and cold files are not a trial's
        row(
            "no-op trial, recorded in MLflow",
            seconds_a_trial(ours, trials),
            "Optuna on SQLite and a subprocess, no MLflow",
            seconds_a_trial(bare, trials),
            "s",
            "0.1 s",
        )

        def program(count: int) -> float:
            return seconds(noop_command_study(folder / f"program{count}", count))

        def alone(count: int) -> float:
            return seconds([python, "-c", ALONE, str(count)])

        program(1)
        of_program, of_subprocess = seconds_a_trial(program, trials), seconds_a_trial(alone, trials)
        row(
            "no-op program, recorded in MLflow",
            of_program,
            "Optuna on SQLite and a subprocess, no MLflow",
            seconds_a_trial(lambda count: bare(count, "program"), trials),
            "s",
            "",
        )
        row(
            "the same",
            of_program,
            "the subprocess alone",
            of_subprocess,
            "s",
            "0.1 s above",
        )
        print(f"| load over the last minute | {os.getloadavg()[0]:.1f} | | | | |")
        proposal = sampler_seconds(folder / f"ours{trials}")
        print(f"| of which the sampler (random) | {1000 * proposal:.2g} ms | | | | |")
        row(
            "memory of the driver",
            peak_memory(noop_study(folder / "memory", trials)),
            "`import mlflow, optuna`",
            peak_memory([python, "-c", "import mlflow, optuna, time; time.sleep(0.5)"]),
            "MB",
            "400 MB",
        )
        study = folder / "one.yaml"
        study.write_text((ROOT / "studies" / "kl_lr.yaml").read_text())
        row(
            "memory of a worker, easy_vqa",
            peak_memory(
                [sweeper, "--workspace", str(folder), "run", str(study), "--trials", "1"],
                of_descendant=lambda command: command[-1:] == ["serve"],
            ),
            "`import torch`",
            peak_memory([python, "-c", "import torch, time; time.sleep(0.5)"]),
            "MB",
            "900 MB",
        )


if __name__ == "__main__":
    main()
