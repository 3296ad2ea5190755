"""Opens an MLflow store, and one experiment in it."""

import contextlib
import logging
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from sweeper.addresses import masked
from sweeper.errors import TrackingAway, TrackingError
from sweeper.store.patience import LOCKED, Patience
from sweeper.store.tracking.absence import is_away
from sweeper.store.tracking.places import ARTIFACTS, database_uri
from sweeper.store.tracking.runs import StudyRuns

_SERVERS = ("postgresql", "mysql", "mssql")  # databases that MLflow connects to itself
NAMED = "sweeper.experiment"  # tag of an experiment: the name that the study file gives it


def create_database(file: Path) -> None:
    """Make a SQLite database with MLflow's tables, and leave no connection to it."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every new table
    with _opening(str(file)):
        store = SqlAlchemyStore(  # type: ignore[no-untyped-call]
            database_uri(file), str(file.parent / ARTIFACTS)
        )
        store.engine.dispose()


def connect(
    uri: str,
    experiment: str,
    *,
    artifacts: Path | None,
    file: Path | None,
    folder: Path | None,
    patience: Patience | None,
    now: Callable[[], float],
) -> StudyRuns:
    """Open the store and find or make the experiment, under whatever name it has by now.

    Args:
        uri: Of the store.
        experiment: Its name, as it was made.
        artifacts: Folder for the artifacts of a new one; None: the store decides.
        file: Of the database; None: of a server.
        folder: Of the database, where its artifacts lie beside it.
        patience: With a file that other programs may lock.
        now: Seconds since 1970.

    Raises:
        TrackingAway: while nobody answers.
        TrackingError: if MLflow refuses, or the experiment is deleted.
    """
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # whole SQL statements
    with _opening(uri):
        if uri.startswith(_SERVERS):
            _log_in(uri)
        client = MlflowClient(uri)
        if patience is not None:
            client = cast(MlflowClient, _PatientClient(client, patience))
        found = client.get_experiment_by_name(experiment) or _renamed(client, experiment)
        if found is None:
            found = _create_experiment(client, experiment, artifacts)
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"the MLflow experiment {experiment!r} is deleted. Bring it back with "
            f"`MLFLOW_TRACKING_URI={shlex.quote(masked(uri))} mlflow experiments restore "
            f"--experiment-id {found.experiment_id}`, or name another one under "
            "`mlflow: {experiment: NAME}` in the study file: it gets all that the study has."
        )
    with _opening(uri):
        if found.tags.get(NAMED) is None:
            client.set_experiment_tag(found.experiment_id, NAMED, experiment)
    return StudyRuns(client, found.experiment_id, now=now, file=file, folder=folder)


def _log_in(uri: str) -> None:
    """Connect once to a database server: MLflow tries a wrong password ten times, for minutes."""
    engine = create_engine(uri, poolclass=NullPool)
    engine.connect().close()


class _PatientClient:
    """MLflow's client; each of its calls is one transaction, or several that may be repeated."""

    def __init__(self, client: MlflowClient, patience: Patience) -> None:
        self._client = client
        self._patience = patience

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def patiently(*arguments: Any, **options: Any) -> Any:
            try:
                return self._patience.call(lambda: method(*arguments, **options))
            except MlflowException as error:
                if LOCKED in str(error):
                    raise TrackingError(self._patience.advice) from error
                raise

        return patiently


def _renamed(client: MlflowClient, experiment: str) -> Experiment | None:
    """The experiment that had the name when it was made here, if someone has renamed it since.

    All are looked through, once in an experiment's life: MLflow's filters take no quotes.
    """
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        for found in page:
            if found.tags.get(NAMED) == experiment:
                return found
        token = page.token
        if not token:
            return None


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
    except TrackingError:
        raise
    except Exception as error:
        if is_away(error):
            raise TrackingAway(f"MLflow at {masked(uri)} does not answer") from error
        raise TrackingError(
            f"MLflow at {masked(uri)} could not be opened: {masked(str(error))}\n"
            "If an older MLflow made it, make a backup, then run `mlflow db upgrade`; if a newer "
            "one did, install that."
        ) from error
