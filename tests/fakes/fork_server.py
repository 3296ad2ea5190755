"""Drivers and MLflow servers that are forked from a process that has run a study before.

To import MLflow and to use it for the first time takes seconds of every process, and a fork none.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

STUDY = """\
name: first
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: 1}}]
parameters:
  lr: {values: [1e-3]}
trials: 1
"""


class Forked:
    """A process of the server's; as much of `subprocess.Popen` as is asked for."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self.pid = pid
        self._server = server
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            self._code = self._server.ask(code_of=self.pid)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(0.01)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """Asks the process behind this file, which does one thing after another."""

    def __init__(self, database: Path) -> None:
        """Start it; ``database`` has MLflow's tables and nothing else."""
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def driver(
        self, study: Path, workspace: Path, *, terminal: Path, variables: Mapping[str, str]
    ) -> Forked:
        """Run a study on two slots; what it says of errors is in `errors.txt` beside it."""
        arguments = [str(study), str(workspace), str(terminal), dict(variables)]
        return Forked(self, self.ask(run=arguments))

    def mlflow(self, database: Path, port: int) -> Forked:
        """Serve MLflow."""
        return Forked(self, self.ask(serve=[str(database), port]))

    def close(self) -> None:
        self._process.communicate()


def run(study: str, workspace: str, terminal: str, variables: dict[str, str]) -> int:
    """`sweeper run` in this process, with the fake trainer."""
    from fakes.run_fake_study import main

    from benchmarks.chaos_rounds import POINTS, streams

    os.environ.update(variables)
    sys.path.insert(0, str(POINTS))
    import fault_points

    fault_points.watch("driver")
    with streams(Path(terminal)) as (stdin, stdout):
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
    with Path(study).with_name("errors.txt").open("ab") as file:
        os.dup2(file.fileno(), 2)
    return main(study, workspace, "2", is_process=True)


def serve(database: str, port: int) -> int:
    """MLflow's application on this machine, one request after another."""
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    from mlflow.server import app
    from mlflow.server.handlers import initialize_backend_stores

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    folder = Path(database).parent
    initialize_backend_stores(f"sqlite:///{database}", default_artifact_root=str(folder))
    make_server("127.0.0.1", port, app, handler_class=Quiet).serve_forever()
    return 0


def fork(work: Any, arguments: list[Any]) -> int:
    """Do it in a session of its own; return the process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        for stream in (0, 1):  # those of the requests
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        code = work(*arguments)
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def code_of(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def warm_up(database: Path) -> None:
    """Do all that is done in every driver, once."""
    import mlflow.server  # noqa: F401
    from fakes.run_fake_study import run_here

    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "first.yaml"
        study.write_text(STUDY)
        study.with_name("mlflow.db").write_bytes(database.read_bytes())
        assert run_here(study, slots=1).returncode == 0


if __name__ == "__main__":
    warm_up(Path(sys.argv[1]))
    for line in sys.stdin:
        request = json.loads(line)
        if "code_of" in request:
            answer = code_of(request["code_of"])
        elif "run" in request:
            answer = fork(run, request["run"])
        else:
            answer = fork(serve, request["serve"])
        print(json.dumps(answer), flush=True)
