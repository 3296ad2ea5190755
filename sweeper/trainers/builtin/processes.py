"""What only the trainer can do, in a process of its own: load data, write weights for others."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError
from sweeper.trainers.builtin.folders import WEIGHTS
from sweeper.trainers.builtin.training import BuiltinTraining
from sweeper.trainers.protocol import CheckReport
from trainer.contract import FilesSpec

PROGRAM = (sys.executable, "-m", "trainer")
CHECK_SECONDS = 600
LOG_TAIL = 10  # lines of a trainer that died: the end of a traceback


def check(
    training: BuiltinTraining, *, device: str, program: Sequence[str] = PROGRAM
) -> CheckReport:
    """Let the trainer load data and reader."""
    command = [*program, "check", "-", "--device", device]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(training.to_json()),
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return CheckReport(problems=(f"the trainer did not answer within {CHECK_SECONDS} s",))
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = "\n  ".join(done.stderr.strip().splitlines()[-LOG_TAIL:])
        return CheckReport(problems=(f"the trainer died (exit code {done.returncode}):\n  {said}",))
    mapped = isinstance(training.spec.task, FilesSpec)
    return CheckReport(
        problems=tuple(report["problems"]),
        facts=tuple(_facts(report)),
        writes="the data's mapped form" if mapped else "",
    )


def _facts(report: Mapping[str, Any]) -> list[str]:
    facts = report["facts"]
    if not facts:
        return []
    line = (
        f"data: {facts['training_queries']} training queries, pools of {facts['pool']}, embeddings "
        f"{facts['width']} wide"
    )
    contract = report.get("data_contract") or {"lines": [], "warnings": []}
    return [line, *contract["lines"], *(f"warning: {text}" for text in contract["warnings"])]


def export(
    stage: Path,
    folder: Path,
    *,
    form: str,
    verify_with: str | None,
    program: Sequence[str] = PROGRAM,
) -> str:
    """Write a stage's weights: "stage" copies them as they are; "lab" writes the lab's two files
    and reads them back as their consumers do.

    Raises:
        UsageError: where the weights are gone, or the form cannot hold the policy.
    """
    weights = stage / WEIGHTS
    if not weights.exists():
        raise UsageError(f"stage {stage.name} is not in {stage.parent}")
    if form == "stage":
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights, folder / weights.name)
        return f"wrote {folder}"
    verify = [] if verify_with is None else ["--verify-with", verify_with]
    command = [*program, "export-checkpoint", str(stage), str(folder), *verify]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise UsageError(done.stderr.strip().removeprefix("Error: "))
    return done.stdout.rstrip("\n")
