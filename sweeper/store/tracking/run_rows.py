"""What the runs of a study hold, read from the tables of MLflow's SQLite file.

MLflow's client makes objects of every tag and number, which takes a second and more for 2,000
trials. Only whoever compares all runs at once reads here; all else goes through the client.
"""

import contextlib
import math
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.store.tracking.view import STUDY_ID

RUN, PARENT = "sweeper.run", "mlflow.parentRunId"  # tags
Place = tuple[str, str]  # of a run: its parent's id, "" for the study's own, and its name
_STUDY = """WITH own AS (SELECT run_uuid FROM runs JOIN tags USING (run_uuid)
    WHERE experiment_id = ? AND lifecycle_stage = 'active' AND key = ? AND value = ?) """


@dataclass(slots=True, kw_only=True)
class Written:
    """What a run holds by now."""

    run_id: str
    status: str
    params: set[str] = field(default_factory=set)  # their names
    metrics: dict[str, float] = field(default_factory=dict)  # the last value of each


def read_runs(file: Path, experiment_id: str, study_id: str) -> dict[Place, Written] | None:
    """Read all runs of a study that are not deleted; None where the client has to be asked, since
    the tables are others than MLflow's of today, or locked.
    """
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(file)) as database,
    ):
        database.execute("BEGIN")  # one moment for all tables

        def entries(columns: str, rest: str) -> sqlite3.Cursor:
            own = (int(experiment_id), STUDY_ID, study_id)
            return database.execute(f"{_STUDY} SELECT run_uuid, {columns} FROM own {rest}", own)

        runs = {
            run_id: Written(run_id=run_id, status=status)
            for run_id, status in entries(
                "status", "JOIN runs USING (run_uuid) ORDER BY start_time DESC, run_uuid"
            )
        }
        for run_id, name in entries("key", "JOIN params USING (run_uuid)"):
            runs[run_id].params.add(name)
        metrics = entries("key, value, is_nan", "JOIN latest_metrics USING (run_uuid)")
        for run_id, name, value, is_nan in metrics:
            runs[run_id].metrics[name] = math.nan if is_nan else float(value)
        tags = "JOIN tags USING (run_uuid) WHERE key = '{}'"
        parents: dict[str, str] = dict(entries("value", tags.format(PARENT)))
        names: dict[str, str] = dict(entries("value", tags.format(RUN)))
        return {
            (parents.get(run_id, ""), names[run_id]): written
            for run_id, written in runs.items()
            if run_id in names
        }
    return None
