import os
import sys
from pathlib import Path

import pytest

from sweeper.errors import LauncherError
from sweeper.launchers.worker import MAX_LINE, Event, Worker, parse_event


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"event": "ready"}', Event(kind="ready")),
        (b'{"event": "epoch", "folder": "/a"}', Event(kind="epoch", folder="/a")),
        (
            b'{"event": "ended", "folder": "/a", "status": "failed"}',
            Event(kind="ended", folder="/a", status="failed"),
        ),
        (b"", None),
        (b"Epoch 1: 100%", None),
        (b"\xff\xfe", None),
        (b"null", None),
        (b"[1]", None),
        (b'{"event": "party"}', None),
        (b'{"event": ["ready"]}', None),
        (b"[" * 100_000, None),
    ],
)
def test_line_is_an_event_or_nothing(line: bytes, expected: Event | None) -> None:
    assert parse_event(line) == expected


def events_of(program: str, tmp_path: Path) -> tuple[list[Event], int, Worker]:
    """Read a worker to its end."""
    worker = Worker(
        (sys.executable, "-I", "-S", "-c", program),
        environment=dict(os.environ),
        log=tmp_path / "logs" / "worker.log",
    )
    events = []
    while not worker.ended:
        os.set_blocking(worker.fileno(), True)
        events += worker.receive()
    return events, worker.wait(), worker


def test_event_is_pieced_together_from_halves(tmp_path: Path) -> None:
    program = """
import os, time
os.write(1, b'{"event": "re')
os.write(1, b'ady"}\\nnoise\\n{"event": "epoch", "folder": "/a"}\\n{"event": "torn')
"""
    events, code, worker = events_of(program, tmp_path)
    assert events == [Event(kind="ready"), Event(kind="epoch", folder="/a")]
    assert (code, worker.ready) == (0, True)


def test_line_beyond_the_limit_is_not_kept(tmp_path: Path) -> None:
    program = f"""
import sys
sys.stdout.write('{{"event":' + {2 * MAX_LINE} * ' ' + '"ready"}}\\n')
print('{{"event": "epoch"}}')
"""
    events, _, _ = events_of(program, tmp_path)
    assert events == [Event(kind="epoch")]


def test_log_tail_is_what_this_worker_wrote(tmp_path: Path) -> None:
    events_of("import sys; sys.exit('first words')", tmp_path)
    _, code, worker = events_of("import sys; sys.exit('last words')", tmp_path)
    assert (code, worker.log_tail()) == (1, "last words")
    worker.note("a remark")
    log = (tmp_path / "logs" / "worker.log").read_text()
    assert log == "first words\nlast words\nsweeper: a remark\n"


def test_a_remark_is_dropped_where_the_log_has_gone_with_its_folder(tmp_path: Path) -> None:
    _, _, worker = events_of("", tmp_path)
    (tmp_path / "logs").rename(tmp_path / "elsewhere")
    worker.note("a remark")
    assert not (tmp_path / "logs").exists()


def test_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LauncherError, match=r"its log is .*file/worker\.log"):
        Worker(("true",), environment={}, log=tmp_path / "file" / "worker.log")


def test_folder_sent_to_a_dead_worker_is_swallowed(tmp_path: Path) -> None:
    worker = Worker(("true",), environment=dict(os.environ), log=tmp_path / "worker.log")
    while not worker.ended:
        os.set_blocking(worker.fileno(), True)
        worker.receive()
    worker.send(tmp_path)
    assert worker.wait() == 0


def test_killed_worker_says_so_by_its_code(tmp_path: Path) -> None:
    worker = Worker(("sleep", "60"), environment=dict(os.environ), log=tmp_path / "worker.log")
    worker.kill()
    assert worker.wait() == 128 + 9
