"""`sweeper repair`: a study's database and its runs in MLflow, from what lies in its folder."""

from collections.abc import Callable
from typing import Literal

from sweeper.errors import UsageError
from sweeper.importing.known import ATTRIBUTE, known_results
from sweeper.outcomes import Check, read_result
from sweeper.results.best import best_trial
from sweeper.results.table import rows
from sweeper.running.mending import Mender
from sweeper.running.recorder import Recorder
from sweeper.running.study_run import artifacts
from sweeper.search.of_study import lag_of, search_of
from sweeper.store.reading import read_study
from sweeper.store.rebuilding import rebuild_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.tracking import open_mlflow
from sweeper.store.workspace import Workspace

_STATUS: dict[str, Literal["FINISHED", "FAILED"]] = {"finished": "FINISHED", "failed": "FAILED"}


def repair_study(folder: StudyFolder, *, workspace: Workspace, say: Callable[[str], None]) -> None:
    """Rebuild `study.db` where it was lost, and complete what MLflow has; no trial is run.

    Args:
        folder: Of the study.
        workspace: Where it lies.
        say: Is told what was done.

    Raises:
        UsageError: where nothing says what the trials were.
        StudyLockedError: where a driver works on the study.
        TrackingError: where MLflow cannot be used.
    """
    with folder.locked():
        rebuilt = rebuild_study(folder)
        if rebuilt is not None and not folder.database.exists():
            raise UsageError(f"{rebuilt}: `sweeper run` with the study file does that")
        config, records = read_study(folder)
        tracking = open_mlflow(config, workspace.root, say=say)
        with StudyStore.open(
            folder.database, name=folder.name, goal=config.goal, space=config.space
        ) as store:
            stored = store.attributes()
            search = search_of(
                config,
                lag=stored.get("lag", lag_of(config, 1)),
                known=known_results(stored.get(ATTRIBUTE, [])),
            )
            recorder = Recorder(config, search, folder=folder, store=store, tracking=tracking)
            mended = Mender(
                config,
                search,
                folder=folder,
                store=store,
                tracking=tracking,
                recorder=recorder,
                tags={},
            ).mend()
            records = store.records()
        check = read_result(folder.controls)
        controls = check.controls if isinstance(check, Check) else {}
        best = best_trial(folder, config, records)
        table = rows(records, controls, goal=config.goal, scale=config.scale)
        tracking.finish_study(
            status=_STATUS.get(folder.read_state().get("state", ""), "KILLED"),
            artifacts=artifacts(folder, config, records, table, best),
        )
    for line in (rebuilt, mended):
        if line is not None:
            say(line)
    if rebuilt is None and mended is None:
        say(f"study.db and MLflow have all {len(records)} rows of {folder.name}")
