import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from sweeper.cli.ui import free_port, serve_ui
from sweeper.errors import UsageError
from sweeper.store.tracking import open_tracking

# a process of its own: the pages have to end with it
SERVE = """
import sys
from pathlib import Path
from sweeper.cli.ui import free_port, serve_ui
serve_ui(Path(sys.argv[1]), port=free_port(port=0), announce=lambda url: print(url, flush=True))
"""


def test_a_workspace_without_a_database_is_told_to_run_a_study_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sweeper run"):
        serve_ui(tmp_path, announce=print)
    assert list(tmp_path.iterdir()) == []


def test_the_wanted_port_is_used_if_free_and_another_one_if_taken() -> None:
    free = free_port(port=0)
    assert free_port(port=free) == free
    with socket.create_server(("127.0.0.1", free)):
        assert free_port(port=free) not in (free, 0)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.1"):  # TEST-NET-1, RFC 5737
        free_port("192.0.2.1")


def test_the_pages_show_the_study_with_two_processes_and_end_without_a_trace(
    tmp_path: Path,
) -> None:
    tracking = open_tracking(
        tmp_path / "mlflow.db", experiment="lab", artifacts=tmp_path / "artifacts", say=print
    )
    parent = tracking.study_run("kl_lr", study_id="s1")
    tracking.finish_study(status="FINISHED", artifacts={"best.yaml": "lr: 0.001\n"})
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert "<title>MLflow</title>" in fetch(f"{url}/")
        found = fetch(f"{url}/ajax-api/2.0/mlflow/experiments/get-by-name?experiment_name=lab")
        assert json.loads(found)["experiment"]["experiment_id"] == tracking.experiment_id
        best = fetch(f"{url}/get-artifact?path=best.yaml&run_uuid={parent}")
        assert best == "lr: 0.001\n"
        pages = psutil.Process(server.pid).children(recursive=True)
        assert len(pages) == 2
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 128 + signal.SIGTERM
        assert not any(page.is_running() for page in pages)
    finally:
        server.kill()
        server.communicate()


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())
