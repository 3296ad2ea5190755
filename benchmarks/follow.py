"""What following a program's output costs, and what `sweeper.client` costs the program.

    python benchmarks/follow.py [--lines 400000]

Lines a second of CPU time beside `re.search` on every line, for output of which a part matches; the
share of a core that 10,000 lines a second take; import time and memory of the client beside MLflow,
which such programs report to otherwise.
"""

import argparse
import io
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sweeper.trainers.command.results import Follower, Results
from sweeper.trainers.command.results.patterns import NUMBER
from sweeper.trainers.command.results.spec import Source

ROOT = Path(__file__).parents[1]
CHUNK = 64 * 1024  # bytes, what a pipe holds
RATE = 10_000  # lines a second that must be followed
PATTERN = r"step=(?P<step>\d+) loss=(?P<loss>)"
NOISE = "INFO 2026-11-28 02:17:16,123 trainer.py:42 gradient norm 0.1234 lr 1.0e-04 tokens 12345\n"
IMPORT = """
import psutil, time
memory = psutil.Process().memory_info
before, start = memory().rss, time.perf_counter()
{statement}
print(time.perf_counter() - start, memory().rss - before)
"""


def output(lines: int, *, every: int) -> bytes:
    """Lines of which one in ``every`` matches."""
    matching = (f"step={number} loss={1 / (number + 1):.6f}\n" for number in range(lines))
    return "".join(
        line if number % every == 0 else NOISE for number, line in enumerate(matching)
    ).encode()


def followed(content: bytes) -> int:
    """Read it as the sweeper does; return how many points there were."""
    follower = Follower(Results((Source(stdout=[PATTERN], step="step"),)))
    return sum(len(follower.feed(chunk)) for chunk in chunks(content))


def searched(content: bytes) -> int:
    """Read it as a script would."""
    pattern = re.compile(PATTERN.replace("(?P<loss>)", f"(?P<loss>{NUMBER})"))
    found: list[tuple[int, float]] = []
    for line in io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"):
        match = pattern.search(line)
        if match is not None:
            found.append((int(match["step"]), float(match["loss"])))
    return len(found)


def chunks(content: bytes) -> Iterator[bytes]:
    for begin in range(0, len(content), CHUNK):
        yield content[begin : begin + CHUNK]


def cpu_seconds(work: Callable[[bytes], int], content: bytes) -> tuple[float, int]:
    """Median of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        count = work(content)
        times.append(time.process_time() - start)
    return statistics.median(times), count


def import_costs(statement: str) -> tuple[float, float]:
    """Seconds and MB of a fresh process, the least of five."""
    code = IMPORT.format(statement=statement)
    costs = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        seconds, size = done.stdout.split()
        costs.append((float(seconds), float(size) / 1e6))
    return min(cost[0] for cost in costs), min(cost[1] for cost in costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=400_000)
    lines = parser.parse_args().lines
    print("| lines that match | followed a second | `re.search` | ratio | of a core at 10,000 |")
    print("| --- | --- | --- | --- | --- |")
    for every in (1000, 10, 1):
        content = output(lines, every=every)
        ours, count = cpu_seconds(followed, content)
        bare, expected = cpu_seconds(searched, content)
        assert count == expected
        share = f"{RATE * ours / lines:.1%}"
        ratio = f"{bare / ours:.1f}"
        print(f"| 1 in {every} | {lines / ours:,.0f} | {lines / bare:,.0f} | {ratio} | {share} |")
    client, mlflow = import_costs("import sweeper.client"), import_costs("import mlflow")
    print("\n| import | `sweeper.client` | `mlflow` | ratio | bound |")
    print("| --- | --- | --- | --- | --- |")
    for name, unit, ours, bare, bound in (
        ("time", "ms", client[0] * 1e3, mlflow[0] * 1e3, 30),
        ("memory", "MB", client[1], mlflow[1], 5),
    ):
        print(f"| {name} | {ours:.2g} {unit} | {bare:.0f} {unit} | {ours / bare:.1%} | < {bound} |")


if __name__ == "__main__":
    main()
