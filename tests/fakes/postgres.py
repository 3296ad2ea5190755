"""A PostgreSQL server of the tests' own: a real one, on a socket in a folder of its own."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def binaries() -> Path | None:
    """Folder of `initdb` and `pg_ctl`, of the latest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def skip_without_psycopg() -> None:
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: pip install 'sweeper[postgres]'")


class Server:
    """A running server; `url` gives an empty database of its own at every call."""

    def __init__(self, folder: Path, programs: Path, user: str) -> None:
        self._folder, self._programs, self._user = folder, programs, user
        self.options = f"-k {folder} -c listen_addresses='' -c fsync=off"

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-o", self.options, "-l", str(self._folder / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "stop")

    def url(self) -> str:
        name = f"test_{secrets.token_hex(4)}"
        self._run("createdb", "-h", str(self._folder), "-U", "sweeper", name, data=False)
        return f"postgresql://sweeper@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str, data: bool = True) -> None:
        where = ["-D", str(self._folder / "data")] if data else []
        subprocess.run(
            [self._programs / program, *where, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd=self._folder,
            user=self._user,
        )


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    """Run a server; skip the test that asks for it where it cannot be."""
    skip_without_psycopg()
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # it refuses root
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        shutil.chown(folder, user)
        server = Server(folder, programs, user)
        server._run("initdb", "--no-sync", "-A", "trust", "-U", "sweeper")
        server.start()
        try:
            yield server
        finally:
            server.stop()
