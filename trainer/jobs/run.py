"""One trial folder: read its job, work through it, leave a result or the reason why not."""

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
    Job,
    TrainSpec,
    read_job,
    write_json_atomic,
)
from trainer.errors import InputError, TrainerError
from trainer.jobs.controls import score_controls
from trainer.jobs.train import train
from trainer.tasks import Task, build_task

Status = Literal["completed", "failed", "stopped", "waiting"]
LoadTask = Callable[[TrainSpec, str], Task]
DEVICES = ("cpu", "cuda")


class TaskCache:
    """Tasks that this process has loaded: a warm worker pays for each once."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, ...], Task] = {}

    def __call__(self, spec: TrainSpec, device: str) -> Task:
        """The task of ``spec`` with its reader on ``device``."""
        evaluate = spec.evaluate
        key = (spec.task.model_dump_json(), evaluate.judge, str(evaluate.shots), device)
        if key not in self._tasks:
            self._tasks[key] = build_task(spec, device=device)
        return self._tasks[key]


def run_folder(
    folder: Path, load_task: LoadTask, *, on_epoch: Callable[[], None] = lambda: None
) -> Status:
    """Work through the trial folder; never raises for what a job did wrong.

    `failure.json` holds ``{"class", "message"}``; the same goes to stderr, hence into `log.txt` of
    a worker, after the traceback of what was not foreseen.

    Args:
        folder: Holds `trial.json`; one with a `result.json` is done.
        load_task: Gives the task of a spec on a device.
        on_epoch: Called after each new line of `metrics.jsonl`.

    Returns:
        "stopped" where the folder's `stop` file ended the training after an epoch; "waiting" where
        another job is making a stage of this one.
    """
    try:
        if (folder / RESULT).exists():
            return "completed"
        for former in (FAILURE, WAITING):
            (folder / former).unlink(missing_ok=True)
        job = read_trial(folder)
        prepare_torch(job)
        task = load_task(job.spec, job.device)
        if job.answers is not None:
            task = remembered(task, job.answers, job.spec.evaluate)
        if job.controls is not None:
            return score_controls(job, folder, task)
        return train(job, folder, task, on_epoch=on_epoch)
    except TrainerError as error:
        return _failed(folder, error.failure_class, str(error))
    except (torch.OutOfMemoryError, MemoryError) as error:
        return _failed(folder, "out_of_memory", str(error) or "no memory is left")
    except OSError as error:  # a full disk or a folder that vanished is no bug of ours
        return _failed(folder, "files", str(error))
    except Exception as error:
        traceback.print_exc()
        return _failed(folder, "error", f"{type(error).__name__}: {error}")


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
        raise InputError(f"{path} is not a job:\n{problems}") from error
    except (ValueError, TypeError) as error:
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


def _failed(folder: Path, failure_class: str, message: str) -> Status:
    print(f"failed ({failure_class}): {message}", file=sys.stderr, flush=True)
    try:
        write_json_atomic(folder / FAILURE, {"class": failure_class, "message": message})
    except OSError as error:
        print(f"cannot write {folder / FAILURE}: {error}", file=sys.stderr)
    return "failed"
