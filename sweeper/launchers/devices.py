"""Which devices this machine has, and how they are cut into slots.

GPUs are asked of NVML, which opens no context on them. A GPU is known to its users by the index
that `nvidia-smi` shows, and to CUDA by its UUID, which no ordering of devices can confuse; MIG
slices are not told apart. A CUDA_VISIBLE_DEVICES that the driver finds set is respected. No locks,
no processes.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sweeper.errors import LauncherUnavailable

Devices = Literal["auto", "cpu"] | Sequence[int]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Nvml(Protocol):
    """The part of `pynvml` in use; the module itself is one."""

    NVMLError: type[Exception]

    def nvmlDeviceGetCount(self) -> int:
        """Return the number of GPUs."""

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        """Return the handle of a GPU."""

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        """Return a name that is unique in the world."""

    def nvmlDeviceGetName(self, handle: Any) -> str:
        """Return the name of the model."""

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        """Return an object with ``total`` and ``free``, in bytes."""

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Sequence[Any]:
        """Return one object with ``pid`` for each process with a compute context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU at one moment."""

    index: int  # as nvidia-smi shows it
    uuid: str
    name: str
    total: int | None  # bytes; None where the card does not tell (memory shared with the CPU)
    free: int | None  # bytes
    processes: tuple[int, ...]  # ids of all that compute on it, our own workers too


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuShare:
    """One of ``shares`` equal parts of a GPU."""

    uuid: str
    index: int
    share: int  # zero-based
    shares: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one job at a time."""

    name: str  # fit for a file name
    device: Literal["cpu", "cuda"]
    environment: Mapping[str, str]  # what a worker on this slot finds set
    share: GpuShare | None = None


def open_nvml() -> Nvml | None:
    """Load and start NVML; None on a machine without NVIDIA's driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    nvml: Nvml = pynvml
    return nvml


def find_gpus(nvml: Nvml | None) -> tuple[Gpu, ...]:
    """Ask for every GPU that answers, in the order of `nvidia-smi`."""
    if nvml is None:
        return ()
    gpus = []
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            gpus.append(_look_at(nvml, index))
        except nvml.NVMLError:  # it has fallen off the bus
            continue
    return tuple(gpus)


def _look_at(nvml: Nvml, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    total, free = _memory(nvml, handle)
    return Gpu(
        index=index,
        uuid=nvml.nvmlDeviceGetUUID(handle),
        name=nvml.nvmlDeviceGetName(handle),
        total=total,
        free=free,
        processes=tuple(p.pid for p in nvml.nvmlDeviceGetComputeRunningProcesses(handle)),
    )


def _memory(nvml: Nvml, handle: Any) -> tuple[int | None, int | None]:
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError:
        return None, None
    return int(memory.total), int(memory.free)


def visible_gpus(gpus: Sequence[Gpu], setting: str | None) -> tuple[Gpu, ...]:
    """Keep the GPUs that ``setting``, a value of CUDA_VISIBLE_DEVICES, allows, in its order.

    As in CUDA, the list ends at the first entry that is no GPU. Indices mean those of `nvidia-smi`.
    """
    if setting is None:
        return tuple(gpus)
    visible: list[Gpu] = []
    for entry in setting.split(","):
        entry = entry.strip()
        found = [gpu for gpu in gpus if entry == str(gpu.index)] or [
            gpu for gpu in gpus if entry.startswith("GPU-") and gpu.uuid.startswith(entry)
        ]
        if not found:
            break
        visible += found[:1]
    return tuple(visible)


def usable_cores() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_devices(
    devices: Devices,
    slots_per_device: int | Literal["auto"] = "auto",
    *,
    threads: int,
    gpus: Sequence[Gpu],
    cores: int,
) -> tuple[Slot, ...]:
    """Cut the devices that a study asks for into slots.

    Args:
        devices: "auto" takes every GPU and, without one, the CPU; numbers are indices of GPUs.
        slots_per_device: "auto" is one slot a GPU; on the CPU, as many as its cores can feed.
        threads: CPU threads of a job.
        gpus: The GPUs that may be used.
        cores: The CPU cores that may be used.

    Returns:
        The slots, so ordered that the first ones are on different GPUs.

    Raises:
        LauncherUnavailable: if a GPU is named that does not exist; the message lists those that do.
    """
    if devices == "cpu" or (devices == "auto" and not gpus):
        auto = max(1, cores // threads)
        return _cpu_slots(auto if slots_per_device == "auto" else slots_per_device)
    wanted = tuple(gpus) if isinstance(devices, str) else _named_gpus(devices, gpus)
    return gpu_slots(wanted, 1 if slots_per_device == "auto" else slots_per_device)


def _cpu_slots(count: int) -> tuple[Slot, ...]:
    hidden = {"CUDA_VISIBLE_DEVICES": ""}  # a job on the CPU opens no context on a GPU
    return tuple(
        Slot(name=f"cpu-{number}", device="cpu", environment=hidden) for number in range(count)
    )


def _named_gpus(indices: Sequence[int], gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    known = {gpu.index: gpu for gpu in gpus}
    wanted = list(dict.fromkeys(indices))
    missing = [index for index in wanted if index not in known]
    if missing or not wanted:
        there = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in gpus) or "none"
        raise LauncherUnavailable(
            f"`resources.devices` asks for GPU {', '.join(map(str, missing)) or '(empty list)'}, "
            f"but the GPUs that may be used here are: {there}. Name some of these, or use `cpu`."
        )
    return tuple(known[index] for index in wanted)


def gpu_slots(gpus: Sequence[Gpu], shares: int) -> tuple[Slot, ...]:
    """Cut each card into ``shares``; the first slots are on different cards."""
    return tuple(
        Slot(
            name=f"gpu-{gpu.index}" if shares == 1 else f"gpu-{gpu.index}-{share}",
            device="cuda",
            environment={
                "CUDA_VISIBLE_DEVICES": gpu.uuid,
                "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
                "SWEEPER_GPU": str(gpu.index),  # for programs that are told a number
            },
            share=GpuShare(uuid=gpu.uuid, index=gpu.index, share=share, shares=shares),
        )
        for share in range(shares)
        for gpu in gpus
    )
