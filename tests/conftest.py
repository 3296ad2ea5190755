import contextlib
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from sweeper.store.tracking import open_tracking

# A shell that runs the tests in the background has them ignore Ctrl-C, and so every process below.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has MLflow's tables and nothing else; making one takes seconds."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    open_tracking(file, experiment="unused", artifacts=file.parent, say=print)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(empty_database, tmp_path / "mlflow.db"))
