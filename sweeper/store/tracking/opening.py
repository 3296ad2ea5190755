"""Opens an MLflow store, and one experiment in it."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from sweeper.errors import TrackingError
from sweeper.store.tracking.runs import Tracking


def create_database(file: Path) -> None:
    """Make a SQLite database with MLflow's tables, and leave no connection to it."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every new table
    with _opening(str(file)):
        store = SqlAlchemyStore(  # type: ignore[no-untyped-call]
            f"sqlite:///{file}", str(file.parent / "mlartifacts")
        )
        store.engine.dispose()


def connect(
    uri: str, experiment: str, *, artifacts: Path | None, now: Callable[[], float]
) -> Tracking:
    """Open the store and find or make the experiment.

    Raises:
        TrackingError: if MLflow refuses, or the experiment is deleted.
    """
    with _opening(uri):
        client = MlflowClient(uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            found = _create_experiment(client, experiment, artifacts)
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"the MLflow experiment {experiment!r} is deleted. Bring it back with "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}` and "
            f"MLFLOW_TRACKING_URI={without_password(uri)}, or name another one under "
            "`mlflow: experiment`."
        )
    return Tracking(client, found.experiment_id, now=now)


def without_password(uri: str) -> str:
    """The URI as it may be shown and logged."""
    password = urlsplit(uri).password
    return uri.replace(f":{password}@", ":***@") if password else uri


def _create_experiment(client: MlflowClient, name: str, artifacts: Path | None) -> Experiment:
    location = None if artifacts is None else artifacts.absolute().as_uri()
    try:
        client.create_experiment(name, artifact_location=location)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another driver was quicker
            raise
    found = client.get_experiment_by_name(name)
    assert found is not None
    return found


@contextlib.contextmanager
def _opening(uri: str) -> Iterator[None]:
    """Name the store that cannot be opened; each database driver has its own errors for that."""
    try:
        yield
    except Exception as error:
        raise TrackingError(
            f"MLflow at {without_password(uri)} could not be opened: {error}\n"
            "If an older MLflow made it, make a backup, then run `mlflow db upgrade`; if a newer "
            "one did, install that."
        ) from error
