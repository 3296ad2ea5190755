"""A study goes on while its MLflow server is away, and MLflow has all of it in the end."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeper.cli.ui import free_port
from sweeper.store.workspace import Workspace

RUN = [sys.executable, str(Path(__file__).parents[1] / "fakes" / "run_fake_study.py")]
STUDY = """\
name: remote
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: 2}}]
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
trials: 8
mlflow: {tracking_uri: "http://127.0.0.1:PORT"}
"""


def wait_for(condition: Callable[[], bool], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{folder / 'server.db'}"),
        ],
        cwd=folder,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def answers() -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
        except OSError:
            return False
        return True

    try:
        wait_for(answers)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_a_server_that_is_away_for_a_while_has_everything_in_the_end(
    tmp_path: Path, empty_database: Path
) -> None:
    from mlflow import MlflowClient

    shutil.copyfile(empty_database, tmp_path / "server.db")
    port = free_port(port=0)
    (tmp_path / "study.yaml").write_text(STUDY.replace("PORT", str(port)))
    folder = Workspace(tmp_path).study("remote")

    def ended() -> int:
        return folder.read_state().get("counts", {}).get("complete", 0)

    with serving(tmp_path, port):
        driver = subprocess.Popen(
            [*RUN, str(tmp_path / "study.yaml"), str(tmp_path), "1"],
            env={**os.environ, "FAKE_SECONDS": "0.5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: ended() >= 1)
    wait_for(lambda: ended() >= 5)
    with serving(tmp_path, port):
        said, _ = driver.communicate(timeout=120)
        assert driver.returncode == 0
        assert said.count("The study goes on, and what MLflow misses is written") == 1
        client = MlflowClient(f"http://127.0.0.1:{port}")
        experiment = client.get_experiment_by_name("remote")
        assert experiment is not None
        runs = {r.info.run_name or "": r for r in client.search_runs([experiment.experiment_id])}
        if "MLflow lacked" not in said:  # it had ended before the server was back
            again = subprocess.run(driver.args, capture_output=True, text=True, check=False)
            assert "MLflow lacked" in again.stdout
            runs = {
                r.info.run_name or "": r for r in client.search_runs([experiment.experiment_id])
            }
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        assert len(runs) == 1 + 3 + 8
        trials = [run for name, run in runs.items() if name.startswith("trial ")]
        assert all("grpo/score" in run.data.metrics for run in trials)
        assert all(run.data.metrics["score"] > 0 for run in trials)
        first = trials[0].info.run_id
        assert len(client.get_metric_history(first, "grpo/score")) == 2
