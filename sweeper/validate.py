"""`sweeper validate`: study file, data and device, checked without a trace on disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

from sweeper.config import load_study
from sweeper.errors import InstrumentError, LauncherUnavailable, SweeperError
from sweeper.plan import first_spec
from sweeper.slots import slots_for
from sweeper.workspace import Workspace
from trainer.contract import TrainSpec

CHECK_SECONDS = 600


def validate_study(path: Path, workspace: Workspace) -> str:
    """Check all that `run` would need; say what was found.

    Raises:
        ConfigError: with every problem of the study file.
        InstrumentError: with what the trainer misses.
        SweeperError: where the workspace cannot be written.
    """
    config = load_study(path)
    spec = first_spec(config)
    lines = [
        f"{path}: study {config.name!r}, {config.trials} trials, sampler {config.sampler.name}"
    ]
    try:
        slots = slots_for(config)
        device = slots[0].device
        lines.append(f"slots: {len(slots)} ({device})")
    except LauncherUnavailable as error:
        device = "cpu"
        lines.append(f"warning: {error}; `sweeper run` would stop here")
    facts = check_trainer(spec, device=device)
    lines.append(
        f"data: {facts['training_queries']} training queries, pools of {facts['pool']}, embeddings "
        f"{facts['width']} wide"
    )
    _require_writable(workspace.root)
    return "\n".join([*lines, "nothing was written"])


def check_trainer(spec: TrainSpec, *, device: str) -> dict[str, int]:
    """Let the trainer load data and reader in a process of its own; return the sizes it found."""
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "check", "-", "--device", device],
        input=json.dumps(spec.to_json()),
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
    )
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise InstrumentError(f"the trainer cannot start: {done.stderr.strip()}") from error
    if report["problems"]:
        raise InstrumentError("\n".join(report["problems"]))
    facts: dict[str, int] = report["facts"]
    return facts


def _require_writable(root: Path) -> None:
    existing = next(
        folder for folder in [root.absolute(), *root.absolute().parents] if folder.exists()
    )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SweeperError(
            f"cannot write to the workspace {root.absolute()}; choose another folder with "
            f"--workspace or SWEEPER_HOME"
        )
