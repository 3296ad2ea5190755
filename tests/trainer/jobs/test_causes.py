"""Which failure an exception is: memory and disks are the machine's, whoever meets them."""

import errno
import os

import pytest
import torch

from trainer.contract import FailureKind
from trainer.errors import AnswersError, InputError, JudgeError, NotFiniteError, StageError
from trainer.jobs.causes import SAID, breaks_process, failure_of

CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 4096 bytes. Error code 12 (Cannot allocate memory)"
)


def raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 7.45 GiB for an array"),
        RuntimeError(CPU),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        SystemError("<built-in method run_backward> returned NULL without setting an exception"),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        ImportError("libx.so: failed to map segment from shared object: Cannot allocate memory"),
        raised_from(InputError("the reader's weights are damaged"), RuntimeError(CPU)),
        raised_from(JudgeError("cannot be run"), OSError(errno.ENOMEM, "Cannot allocate memory")),
    ],
    ids=str,
)
def test_no_memory_is_told_as_that_and_ends_the_process(error: Exception) -> None:
    failure = failure_of(error)
    of_device = "CUDA" in str(error)
    kinds = {True: FailureKind.OUT_OF_MEMORY, False: FailureKind.OUT_OF_HOST_MEMORY}
    assert failure.kind is kinds[of_device]
    assert failure.message
    assert breaks_process(error)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space on the disk"),
        (errno.EDQUOT, "the quota is used up"),
        (errno.EROFS, "can only be read"),
        (errno.EIO, "the system's log"),
        (errno.ESTALE, "mounted again"),
    ],
)
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_disk_that_fails_is_the_machines_whoever_meets_it(
    number: int, advice: str, wrapped: bool
) -> None:
    error: Exception = OSError(number, os.strerror(number), "/data/e.pt")
    if wrapped:
        error = raised_from(InputError("/data/e.pt cannot be read"), error)
    failure = failure_of(error)
    assert failure.kind is FailureKind.FILES
    assert "/data/e.pt" in failure.message
    assert advice in failure.message
    assert not breaks_process(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InputError("no data"), FailureKind.INPUT),
        (raised_from(InputError("no data"), FileNotFoundError(2, "gone")), FailureKind.INPUT),
        (NotFiniteError("the loss is nan"), FailureKind.NOT_FINITE),
        (StageError("damaged"), FailureKind.STAGE),
        (JudgeError("out of memory, says the judge"), FailureKind.JUDGE),  # not ours
        (AnswersError("locked"), FailureKind.FILES),
        (PermissionError(13, "Permission denied"), FailureKind.FILES),
        (ValueError("out of memory"), FailureKind.ERROR),
        (RuntimeError("shapes differ"), FailureKind.ERROR),
    ],
    ids=str,
)
def test_what_is_not_the_machines_keeps_its_kind(error: Exception, kind: FailureKind) -> None:
    assert failure_of(error).kind is kind
    assert not breaks_process(error)


def test_a_device_whose_context_is_lost_does_no_other_job() -> None:
    error = RuntimeError("CUDA error: device-side assert triggered")
    assert failure_of(error).kind is FailureKind.ERROR
    assert breaks_process(error)


def test_a_message_of_the_machine_is_short() -> None:
    message = failure_of(RuntimeError(CPU + " " + "frame\n" * 10_000)).message
    assert len(message) <= SAID
    assert message.startswith("[enforce fail at alloc_cpu.cpp")
