"""Which failure an exception is, and whether the process is of any use afterwards. Pure.

The cause decides, however deep it lies: weights that cannot be read because no memory is left are
no damaged weights, and a data file on a disk that gives I/O errors is no wrong path.
"""

import errno
from collections.abc import Iterator

import torch

from trainer.contract import Failure, FailureKind, FormatError
from trainer.errors import TrainerError

SAID = 500  # characters of an exception that nobody worded for people; the first ones say what

_NO_MEMORY = (  # as torch, its libraries and the C++ runtime word it; in lower case
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "bad_alloc",
    "status_alloc_failed",
    "can't start new thread",  # each takes a stack
)
_BROKEN_DEVICE = ("cuda error", "cudnn_status_", "cublas_status_")  # each later call fails as well
_DEVICE = ("cuda", "cublas", "cudnn")
_ADVICE = {  # of the machine's files; nothing of it is the setting's
    errno.ENOSPC: "free some space on the disk",
    errno.EDQUOT: "free some space: the quota is used up",
    errno.EROFS: "the file system can only be read; have it mounted for writing",
    errno.EIO: "the disk or its connection fails; look into the system's log",
    errno.ESTALE: "the file server has lost it; have the file system mounted again",
}


def failure_of(error: BaseException) -> Failure:
    """Say what went wrong, for `failure.json`."""
    if any(map(_is_memory, _causes(error))):
        kind = FailureKind.OUT_OF_HOST_MEMORY
        if any(map(_is_devices, _causes(error))):
            kind = FailureKind.OUT_OF_MEMORY
        return Failure(kind=kind, message=_said(error) or "no memory is left")
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in _ADVICE:
            message = f"{_said(error)}; {_ADVICE[cause.errno]}"
            return Failure(kind=FailureKind.FILES, message=message)
    if isinstance(error, TrainerError):
        return Failure(kind=error.kind, message=str(error))
    if isinstance(error, FormatError):
        return Failure(kind=FailureKind.INPUT, message=str(error))
    if isinstance(error, OSError):  # a folder that vanished is no bug of ours
        return Failure(kind=FailureKind.FILES, message=_said(error))
    return Failure(kind=FailureKind.ERROR, message=f"{type(error).__name__}: {_said(error)}")


def breaks_process(error: BaseException) -> bool:
    """Whether another job had better not be done by the process in which this happened: what was
    half allocated, or a device whose context is lost, would fail it, too.
    """
    return any(_is_memory(cause) or _says(cause, _BROKEN_DEVICE) for cause in _causes(error))


def _is_memory(error: BaseException) -> bool:
    """SystemError is what C code that was refused memory and said nothing comes to."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError | SystemError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError | ImportError) and _says(error, _NO_MEMORY)


def _is_devices(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or _says(error, _DEVICE)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    told = str(error).lower() if isinstance(error, RuntimeError | ImportError) else ""
    return any(word in told for word in words)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it was raised from, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__


def _said(error: BaseException) -> str:
    text = str(error).strip()
    return text if isinstance(error, TrainerError) else text[:SAID]
