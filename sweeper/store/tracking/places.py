"""Where MLflow's database and artifacts lie: paths as URIs, and artifacts that follow their folder.

MLflow keeps the place of every artifact as an absolute path, so that a folder that is moved, copied
or mounted elsewhere shows those of its old place. In the database of a workspace our experiments
and runs have a relative one instead: MLflow takes it from the current folder, and its pages are
served from the workspace. Rejected: to rewrite absolute places whenever the database is opened, for
a container and its host have it open at once; `mlflow-artifacts:`, for it needs a server.
"""

import contextlib
import sqlite3
from pathlib import Path

from sweeper.addresses import masked
from sweeper.errors import TrackingError
from sweeper.store.tracking.view import STUDY_ID

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"  # beside the database
_FOLLOW = (
    f"""UPDATE experiments SET artifact_location = '{ARTIFACTS}'
        WHERE artifact_location LIKE 'file:%/{ARTIFACTS}' AND (experiment_id = :experiment
            OR experiment_id IN (SELECT experiment_id FROM runs JOIN tags USING (run_uuid)
                                 WHERE tags.key = '{STUDY_ID}'))""",
    f"""UPDATE runs SET artifact_uri = '{ARTIFACTS}/' || run_uuid || '/artifacts'
        WHERE artifact_uri LIKE 'file:%/{ARTIFACTS}/' || run_uuid || '/artifacts'
            AND run_uuid IN (SELECT run_uuid FROM tags WHERE tags.key = '{STUDY_ID}')""",
)


def database_uri(file: Path) -> str:
    """The URI of a SQLite file, whatever characters its path has.

    With its driver named: MLflow makes the folder that a plain `sqlite:///` names, quotes and all.
    """
    from sqlalchemy import URL

    return URL.create("sqlite+pysqlite", database=str(file)).render_as_string()


def database_file(uri: str) -> Path | None:
    """The file that a `sqlite:` URI names; None for every other URI.

    Raises:
        TrackingError: where it is no URI, or names no file.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator:
        raise TrackingError(
            f"MLflow cannot be reached at {masked(repr(uri))}: that is no URI like "
            "sqlite:///mlflow.db, postgresql://... or http://..."
        )
    if scheme.partition("+")[0] != "sqlite":
        return None
    from sqlalchemy import make_url

    url = make_url(uri)
    if not url.database or url.database == ":memory:" or url.query:
        raise TrackingError(f"{uri} names no file: write sqlite:///PATH, without options.")
    return Path(url.database)


def follow_folder(file: Path, *, experiment: str | None = None) -> None:
    """Make the places of our artifacts relative to the folder of a workspace's database.

    Args:
        file: The database; its schema is MLflow's.
        experiment: Id of one of ours that may have no run yet.

    Raises:
        sqlite3.Error: where it cannot be written.
    """
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        for statement in _FOLLOW:
            connection.execute(statement, {"experiment": experiment} if ":ex" in statement else {})
