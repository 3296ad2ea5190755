"""Runs MLflow's pages for a workspace, as two processes on this machine, until it is stopped.

Plain `mlflow ui` is 15 processes and 3 GB: workers for each core, and a queue of jobs that nothing
here uses. Knows no study: the caller makes the link from the address that it is told.
"""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from sweeper.errors import UiError, UsageError
from sweeper.store.tracking import DATABASE, database_uri, follow_folder

_START_SECONDS = 120.0  # 5-10 s on a quiet machine
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.2


def serve_ui(
    workspace: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    announce: Callable[[str], None],
) -> None:
    """Serve MLflow's pages until Ctrl-C or SIGTERM; leaves no process behind.

    Args:
        workspace: Folder that holds `mlflow.db`.
        host: Address to listen at.
        port: Where to listen; see ``free_port``.
        announce: Called with the base URL as soon as the pages answer.

    Raises:
        UsageError: if no study has been run in ``workspace``.
        UiError: if MLflow ends by itself.
    """
    with running_ui(workspace, host=host, port=port) as (process, base_url):
        announce(base_url)
        with contextlib.suppress(KeyboardInterrupt):
            if process.wait() != 0:
                raise UiError(f"MLflow's pages at {base_url} went down ({process.returncode}).")


@contextlib.contextmanager
def running_ui(
    workspace: Path, *, host: str = "127.0.0.1", port: int = 5000
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run MLflow's pages within a `with` block: gives the process and the base URL that answers."""
    database = workspace.absolute() / DATABASE
    if not database.is_file():
        raise UsageError(
            f"{database} does not exist: no study has been run here. Run one "
            "(`sweeper run STUDY.yaml`), or name its folder with --workspace."
        )
    with contextlib.suppress(sqlite3.Error):  # read-only, or at work: its pages show the rest
        follow_folder(database)
    base_url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    with tempfile.TemporaryFile() as log, _terminable():
        process = subprocess.Popen(
            _command(database, host, port),
            cwd=workspace,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(process, base_url, log)
            yield process, base_url
        finally:
            _stop_group(process)


def free_port(host: str = "127.0.0.1", port: int = 5000) -> int:
    """Return ``port`` if nobody listens there, else a free one that the system picks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in (port, 0):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will
            try:
                probe.bind((host, candidate))
            except OSError as error:
                problem = error
                continue
            return int(probe.getsockname()[1])
    raise UsageError(f"--host {host}: this machine cannot listen there ({problem}).")


_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def _command(database: Path, host: str, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "ui", "--workers", "1"),
        *("--backend-store-uri", database_uri(database)),
        *("--host", host, "--port", str(port)),
    ]


def _wait_until_ready(process: subprocess.Popen[bytes], base_url: str, log: IO[bytes]) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        if process.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{base_url}/health", timeout=1.0).close()
            return
        time.sleep(_POLL_SECONDS)
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()[-15:]
    raise UiError("\n".join([f"MLflow's pages did not come up at {base_url}:", *lines]))


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that the server is stopped, too."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    """End the server and its worker, which is in its process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
