"""Who is making which stage, so that nothing is made twice at the same time.

A claim is a lock on one byte of the file `<stages>/claims`, at a place that the stage's key names.
The operating system gives it up with the process that holds it, however that ends: no claim is ever
left behind. Works between the machines of a network file system that locks. No torch.
"""

import fcntl
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

_FLOCK = "hhqqi"  # of Linux on 64 bits: kind, whence, start, length, process


class Claims:
    """The claims of this process on the stages of a workspace. Use as a context manager.

    A process that opens the same stages twice at a time would lose its claims by closing one.
    """

    def __init__(self, stages: Path) -> None:
        stages.mkdir(parents=True, exist_ok=True)
        self._file = os.open(stages / "claims", os.O_RDWR | os.O_CREAT, 0o666)

    def __enter__(self) -> "Claims":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up every claim."""
        os.close(self._file)

    def take(self, keys: Sequence[str]) -> str | None:
        """Claim all of ``keys`` or none.

        Args:
            keys: In the order in which they will be made: two jobs whose chains begin alike meet at
                the first key, and one of them goes on.

        Returns:
            None where all are claimed; else the last key that another process is making.
        """
        for index, key in enumerate(keys):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
            except BlockingIOError:
                for taken in keys[:index]:
                    self.release(taken)
                return next((k for k in reversed(keys) if not self.is_free(k)), key)
        return None

    def release(self, key: str) -> None:
        """Give up one claim; nothing where there is none."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))

    def is_free(self, key: str) -> bool:
        """Whether no other process has claimed ``key``; claims nothing itself."""
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _place(key), 1, 0)
        found = fcntl.fcntl(self._file, fcntl.F_GETLK, asked)
        return bool(struct.unpack(_FLOCK, found)[0] == fcntl.F_UNLCK)


def _place(key: str) -> int:
    """The byte that stands for a key: its first 60 bits, for a file's offsets end at 2**63."""
    return int(key[:15], 16)
