"""How long a report takes, and how much memory: 200 settings on 800 questions.

The settings are those of a finished `kl_lr`, drawn again until there are 200, each with some of its
answers exchanged so that no two are alike. `python benchmarks/report.py [WORKSPACE]`, after `make
run`.
"""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from sweeper.findings import findings
from sweeper.report.page import page
from sweeper.report.rendering import html, markdown
from sweeper.results.assessment import assess
from sweeper.results.evidence import Evidence, Scored, gather
from sweeper.store.workspace import Workspace

SETTINGS, CHANGED = 200, 40  # settings of the report; questions that a copy answers otherwise
T = TypeVar("T")


def main(workspace: Path) -> None:
    evidence = widened(gather(Workspace(workspace).find("kl_lr")))
    print("| 200 settings x 800 questions | CPU time | bound |\n| --- | --- | --- |")
    began = time.process_time()
    assessment = timed("assessment", lambda: assess(evidence))
    found = timed("findings", lambda: findings(evidence, assessment))
    laid_out = timed(
        "page and figures",
        lambda: page(evidence, assessment, found, next_study="", language="en"),
    )
    text = timed("HTML and Markdown", lambda: html(laid_out) + markdown(laid_out))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    total = time.process_time() - began
    print(f"| all of it, {len(text) / 1e6:.1f} MB | {total:.1f} s | 30 s |")
    print(f"| memory at its peak | {peak:.2f} GB | 1 GB |")


def widened(evidence: Evidence) -> Evidence:
    """The study with 200 different settings."""
    generator = np.random.default_rng(0)
    rows = list(evidence.rows)
    source = [row for row in evidence.trials if row.kind == "trial"]
    while len(rows) - 3 < SETTINGS:
        rows.append(copied(source[len(rows) % len(source)], len(rows), generator))
    controls = [row for row in rows if row.kind == "control"]
    trials = sorted((row for row in rows if row.kind != "control"), key=lambda row: -row.score)
    return replace(evidence, rows=[*controls, *trials])


def copied(row: Scored, number: int, generator: np.random.Generator) -> Scored:
    """A setting like ``row`` that answers some questions otherwise."""
    assert row.scores is not None, "kl_lr has scores by question"
    scores = row.scores.copy()
    places = generator.permutation(len(scores))[:CHANGED]
    scores[places] = scores[generator.permutation(places)]
    params = {**row.params, "lr": float(row.params["lr"]) * (1.0 + 1e-4 * number)}
    return replace(row, label=f"trial {1000 + number}", params=params, scores=scores)


def timed(what: str, work: Callable[[], T]) -> T:
    """Do the work and print its seconds of CPU time as a row of a table."""
    began = time.process_time()
    done = work()
    print(f"| {what} | {time.process_time() - began:.1f} s | |")
    return done


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
