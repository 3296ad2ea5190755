"""`sweeper validate`: study file, data, device and workspace, checked without a trace on disk."""

import os
from pathlib import Path

from sweeper.errors import InstrumentError, LauncherUnavailable
from sweeper.running.notifying import notify_warnings
from sweeper.running.slots import slots_for
from sweeper.search.of_study import trainings_by_data
from sweeper.store.workspace import Workspace
from sweeper.study.config import load_study


def validate_study(path: Path, workspace: Workspace) -> str:
    """Check all that `run` would need; say what was found.

    Args:
        path: The study file.
        workspace: Where a run would write.

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
    trainings = trainings_by_data(config)
    reports = [config.kind.check(training, device=device) for training in trainings]
    problems = [problem for report in reports for problem in report.problems]
    problems = [*dict.fromkeys(problems), *_unwritable(workspace)]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise InstrumentError(f"{path} cannot be run here:\n{listed}")
    first = reports[0]
    lines += [*first.facts, *notify_warnings(config)]
    lines.append("nothing was written" + (f" but {first.writes}" if first.writes else ""))
    return "\n".join(lines)


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
