"""`sweeper validate`: study file, data, device and workspace, checked without a trace on disk."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.errors import InstrumentError, LauncherUnavailable
from sweeper.running.controls import contract_lines
from sweeper.running.slots import slots_for
from sweeper.search.of_study import specs_by_files
from sweeper.store.workspace import Workspace
from sweeper.study.config import load_study
from trainer.contract import FilesSpec, TrainSpec

CHECK_COMMAND = (sys.executable, "-m", "trainer", "check", "-")
CHECK_SECONDS = 600
LOG_TAIL = 10  # lines of a trainer that died: the end of a traceback


def validate_study(
    path: Path, workspace: Workspace, *, check_command: Sequence[str] = CHECK_COMMAND
) -> str:
    """Check all that `run` would need; say what was found.

    Args:
        path: The study file.
        workspace: Where a run would write.
        check_command: Reads a spec on stdin and prints what `trainer check` prints.

    Raises:
        ConfigError: with every problem of the study file.
        InstrumentError: with all that trainer and workspace miss.
    """
    config = load_study(path)
    lines = [
        f"{path}: study {config.name!r}, {config.trials} trials, sampler {config.sampler.name}"
    ]
    device = "cpu"
    try:
        slots = slots_for(config)
        device = slots[0].device
        lines.append(f"slots: {len(slots)} ({device})")
    except LauncherUnavailable as error:
        lines.append(f"warning: {error} `sweeper run` would stop here.")
    command = [*check_command, "--device", device]
    specs = specs_by_files(config)
    reports = [_ask_trainer(spec, command) for spec in specs]
    report = reports[0]
    problems = [problem for found in reports for problem in found["problems"]]
    problems = [*dict.fromkeys(problems), *_unwritable(workspace)]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise InstrumentError(f"{path} cannot be run here:\n{listed}")
    facts = report["facts"]
    lines.append(
        f"data: {facts['training_queries']} training queries, pools of {facts['pool']}, embeddings "
        f"{facts['width']} wide"
    )
    if contract := report.get("data_contract"):
        lines += contract_lines(contract)
    mapped = isinstance(specs[0].task, FilesSpec)
    lines.append("nothing was written" + (" but the data's mapped form" if mapped else ""))
    return "\n".join(lines)


def _ask_trainer(spec: TrainSpec, command: Sequence[str]) -> Mapping[str, Any]:
    """Let the trainer load data and reader in a process of its own."""
    try:
        done = subprocess.run(
            command,
            input=json.dumps(spec.to_json()),
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"problems": [f"the trainer did not answer within {CHECK_SECONDS} s"]}
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = "\n  ".join(done.stderr.strip().splitlines()[-LOG_TAIL:])
        return {"problems": [f"the trainer died (exit code {done.returncode}):\n  {said}"]}
    return report


def _unwritable(workspace: Workspace) -> list[str]:
    """Why a run could not write its files, if so: asks the system, tries nothing."""
    wanted = workspace.stages
    existing = next(folder for folder in [wanted, *wanted.parents] if folder.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    reason = "it may not be written" if existing.is_dir() else "it is a file"
    return [
        f"cannot write to the workspace {workspace.root}: {existing}: {reason}; choose another "
        f"folder with --workspace or SWEEPER_HOME"
    ]
