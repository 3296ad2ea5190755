"""How studies stand, from `state.json` alone: quick, and no burden to a driver at work."""

from collections.abc import Mapping
from typing import Any

from sweeper.errors import UsageError
from sweeper.ranking import counts_line, params_text, per_cent
from sweeper.tracking import experiment_link
from sweeper.workspace import StudyFolder, Workspace


def study_state(folder: StudyFolder) -> dict[str, Any]:
    """`state.json`, with the state "interrupted" where a driver died without a word."""
    state = folder.read_state()
    if not state:
        raise UsageError(f"study {folder.name!r} has no trial yet")
    if state["state"] in ("running", "finishing") and not folder.is_locked():
        counts = state["counts"]
        waiting = counts["waiting"] + counts["running"]
        state |= {"state": "interrupted", "running": []}
        state["counts"] = {**counts, "running": 0, "waiting": waiting}
    return state


def status_json(state: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the state that other programs may rely on."""
    return {key: state[key] for key in ("study", "state", "counts", "best", "running")}


def status_text(state: Mapping[str, Any]) -> str:
    """The state for people."""
    lines = [f"{counts_line(state)} ({state['state']})"]
    for trial in state["running"]:
        score = "" if trial["score"] is None else f"  {per_cent(trial['score'])} %"
        lines.append(
            f"  trial {trial['trial']}: epoch {trial['epoch']} of {trial['epochs']}{score}  "
            f"{params_text(trial['params'])}"
        )
    if state["state"] == "interrupted":
        lines.append("  `sweeper run` with the study file goes on")
    return "\n".join(lines)


def study_links(workspace: Workspace, base_url: str) -> str:
    """Addresses of the studies' pages under the MLflow that listens at ``base_url``."""
    lines = [f"MLflow listens at {base_url}; Ctrl-C ends it"]
    for name in workspace.names():
        experiment = workspace.study(name).read_state().get("experiment")
        if experiment is not None:
            lines.append(f"{name}: {experiment_link(base_url, experiment, study=name)}")
    return "\n".join(lines)


def list_studies(workspace: Workspace) -> str:
    """One line a study."""
    lines = []
    for name in workspace.names():
        state = workspace.study(name).read_state()
        lines.append(
            f"{counts_line(study_state(workspace.study(name)))}"
            if state
            else f"{name}: no trial yet"
        )
    return "\n".join(lines) or f"no studies in {workspace.sweeps}"
