"""Whether MLflow refuses, or is away for a while: what a person has to mend is told at once. Pure.

Away is what waiting may bring back: nobody listens, nobody answers in time, a proxy or a server
says 5xx, a database has gone or takes no more connections. All else is a refusal: a wrong password,
a missing right, a certificate, a database that is not there, a disk that is full.
"""

import re
from collections.abc import Iterator

from mlflow.exceptions import MlflowException, RestException
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

_AWAY = re.compile(
    r"API request to .* failed with (timeout )?exception|failed with error code 5\d\d|"
    r"HTTPS?ConnectionPool"
)  # how MLflow and its HTTP client say that nobody answers
_REFUSED = re.compile(
    r"SSLError|certificate verify failed|authentication failed|no password supplied|"
    r"no pg_hba\.conf entry|permission denied|does not exist|Access denied|Unknown database",
    re.IGNORECASE,
)  # of TLS, PostgreSQL and MySQL, in the classes that they have for lost connections, too


def is_away(error: BaseException) -> bool:
    """Whether an error of MLflow, or of what lies below it, may pass by itself."""
    causes = list(_causes(error))
    if any(_REFUSED.search(str(cause)) for cause in causes):
        return False
    return any(_is_absence(cause) for cause in causes)


def _is_absence(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        is_file = type(error.orig).__module__.startswith("sqlite3")  # it is there, and refuses
        lost = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
        return bool(lost) and not is_file
    if isinstance(error, RestException):  # of a server that answers; its database may not
        return bool(error.error_code == "TEMPORARILY_UNAVAILABLE")
    return isinstance(error, MlflowException | OSError) and bool(_AWAY.search(str(error)))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
