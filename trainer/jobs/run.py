"""One trial folder: read its job, work through it, leave a result or the reason why not."""

import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError

from trainer.answers.remembering import remembered
from trainer.contract import (
    FAILURE,
    RESULT,
    TRIAL,
    WAITING,
    Check,
    Failure,
    FailureKind,
    FormatError,
    Job,
    Result,
    TrainSpec,
    read_job,
    read_own,
    set_aside,
    write_outcome,
)
from trainer.errors import ConfigurationError, InputError
from trainer.jobs.causes import breaks_process, failure_of
from trainer.jobs.controls import score_controls
from trainer.jobs.train import train
from trainer.tasks import Inputs, open_inputs

Status = Literal["completed", "failed", "broken", "stopped", "waiting"]
LoadInputs = Callable[[TrainSpec, str], Inputs]
DEVICES = ("cpu", "cuda")

log = logging.getLogger(__name__)


class InputCache:
    """Tasks and readers that this process has loaded: a warm worker pays for each once."""

    def __init__(self) -> None:
        self._inputs: dict[tuple[str, str], Inputs] = {}

    def __call__(self, spec: TrainSpec, device: str) -> Inputs:
        """The task of ``spec``, and its reader on ``device``."""
        key = (spec.task.model_dump_json(), device)
        if key not in self._inputs:
            self._inputs[key] = open_inputs(spec, device)
        return self._inputs[key]


def run_folder(
    folder: Path, load_inputs: LoadInputs, *, on_epoch: Callable[[], None] = lambda: None
) -> Status:
    """Work through the trial folder; never raises for what a job did wrong.

    `failure.json` says why; the same goes to stderr, hence into `log.txt` of
    a worker, after the traceback of what was not foreseen.

    Args:
        folder: Holds `trial.json`; one with a `result.json` of its own is done.
        load_inputs: Gives the task of a spec, and its reader on a device.
        on_epoch: Called after each new line of `metrics.jsonl`.

    Returns:
        "stopped" where the folder's `stop` file ended the training after an epoch; "waiting" where
        another job is making a stage of this one; "broken" where it failed so that this process
        had better do no other job.
    """
    try:
        return _worked_through(folder, load_inputs, on_epoch)
    except Exception as error:
        failure, is_broken = failure_of(error), breaks_process(error)
        if failure.kind is FailureKind.ERROR:
            traceback.print_exc()
    # with the exception all is gone that its frames held: there is memory again to write with
    _tell(folder, failure)
    return "broken" if is_broken else "failed"


def _worked_through(folder: Path, load_inputs: LoadInputs, on_epoch: Callable[[], None]) -> Status:
    for former in (FAILURE, WAITING):
        (folder / former).unlink(missing_ok=True)
    job = read_trial(folder)
    if _is_done(folder):
        return "completed"
    prepare_torch(job)
    task, reader = load_inputs(job.spec, job.device)
    if job.answers is not None:
        reader = remembered(reader, job.answers, job.spec.evaluate, rows=task.data_digest)
    if job.controls is not None:
        return score_controls(job, folder, task, reader)
    return train(job, folder, task, reader, on_epoch=on_epoch)


def _is_done(folder: Path) -> bool:
    """Whether the result of this very job is there. One that cannot be is put aside."""
    left = read_own(folder)
    if isinstance(left, Result | Check):
        return True
    if (folder / RESULT).exists():
        why = left.message if isinstance(left, Failure) else f"{RESULT} is damaged"
        aside = set_aside(folder / RESULT)
        log.warning("%s: kept as %s; done again from the stages that are there", why, aside.name)
    return False


def read_trial(folder: Path) -> Job:
    """Read the job of a trial folder.

    Raises:
        InputError: where `trial.json` is missing, unreadable or no job.
    """
    path = folder / TRIAL
    try:
        return read_job(folder)
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist; `sweeper export STUDY --trial-dir {folder}` writes one"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise InputError(f"{path} is not a job: it has no {error}") from error
    except ValidationError as error:
        problems = "\n".join(f"  spec.{problem}" for problem in spec_problems(error))
        raise ConfigurationError(f"{path} is not a job:\n{problems}") from error
    except (ValueError, TypeError, FormatError) as error:
        raise InputError(f"{path} is not a job: {error}") from error


def spec_problems(error: ValidationError) -> list[str]:
    """Every field that a spec got wrong: where, why, the value."""
    return [
        f"{'.'.join(map(str, found['loc']))}: {found['msg'].removeprefix('Value error, ')}, "
        f"but got {found['input']!r}"
        for found in error.errors()
    ]


def prepare_torch(job: Job) -> None:
    """Make the numbers of this process those that the job's stage keys stand for.

    Raises:
        InputError: where this machine lacks the device that the job asks for.
    """
    if job.device not in DEVICES:
        raise InputError(f"`device` must be {' or '.join(DEVICES)}, but got {job.device!r}")
    if job.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "the job asks for a CUDA device, but torch sees none; check the driver and "
            "CUDA_VISIBLE_DEVICES, or use the CPU: `resources: {devices: cpu}` in the study file, "
            '`"device": "cpu"` in a trial.json'
        )
    torch.set_num_threads(job.spec.threads)
    torch.backends.cuda.matmul.allow_tf32 = job.spec.tf32
    torch.backends.cudnn.allow_tf32 = job.spec.tf32
    if job.device == "cuda":  # needs CUBLAS_WORKSPACE_CONFIG, which the worker's start sets
        torch.use_deterministic_algorithms(True)


def _tell(folder: Path, failure: Failure) -> None:
    print(f"failed ({failure.kind.value}): {failure.message}", file=sys.stderr, flush=True)
    try:
        write_outcome(folder, failure)
    except OSError as error:
        print(f"cannot write {folder / FAILURE}: {error}", file=sys.stderr)
