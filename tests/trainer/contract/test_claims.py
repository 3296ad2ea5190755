import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainer.contract import Claims, digest

KEYS = [digest(index) for index in range(6)]
HOLDER = """
import sys
from pathlib import Path
from trainer.contract import Claims
with Claims(Path(sys.argv[1])) as claims:
    print(claims.take(sys.argv[2:]), flush=True)
    for line in sys.stdin:
        claims.release(line.strip())
        print("released", flush=True)
"""
Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Start a process that claims keys; what it says first is told."""
    started: list[subprocess.Popen[str]] = []

    def start(*keys: str, blocked_by: str | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), *keys],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == f"{blocked_by}\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_what_nobody_makes_can_be_claimed(tmp_path: Path) -> None:
    with Claims(tmp_path / "new folder") as claims:
        assert claims.take(KEYS) is None
        assert claims.take([]) is None


def test_the_last_stage_in_flight_is_named_and_nothing_stays_claimed(
    tmp_path: Path, hold: Hold
) -> None:
    hold(KEYS[1], KEYS[2])
    with Claims(tmp_path) as claims:
        assert claims.take(KEYS) == KEYS[2]
        assert not claims.is_free(KEYS[1])
        assert claims.is_free(KEYS[0])
        hold(KEYS[0], KEYS[3])  # which this process has given up again


def test_a_stage_that_is_done_is_free_at_once(tmp_path: Path, hold: Hold) -> None:
    holder = hold(*KEYS[:2])
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write(f"{KEYS[0]}\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "released\n"
    with Claims(tmp_path) as claims:
        assert claims.is_free(KEYS[0])
        assert not claims.is_free(KEYS[1])


def test_claims_end_with_the_process_that_is_killed(tmp_path: Path, hold: Hold) -> None:
    holder = hold(KEYS[0])
    holder.kill()
    holder.wait()
    with Claims(tmp_path) as claims:
        assert claims.take(KEYS) is None


def test_two_processes_that_want_the_same_are_one_after_the_other(hold: Hold) -> None:
    hold(*KEYS[:3])
    hold(*KEYS[:5], blocked_by=KEYS[2])
    hold(*KEYS[3:5])
