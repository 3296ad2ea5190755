"""How studies stand, from `state.json`: quick, and no burden to a driver at work.

Where that is gone the study's rows say it.
"""

from sweeper.errors import SweeperError, UsageError
from sweeper.outcomes import Calls
from sweeper.records import CALLS, CALLS_KEY, State, TrialState
from sweeper.store.reading import read_study
from sweeper.store.snapshot import snapshot
from sweeper.store.study_folder import STATE, StudyFolder
from sweeper.store.tracking import experiment_link
from sweeper.store.workspace import Workspace
from sweeper.words import calls_text, counts_line, params_text, scale_of

PROMISED = ("study", "state", "counts", "best", "running")  # what other programs may rely on
COUNTS = ("complete", "failed", "pruned", "running", "waiting")


def study_state(folder: StudyFolder) -> State:
    """`state.json`, with the state "interrupted" where a driver died without a word.

    A driver at work that has not come to its first trial is "starting", without a total.

    Raises:
        SweeperError: where `state.json` lacks what it must hold.
    """
    at_work = folder.is_locked()  # before reading: what is read then is as new, or newer
    state = folder.read_state()
    if not state:
        told = _told_by_rows(folder, at_work=at_work)
        if told is not None:
            return told
        return {
            "study": folder.name,
            "state": "starting" if at_work else "interrupted",
            "counts": dict.fromkeys(COUNTS, 0),
            "best": None,
            "running": [],
        }
    missing = [key for key in (*PROMISED, "trials") if key not in state]
    if missing:
        raise SweeperError(
            f"{folder.root / STATE} lacks {', '.join(missing)}; `sweeper run` writes it anew"
        )
    if state["state"] in ("running", "finishing") and not at_work:
        counts = state["counts"]
        waiting = counts["waiting"] + counts["running"]
        state |= {"state": "interrupted", "running": []}
        state["counts"] = {**counts, "running": 0, "waiting": waiting}
    return state


def _told_by_rows(folder: StudyFolder, *, at_work: bool) -> State | None:
    """The state without what a driver alone knows; None where there is no trial."""
    if not folder.database.exists():
        return None
    try:
        config, records = read_study(folder)
    except UsageError:  # not so far
        return None
    if not records:
        return None
    ended = sum(r.prefix is None and r.state is not TrialState.RUNNING for r in records)
    idle = "finished" if ended >= config.trials else "interrupted"
    return snapshot(config, records, [], state="running" if at_work else idle)


def status_json(state: State) -> dict[str, object]:
    """The part of the state that other programs may rely on."""
    return {key: value for key, value in state.items() if key in PROMISED}


def status_text(state: State) -> str:
    """The state for people."""
    lines = [_summary(state)]
    for trial in state["running"]:
        score = "" if trial["score"] is None else f"  {scale_of(state).text(trial['score'])}"
        lines.append(
            f"  trial {trial['trial']}: epoch {trial['epoch']} of {trial['epochs']}{score}  "
            f"{params_text(trial['params'])}"
        )
    if cancelled := state.get("cancelled"):
        lines.append(f"  cancelled: trials {', '.join(map(str, cancelled))}")
    calls = Calls.model_validate(state.get(CALLS_KEY, {}))
    if calls.needed:
        lines.append(f"  {CALLS}: {calls_text(calls)}")
    if state["state"] == "starting":
        lines.append("  the instrument is checked before the first trial")
    if state["state"] == "interrupted":
        lines.append("  `sweeper run` with the study file goes on")
    return "\n".join(lines)


def _summary(state: State) -> str:
    counts = counts_line(state) if "trials" in state else f"{state['study']}: no trial yet"
    return f"{counts} ({state['state']})"


def study_links(workspace: Workspace, base_url: str) -> str:
    """Addresses of the studies' pages under the MLflow that listens at ``base_url``."""
    lines = [f"MLflow listens at {base_url}; Ctrl-C ends it"]
    for name in workspace.names():
        experiment = workspace.study(name).read_state().get("experiment")
        if experiment is not None:
            lines.append(f"{name}: {experiment_link(base_url, experiment, study=name)}")
    return "\n".join(lines)


def list_studies(workspace: Workspace) -> str:
    """One line a study; a damaged one does not hide the others."""
    lines = []
    for name in workspace.names():
        try:
            lines.append(_summary(study_state(workspace.study(name))))
        except SweeperError as error:
            lines.append(f"{name}: {error}")
    return "\n".join(lines) or f"no studies in {workspace.sweeps}"
