from pathlib import Path
from typing import NamedTuple

from sweeper.store.file_systems import is_on_network, mounted_over_network


class Partition(NamedTuple):
    mountpoint: str
    fstype: str


def test_network_file_systems_are_told_by_the_longest_mount() -> None:
    partitions = [
        Partition("/", "ext4"),
        Partition("/home", "nfs4"),
        Partition("/home/local", "xfs"),
        Partition("/mnt", "fuse.sshfs"),
        Partition("/fuse", "fuseblk"),
    ]
    on_network = {
        folder: mounted_over_network(Path(folder), partitions)
        for folder in ("/data", "/home/me", "/home/local/me", "/mnt", "/fuse/x", "/homework")
    }
    assert on_network == {
        "/data": False,
        "/home/me": True,
        "/home/local/me": False,
        "/mnt": True,
        "/fuse/x": False,
        "/homework": False,
    }
    assert not mounted_over_network(Path("/x"), [])


def test_a_file_that_does_not_exist_yet_is_judged_by_its_folder(tmp_path: Path) -> None:
    assert not is_on_network(tmp_path / "not" / "yet.db")
