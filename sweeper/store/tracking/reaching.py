"""Whether somebody answers at MLflow's address, asked before MLflow is, which tries for minutes."""

import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sweeper.addresses import masked
from sweeper.errors import TrackingAway, TrackingError, TrackingHostUnknown

_CONNECT_SECONDS = 10.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


def require_reachable(uri: str) -> None:
    """Connect and hang up; nothing for an address that only MLflow understands.

    Raises:
        TrackingAway: where nobody listens, or the network does not lead there.
        TrackingHostUnknown: where no such host is known, as the one that was asked says.
        TrackingError: where its port is none.
    """
    parts = urlsplit(uri)
    scheme = parts.scheme.partition("+")[0]
    try:
        port = parts.port or _PORTS.get(scheme)
    except ValueError as error:
        raise TrackingError(f"MLflow cannot be reached at {masked(uri)}: {error}") from error
    [folder] = parse_qs(parts.query).get("host", [""])[:1]
    where = f"{parts.hostname}:{port}"
    try:
        if scheme == "postgresql" and folder.startswith("/"):
            where = str(Path(folder) / f".s.PGSQL.{port}")
            with socket.socket(socket.AF_UNIX) as local:
                local.connect(where)
        elif parts.hostname is not None and port is not None:
            socket.create_connection((parts.hostname, port), timeout=_CONNECT_SECONDS).close()
    except (socket.gaierror, UnicodeError) as error:  # the latter of two dots in a row
        is_unknown = isinstance(error, UnicodeError) or error.errno != socket.EAI_AGAIN
        kind = TrackingHostUnknown if is_unknown else TrackingAway
        raise kind(_said(where, error)) from error
    except OSError as error:
        raise TrackingAway(_said(where, error)) from error


def _said(where: str, error: Exception) -> str:
    return f"MLflow cannot be reached at {where} ({error})"
