"""What may pass by itself, and what a person has to mend."""

import sqlite3

import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, TEMPORARILY_UNAVAILABLE
from sqlalchemy.exc import InterfaceError, OperationalError

from sweeper.store.tracking.absence import is_away


class DriverError(Exception):
    """Of a driver for PostgreSQL or MySQL."""


def lost(said: str, kind: type[OperationalError | InterfaceError] = OperationalError) -> Exception:
    """As MLflow wraps what a database's driver says."""
    error = MlflowException(said, error_code=TEMPORARILY_UNAVAILABLE)
    error.__cause__ = kind("SELECT 1", {}, DriverError(said))
    return error


def locked() -> Exception:
    error = MlflowException("database is locked", error_code=TEMPORARILY_UNAVAILABLE)
    error.__cause__ = OperationalError("SELECT 1", {}, sqlite3.OperationalError("is locked"))
    return error


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("API request to http://h/api failed with exception HTTPConnectionPool(..)"),
        MlflowException("API request to http://h/api failed with timeout exception read timeout"),
        MlflowException("API request to endpoint /api failed with error code 503 != 200"),
        RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "its database is gone"}),
        lost("server closed the connection unexpectedly"),
        lost("connection to server on socket failed: FATAL:  the database system is starting up"),
        lost("Lost connection to MySQL server during query"),
        lost("the connection is closed", InterfaceError),
        OperationalError("", {}, DriverError("connection refused")),
    ],
    ids=str,
)
def test_what_waiting_may_bring_back_is_away(error: Exception) -> None:
    assert is_away(error)


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("API request to endpoint /api failed with error code 401 != 200"),
        RestException({"error_code": "PERMISSION_DENIED", "message": "Permission denied"}),
        RestException({"error_code": "INTERNAL_ERROR", "message": "no such table"}),
        MlflowException(
            "API request to https://h failed with exception HTTPSConnectionPool(host='h'): "
            "(Caused by SSLError(SSLCertVerificationError(1)))"
        ),
        MlflowException("no such table", error_code=BAD_REQUEST),
        lost('FATAL:  password authentication failed for user "me"'),
        lost('FATAL:  database "runs" does not exist'),
        lost("(1045, \"Access denied for user 'me'@'host'\")"),
        lost("(1049, \"Unknown database 'runs'\")"),
        locked(),
        ValueError("bad URI"),
    ],
    ids=str,
)
def test_what_a_person_has_to_mend_is_a_refusal(error: Exception) -> None:
    assert not is_away(error)
