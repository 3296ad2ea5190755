"""What a long study costs at its end, beside what it cost at its beginning, in the same run.

    python benchmarks/scale.py [--trials 2000] [--tpe 1000]

No-op trials on one slot: CPU time of the driver a trial over the first and the last 100, memory
that it gained between them, and what the commands take once the study is finished, beside one of
few trials. Then a study of tpe, whose sampler learns from all trials before. Ratios mean more than
seconds, and CPU time more than wall time: machines are noisy.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
from noop import NAME, ROOT, noop_study

SPAN = 100  # trials whose cost is averaged
SETTLED = 20  # trials after which everything has been imported and opened
FEW = 5  # trials of the study beside
SWEEPER = [sys.executable, "-c", "from sweeper.cli import cli; cli()"]
COMMANDS = {  # -> arguments, bound
    "`status`": (["status", NAME], "1 s"),
    "`best`": (["best", NAME], "1 s"),
    "`show`": (["show", NAME, "3"], "1 s"),
    "`export --all`": (["export", NAME, "--all"], "3 s"),
}


class Mark(NamedTuple):
    """The driver after some trials."""

    trials: int
    cpu: float  # seconds, of the driver alone
    memory: float  # MB


def marks(command: Sequence[str], numbers: Sequence[int]) -> Iterator[Mark]:
    """Run a study to its end; look at the driver whenever one of ``numbers`` trials are done."""
    driver = psutil.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    for line in driver.stdout:
        done = line.partition("/")[0].removeprefix("[")
        if line.startswith("[") and done.isdigit() and int(done) in numbers:
            times = driver.cpu_times()
            memory = driver.memory_info().rss / 1e6
            yield Mark(int(done), times.user + times.system, memory)
    if driver.wait() != 0:
        raise SystemExit(f"{command} ended with {driver.returncode}")


def a_trial(first: Mark, last: Mark) -> float:
    """CPU time of one trial between two marks, in milliseconds."""
    return 1000 * (last.cpu - first.cpu) / (last.trials - first.trials)


def long_study(folder: Path, sampler: str, trials: int) -> tuple[list[str], list[Mark]]:
    """Run a study; return its command, and the marks of its first and its last trials."""
    command = noop_study(folder, trials, sampler=sampler)
    numbers = (SETTLED, SETTLED + SPAN, trials - 1 - SPAN, trials - 1)
    return command, list(marks(command, numbers))


class Cost(NamedTuple):
    """What a command takes, in seconds."""

    wall: float
    cpu: float  # of all its processes

    def __str__(self) -> str:
        return f"{self.wall:.2f} s (CPU {self.cpu:.2f} s)"


def cost(command: Sequence[str]) -> Cost:
    """Run a command."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - start, cpu)


def row(what: str, value: str, beside: str, bound: str) -> None:
    """Print one line of a table."""
    print(f"| {what} | {value} | {beside} | {bound} |", flush=True)


def cost_row(sampler: str, found: Sequence[Mark], bound: str) -> None:
    """Print what the last trials cost beside the first."""
    begin, end = a_trial(*found[:2]), a_trial(*found[2:])
    what = f"CPU a trial, {found[-1].trials + 1} of {sampler}"
    row(what, f"{end:.0f} ms", f"at the beginning {begin:.0f} ms: {end / begin:.2f}", bound)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--tpe", type=int, default=1000, help="0 leaves it out")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    print("| what | at the end | beside | bound |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        again, found = long_study(Path(name) / "random", "random", options.trials)
        cost_row("random", found, "1.3")
        gained = found[-1].memory - found[0].memory
        row("memory of the driver", f"+{gained:.0f} MB", f"{found[0].memory:.0f} MB", "+50 MB")
        few = noop_study(Path(name) / "few", FEW)
        cost(few)
        for what, (arguments, bound) in COMMANDS.items():
            here, beside = (
                cost([*SWEEPER, "--workspace", str(Path(name) / workspace), *arguments])
                for workspace in ("random", "few")
            )
            row(what, str(here), f"{FEW} trials: {beside}", bound)
        row("the finished study again", str(cost(again)), f"{FEW} trials: {cost(few)}", "3 s")
        if options.tpe:
            cost_row("tpe", long_study(Path(name) / "tpe", "tpe", options.tpe)[1], "1.5")


if __name__ == "__main__":
    main()
