"""Leases of two drivers: two objects where one process will do, real processes where it matters."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import psutil
import pytest
from fakes.fake_nvml import GIB, Card, Cards

from sweeper.errors import LauncherUnavailable
from sweeper.launchers.devices import Gpu, GpuShare
from sweeper.launchers.leases import GpuLeases, Lease, lock_name, process_ancestors, why_busy

DEADLINE = 20.0
HOLD = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from fakes.fake_nvml import Card, Cards
from sweeper.launchers.devices import GpuShare
from sweeper.launchers.leases import GpuLeases
share = GpuShare(uuid="GPU-a", index=0, share=0, shares=2)
lease = GpuLeases(Cards([Card()]), folder=Path({folder!r})).acquire(share)
print(lease if isinstance(lease, str) else "held", flush=True)
sys.stdin.read()
"""


def share(number: int, *, of: int = 2) -> GpuShare:
    return GpuShare(uuid="GPU-a", index=0, share=number, shares=of)


def driver(folder: Path, card: Card | None = None, *, min_free: float = 0.0) -> GpuLeases:
    return GpuLeases(Cards([card or Card()]), folder=folder, min_free=min_free)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another driver process, which has taken share 0."""
    program = HOLD.format(here=str(Path(__file__).parents[2]), folder=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_share_is_held_by_one_driver_at_a_time(tmp_path: Path) -> None:
    lease = driver(tmp_path).acquire(share(0))
    assert isinstance(lease, Lease)
    assert driver(tmp_path).acquire(share(0)) == "GPU 0 is in use by another driver"
    lease.release()
    assert isinstance(driver(tmp_path).acquire(share(0)), Lease)


def test_shares_of_one_card_are_leased_one_by_one(tmp_path: Path) -> None:
    leases = [driver(tmp_path).acquire(share(number)) for number in (0, 1)]
    assert all(isinstance(lease, Lease) for lease in leases)


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1), (2, 3)])
def test_card_is_cut_in_one_way_at_a_time(tmp_path: Path, first: int, second: int) -> None:
    lease = driver(tmp_path).acquire(share(first - 1, of=first))
    assert isinstance(lease, Lease)
    refusal = driver(tmp_path).acquire(share(0, of=second))
    assert refusal == "GPU 0 is cut into another number of slots by another driver"
    lease.release()
    assert isinstance(driver(tmp_path).acquire(share(0, of=second)), Lease)


def test_two_processes_never_hold_the_same_share(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert driver(tmp_path).acquire(share(0)) == "GPU 0 is in use by another driver"


def test_killed_driver_frees_its_lease(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait(DEADLINE)
    assert isinstance(driver(tmp_path).acquire(share(0)), Lease)


def test_lease_is_not_handed_on_to_a_process_that_the_driver_starts(tmp_path: Path) -> None:
    lease = driver(tmp_path).acquire(share(0))
    assert isinstance(lease, Lease)
    with subprocess.Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE) as child:
        lease.release()
        assert isinstance(driver(tmp_path).acquire(share(0)), Lease)
        child.kill()


def test_card_with_a_foreign_process_is_left_alone_until_that_ends(tmp_path: Path) -> None:
    card = Card(pids=[os.getpid()])
    refusal = driver(tmp_path, card).acquire(share(0))
    assert refusal == f"GPU 0 is used by other programs (process {os.getpid()})"
    card.pids = ()
    assert isinstance(driver(tmp_path, card).acquire(share(0)), Lease)


def test_worker_of_another_drivers_share_is_not_foreign(tmp_path: Path) -> None:
    lease = driver(tmp_path).acquire(share(0))
    assert isinstance(lease, Lease)
    lease.record_guard(os.getppid())  # stands for the guard of this very process
    card = Card(pids=[os.getpid()])
    assert isinstance(driver(tmp_path, card).acquire(share(1)), Lease)


def test_guard_of_an_earlier_lease_does_not_count(tmp_path: Path) -> None:
    (tmp_path / lock_name(share(0))).write_text(str(os.getppid()))
    card = Card(pids=[os.getpid()])
    assert isinstance(driver(tmp_path, card).acquire(share(1)), str)
    held = driver(tmp_path).acquire(share(0))  # by a driver whose worker has not started
    assert isinstance(held, Lease)
    assert isinstance(driver(tmp_path, card).acquire(share(1)), str)


def test_refused_share_is_not_kept(tmp_path: Path) -> None:
    assert isinstance(driver(tmp_path, Card(pids=[1])).acquire(share(0)), str)
    assert isinstance(driver(tmp_path).acquire(share(0)), Lease)


def test_card_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    refusal = driver(tmp_path, Card(answers=False)).acquire(share(0))
    assert refusal == "GPU 0 does not answer any more"


def test_card_without_enough_free_memory_is_refused(tmp_path: Path) -> None:
    card = Card(free=4 * GIB)
    assert driver(tmp_path, card, min_free=4.5).acquire(share(0)) == (
        "GPU 0 has 4.0 GiB free, less than `min_free` 4.5"
    )
    assert isinstance(driver(tmp_path, card, min_free=4.0).acquire(share(0)), Lease)


def test_every_user_of_the_host_can_lock_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "slots"
    before = os.umask(0o077)
    try:
        assert isinstance(driver(folder).acquire(share(0)), Lease)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o666}


def test_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LauncherUnavailable, match=r"Cannot lock GPU 0 in .*file/slots: Not a dir"):
        driver(tmp_path / "file" / "slots").acquire(share(0))


@pytest.mark.parametrize(
    ("lineage", "guards", "busy"),
    [
        ({5, 1}, [], True),  # 5 is on the card, and no worker should be
        ({5, 1}, [7], True),  # 5 does not descend from guard 7
        ({5, 7, 1}, [7], False),
        ({5, 7, 1}, [8, 7], False),
        (None, [], True),  # out of sight, and no worker should be on the card
        (None, [7], False),  # out of sight: may be 7's, seen from a container
    ],
)
def test_process_is_foreign_unless_it_descends_from_a_guard(
    lineage: Collection[int] | None, guards: list[int], busy: bool
) -> None:
    gpu = Gpu(index=0, uuid="GPU-a", name="fake", total=8, free=8, processes=(5,))
    reason = why_busy(gpu, lineages={5: lineage}, guards=guards, min_free=0.0)
    assert reason == ("is used by other programs (process 5)" if busy else None)


def test_card_that_does_not_tell_its_memory_passes() -> None:
    gpu = Gpu(index=0, uuid="GPU-a", name="fake", total=None, free=None, processes=())
    assert why_busy(gpu, lineages={}, guards=(), min_free=10.0) is None


def test_ancestors_reach_from_a_process_to_its_parents() -> None:
    ancestors = process_ancestors(os.getpid())
    assert ancestors is not None
    assert {os.getpid(), os.getppid()} <= ancestors


def test_ended_process_has_no_ancestors() -> None:
    with subprocess.Popen([sys.executable, "-ISc", ""]) as process:
        process.wait(DEADLINE)
    deadline = time.monotonic() + DEADLINE
    while psutil.pid_exists(process.pid):
        assert time.monotonic() < deadline
    assert process_ancestors(process.pid) is None
