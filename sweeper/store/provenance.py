"""Where a study comes from: versions and the commit of the code, as MLflow tags."""

import subprocess
from importlib.metadata import version
from pathlib import Path

GIT_SECONDS = 10.0  # a repository on a slow disk is not worth more


def code_tags(study_path: Path) -> dict[str, str]:
    """Tags that MLflow's page knows; the commit of the study file's repository where it has one."""
    tags = {
        "mlflow.source.name": study_path.name,
        "mlflow.source.type": "LOCAL",
        "sweeper.version": version("sweeper"),
    }
    folder = study_path.resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is not None:
        tags["mlflow.source.git.commit"] = commit
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
        if changed is not None:
            tags["sweeper.uncommitted"] = str(bool(changed)).lower()
    return tags


def _git(folder: Path, *command: str) -> str | None:
    """Output of a git command; None without git, repository or an answer in time."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *command],  # `status` would rewrite the index
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
