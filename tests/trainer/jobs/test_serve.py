"""A warm worker in a process of its own: its pipes are what is tested."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from trainer.contract import FAILURE, LOG, RESULT, TRIAL, Job, TrainSpec

SERVE = """
import ctypes, os, subprocess, sys
from fakes.toy_task import toy_inputs
from trainer.jobs.serve import serve

def load_inputs(spec, device):
    print("from Python")
    os.write(1, b"from the file descriptor\\n")
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["echo", "from a child"])
    if os.path.samestat(os.fstat(0), os.stat(os.devnull)):
        print("nothing to read")  # else a child that reads waits for ever, or takes a folder
    print("from stderr", file=sys.stderr)
    return toy_inputs()

serve(sys.stdin, load_inputs=load_inputs)
print("after the last job")
"""
PRINTED = [
    *("from Python", "from the file descriptor", "from C", "from a child", "from stderr"),
    "nothing to read",
]


def trial(folder: Path, *, epochs: int = 2) -> Path:
    folder.mkdir()
    spec = TrainSpec.model_validate(
        {
            "policy": {"hidden_dim": 16},
            "phases": [{"rce": {"epochs": epochs, "batch_size": 8}}],
            "evaluate": {"questions": 32, "holdout": 32},
        }
    )
    job = Job(spec=spec, stages=folder / "stages")
    (folder / TRIAL).write_text(json.dumps(job.to_json()))
    return folder


def run_worker(lines: Sequence[str], code: str = SERVE) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[3]
    return subprocess.run(
        [sys.executable, "-c", code],
        input="".join(f"{line}\n" for line in lines),
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def events(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One worker that gets a good job, a folder with an odd name, one without a job, one gone."""
    root = tmp_path_factory.mktemp("folders")
    folders = [
        trial(root / "good"),
        trial(root / 'größe "2"\n研究 '),
        root / "empty",
        root / "gone",
    ]
    folders[2].mkdir()
    (folders[2] / LOG).write_text("first attempt\n")
    return {"folders": folders, "done": run_worker([json.dumps(str(f)) for f in folders])}


def test_stdout_carries_events_and_nothing_else(worked: dict[str, Any]) -> None:
    good, odd, empty, gone = map(str, worked["folders"])
    assert events(worked["done"]) == [
        {"event": "ready"},
        {"event": "epoch", "folder": good},
        {"event": "epoch", "folder": good},
        {"event": "ended", "folder": good, "status": "completed"},
        {"event": "epoch", "folder": odd},
        {"event": "epoch", "folder": odd},
        {"event": "ended", "folder": odd, "status": "completed"},
        {"event": "ended", "folder": empty, "status": "failed"},
        {"event": "ended", "folder": gone, "status": "failed"},
    ]


def test_the_log_of_a_folder_holds_all_that_its_job_printed(worked: dict[str, Any]) -> None:
    for folder in worked["folders"][:2]:
        assert sorted((folder / LOG).read_text().splitlines()) == sorted(PRINTED)


def test_what_is_printed_outside_of_jobs_goes_to_stderr(worked: dict[str, Any]) -> None:
    said = worked["done"].stderr.splitlines()
    assert "after the last job" in said
    assert not set(PRINTED) & set(said)


def test_a_worker_survives_jobs_that_fail_and_ends_with_its_input(worked: dict[str, Any]) -> None:
    _, odd, empty, gone = worked["folders"]
    assert (odd / RESULT).exists()
    failure = json.loads((empty / FAILURE).read_text())
    assert failure["class"] == "input"
    assert (empty / LOG).read_text() == (f"first attempt\nfailed (input): {failure['message']}\n")
    assert not gone.exists()
    assert f"cannot write {gone / LOG}" in worked["done"].stderr
    assert worked["done"].returncode == 0


def test_a_line_that_is_no_json_string_ends_the_worker_with_one_message() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "serve"],
        input="/a/path/without/quotes\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert events(done) == [{"event": "ready"}]
    assert done.stderr == (
        "Error: a line on stdin must be a folder as a JSON string, but got "
        "'/a/path/without/quotes'\n"
    )


def test_a_worker_without_memory_writes_why_and_takes_no_other_folder(tmp_path: Path) -> None:
    code = SERVE.replace("    return toy_inputs()", "    held = bytearray(2**62)")
    first, second = trial(tmp_path / "first"), trial(tmp_path / "second")
    done = run_worker([json.dumps(str(folder)) for folder in (first, second)], code)
    assert events(done) == [{"event": "ready"}]
    assert done.returncode == os.EX_TEMPFAIL
    assert json.loads((first / FAILURE).read_text())["class"] == "out_of_host_memory"
    assert sorted(path.name for path in second.iterdir()) == [TRIAL]
