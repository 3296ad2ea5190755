"""Who may use which share of a GPU: one lock file a share, in one folder for all drivers of a host.

The locks are the kernel's (flock), so a dead driver's leases vanish with it. A lock file holds the
id of the guard whose worker uses the share: a process on the card that descends from no such guard
is foreign, and a card with foreign processes is left alone. A card is cut into one number of shares
at a time: a driver that counts on the whole card never gets a neighbour. In containers with a /tmp
of their own the locks do not meet; the foreign processes are still seen. Knows no jobs.
"""

import contextlib
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from sweeper.errors import LauncherUnavailable
from sweeper.launchers.devices import Gpu, GpuShare, Nvml, find_gpus

GATE_TIMEOUT = 1.0  # seconds; the gate of a card is held for some milliseconds
GIB = 2**30


class Lease:
    """One share of a GPU, held until `release` or the end of this process."""

    def __init__(self, lock: FileLock, path: Path) -> None:
        self._lock = lock
        self._path = path
        self.record_guard(None)  # the last holder's may be another process by now

    def record_guard(self, pid: int | None) -> None:
        """Note whose descendants may use the card."""
        # "r+" never creates: in a sticky folder the kernel refuses that on another user's file
        with self._path.open("r+") as file:
            file.truncate()
            file.write("" if pid is None else str(pid))

    def release(self) -> None:
        """Give the share back."""
        self._lock.release()


class GpuLeases:
    """The leases of this host, as one driver sees them."""

    def __init__(
        self,
        nvml: Nvml | None,
        *,
        min_free: float = 0.0,
        folder: Path | None = None,
        ancestors: Callable[[int], Collection[int] | None] | None = None,
    ) -> None:
        """Take nothing yet.

        Args:
            nvml: Where to ask about memory and processes.
            min_free: A card with less free memory, in GiB, is left alone.
            folder: Holds the lock files; the default is the same for all users of the host.
            ancestors: Returns the ancestors of a process, or None if it cannot be seen.
        """
        self._nvml = nvml
        self._min_free = min_free
        self._folder = folder or Path(tempfile.gettempdir()) / "sweeper-slots"
        self._ancestors = ancestors or process_ancestors

    def acquire(self, share: GpuShare) -> Lease | str:
        """Take ``share`` without waiting; returns a sentence that says why if that cannot be.

        Raises:
            LauncherUnavailable: if no lock can be taken in the folder.
        """
        gate = FileLock(self._folder / f"{share.uuid}.gate", timeout=GATE_TIMEOUT, mode=0o666)
        try:
            self._make_folder()
            with gate:  # looking and taking are one step for all drivers of the host
                return self._take(share)
        except Timeout:
            return f"GPU {share.index} is in use by another driver"
        except OSError as error:
            raise LauncherUnavailable(
                f"Cannot lock GPU {share.index} in {self._folder}: {error.strerror}. All users of "
                "this machine must be able to write there."
            ) from error

    def refusal(self, share: GpuShare) -> str | None:
        """Say why a share cannot be had now; None where it can. Raises as `acquire`."""
        lease = self.acquire(share)
        if isinstance(lease, str):
            return lease
        lease.release()
        return None

    def gpus(self) -> tuple[Gpu, ...]:
        """All cards of the host that answer."""
        return find_gpus(self._nvml)

    def _take(self, share: GpuShare) -> Lease | str:
        path = self._folder / lock_name(share)
        lock = FileLock(path, blocking=False, mode=0o666)
        lock.acquire()
        refusal = self._why_not(share)
        if refusal is None:
            return Lease(lock, path)
        lock.release()
        return f"GPU {share.index} {refusal}"

    def _make_folder(self) -> None:
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir(parents=True)
            self._folder.chmod(0o1777)  # as /tmp: for all users, each removing only its own

    def _why_not(self, share: GpuShare) -> str | None:
        gpus = [gpu for gpu in self.gpus() if gpu.uuid == share.uuid]
        if not gpus:
            return "does not answer any more"
        guards = self._guards(share)
        if guards is None:
            return "is cut into another number of slots by another driver"
        lineages = {pid: self._ancestors(pid) for pid in gpus[0].processes}
        return why_busy(gpus[0], lineages=lineages, guards=guards, min_free=self._min_free)

    def _guards(self, share: GpuShare) -> list[int] | None:
        """Return the guards on the card's other shares, None if it is cut in another way."""
        guards = []
        for path in self._folder.glob(f"{share.uuid}.*.lock"):
            if path.name == lock_name(share) or not _is_held(path):
                continue
            if not path.name.endswith(f"-of-{share.shares}.lock"):
                return None
            text = path.read_text()
            guards += [int(text)] if text.isdigit() else []
        return guards


def lock_name(share: GpuShare) -> str:
    """Name of the file whose lock is the lease of ``share``."""
    return f"{share.uuid}.{share.share}-of-{share.shares}.lock"


def _is_held(path: Path) -> bool:
    lock = FileLock(path, blocking=False, mode=0o666)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def process_ancestors(pid: int) -> set[int] | None:
    """Return ``pid`` and its ancestors; None if it has ended or cannot be seen (a container)."""
    try:
        return {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
    except psutil.Error:
        return None


def why_busy(
    gpu: Gpu,
    *,
    lineages: Mapping[int, Collection[int] | None],
    guards: Collection[int],
    min_free: float,
) -> str | None:
    """Say why no worker should be started on ``gpu``; None if one may.

    Args:
        gpu: The card as it is now.
        lineages: Of every process on the card: it and its ancestors, or None if it cannot be seen.
        guards: The guards of the workers that hold a lease on the card. If there are any, a process
            that cannot be seen may be theirs, and passes.
        min_free: Memory that has to be free, in GiB.
    """
    foreign = [
        pid
        for pid in gpu.processes
        if (not guards if (lineage := lineages[pid]) is None else not set(lineage) & set(guards))
    ]
    if foreign:
        return f"is used by other programs (process {', '.join(map(str, foreign))})"
    if gpu.free is not None and gpu.free < min_free * GIB:
        return f"has {gpu.free / GIB:.1f} GiB free, less than `min_free` {min_free:g}"
    return None
