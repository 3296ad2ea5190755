"""Where a study comes from: versions and the commit of the code, as MLflow tags."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def code_tags(study_path: Path) -> dict[str, str]:
    """Tags that MLflow's page knows; the commit of the study file's repository where it has one."""
    tags = {
        "mlflow.source.name": study_path.name,
        "mlflow.source.type": "LOCAL",
        "sweeper.version": version("sweeper"),
    }
    commit = _git(study_path, "rev-parse", "HEAD")
    if commit:
        tags["mlflow.source.git.commit"] = commit
        changed = _git(study_path, "status", "--porcelain", "--untracked-files=no")
        tags["sweeper.uncommitted"] = str(bool(changed)).lower()
    return tags


def _git(study_path: Path, *command: str) -> str:
    """Output of a git command in the study file's folder; empty without git or repository."""
    try:
        done = subprocess.run(
            ["git", *command],
            cwd=study_path.resolve().parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
