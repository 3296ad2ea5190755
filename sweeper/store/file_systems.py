"""Whether a folder lies on another machine: there SQLite must not use its write-ahead log.

The log needs shared memory, which no network file system has; the type is looked up, never guessed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

# Beginnings of the names that the operating system gives them. FUSE says what serves it.
_NETWORK = (
    *("nfs", "cifs", "smb", "afs", "ceph", "lustre", "gpfs", "beegfs", "gluster", "wekafs"),
    *("pvfs", "orangefs", "ocfs", "gfs", "9p", "davfs", "panfs", "virtiofs", "vboxsf"),
    *("fuse.sshfs", "fuse.ceph", "fuse.gluster", "fuse.juicefs", "fuse.s3fs", "fuse.rclone"),
    *("fuse.gcsfuse", "fuse.lustre"),
)


class Partition(Protocol):
    """A mounted file system, as psutil lists them."""

    @property
    def mountpoint(self) -> str:
        """Folder where it begins."""

    @property
    def fstype(self) -> str:
        """What the operating system calls its kind."""


def is_on_network(path: Path) -> bool:
    """Whether ``path``, which need not exist, lies on a file system that others share."""
    import psutil  # not needed by commands that open no database

    return mounted_over_network(path.resolve(), psutil.disk_partitions(all=True))


def mounted_over_network(path: Path, partitions: Sequence[Partition]) -> bool:
    """Whether the innermost of ``partitions`` that holds ``path`` is a network file system."""
    holding = [part for part in partitions if path.is_relative_to(part.mountpoint)]
    kind = max(holding, key=lambda part: len(part.mountpoint)).fstype if holding else ""
    return kind.lower().startswith(_NETWORK)
