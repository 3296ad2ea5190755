"""What a long study costs at its end, beside what it cost at its beginning, in the same run.

    python benchmarks/scale.py [--trials 2000] [--tpe 1000]

No-op trials on one slot: CPU time of the driver a trial over the first and the last 100, memory
that it gained between them, and what the commands take once the study is finished. Then a study of
tpe, whose sampler learns from all trials before. Ratios mean more than seconds: machines are noisy.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).parents[1]
FAKE_STUDY = ROOT / "tests" / "fakes" / "run_fake_study.py"
STUDY = """
name: long
trainer:
  phases:
    - grpo: {{lr: "${{lr}}", kl_beta: "${{kl_beta}}"}}
parameters:
  lr: {{min: 1e-5, max: 1e-2, log: true}}
  kl_beta: {{min: 0.01, max: 0.3}}
sampler: {{name: {sampler}}}
trials: {trials}
"""
SPAN = 100  # trials whose cost is averaged
SETTLED = 20  # trials after which everything has been imported and opened


class Mark(NamedTuple):
    """The driver after some trials."""

    trials: int
    cpu: float  # seconds, of the driver alone
    memory: float  # MB


def command(study: Path) -> list[str]:
    """That runs a study beside its file on one slot."""
    return [sys.executable, str(FAKE_STUDY), str(study), str(study.parent), "1"]


def marks(study: Path, numbers: Sequence[int]) -> Iterator[Mark]:
    """Run a study to its end; look at the driver whenever one of ``numbers`` trials are done."""
    driver = psutil.Popen(command(study), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    for line in driver.stdout:
        done = line.partition("/")[0].removeprefix("[")
        if line.startswith("[") and done.isdigit() and int(done) in numbers:
            times = driver.cpu_times()
            memory = driver.memory_info().rss / 1e6
            yield Mark(int(done), times.user + times.system, memory)
    if driver.wait() != 0:
        raise SystemExit(f"{study} ended with {driver.returncode}")


def a_trial(first: Mark, last: Mark) -> float:
    """CPU time of one trial between two marks, in milliseconds."""
    return 1000 * (last.cpu - first.cpu) / (last.trials - first.trials)


def long_study(folder: Path, sampler: str, trials: int) -> tuple[Path, list[Mark]]:
    """Run a study; return its file, and the marks of its first and its last trials."""
    folder.mkdir()
    study = folder / "long.yaml"
    study.write_text(STUDY.format(sampler=sampler, trials=trials))
    numbers = (SETTLED, SETTLED + SPAN, trials - 1 - SPAN, trials - 1)
    return study, list(marks(study, numbers))


def seconds(command: Sequence[str]) -> float:
    """Wall time of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - start


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
        study, found = long_study(Path(name) / "random", "random", options.trials)
        cost_row("random", found, "1.3")
        gained = found[-1].memory - found[0].memory
        row("memory of the driver", f"+{gained:.0f} MB", f"{found[0].memory:.0f} MB", "+50 MB")
        sweeper = [sys.executable, "-c", "from sweeper.cli import cli; cli()"]
        sweeper += ["--workspace", str(study.parent)]
        commands = {
            "`status`": ([*sweeper, "status", "long"], "1 s"),
            "`best`": ([*sweeper, "best", "long"], "1 s"),
            "`show`": ([*sweeper, "show", "long", "7"], "1 s"),
            "`export --all`": ([*sweeper, "export", "long", "--all"], "3 s"),
            "the finished study again": (command(study), "3 s"),
        }
        start = seconds([*sweeper, "--help"])
        for what, (words, bound) in commands.items():
            row(what, f"{seconds(words):.2f} s", f"`--help` {start:.2f} s", bound)
        if options.tpe:
            cost_row("tpe", long_study(Path(name) / "tpe", "tpe", options.tpe)[1], "1.5")


if __name__ == "__main__":
    main()
