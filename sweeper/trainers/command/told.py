"""What one trial tells its programs: what each macro stands for, and every variable."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from sweeper.outcomes import STOP, FailureKind
from sweeper.trainers.command.failing import NotDoneError
from sweeper.trainers.command.macros import Macros
from sweeper.trainers.command.spec import CommandSpec, Step

PARAMS, REPORT = "params.json", "report.jsonl"  # in the trial folder
GPU = "SWEEPER_GPU"  # number of the slot's GPU, as nvidia-smi shows it
_OF_DEVICES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
_WORKS = ("trials", "finals", "controls")  # folders of a study that hold trial folders


def macros_of(spec: CommandSpec, job: Mapping[str, Any], folder: Path) -> Macros:
    """What every macro stands for.

    Args:
        spec: Of the job.
        job: The content of `trial.json`.
        folder: Where that stands; absolute.
    """
    gpu = os.environ.get(GPU, "0") if job["device"] == "cuda" else "cpu"
    sees_all = spec.visible_devices == "leave"
    own = {
        "trial.id": folder.name,
        "trial.dir": str(folder),
        "study.name": study_name(folder),
        "seed": str(spec.seed),
        "gpu": gpu,
        "local_gpu": gpu if sees_all or gpu == "cpu" else "0",
        "devices": gpu if gpu == "cpu" else os.environ.get("CUDA_VISIBLE_DEVICES") or gpu,
        "interpreter": sys.executable,
        "cwd": str(Path(job["below"])),
        "args_json_file": str(folder / PARAMS),
    }
    return Macros(params=spec.params, own=own, environment=os.environ, cases=spec.cases)


def variables_of(spec: CommandSpec, step: Step, macros: Macros, folder: Path) -> dict[str, str]:
    """The whole environment of a step's program.

    Raises:
        MacroError: where a value's macro stands for nothing.
        NotDoneError: where `env_file` cannot be read.
    """
    variables = {**os.environ}
    variables.setdefault("PYTHONUNBUFFERED", "1")  # else its lines come in blocks of 8 kB
    if spec.visible_devices == "leave":
        for name in _OF_DEVICES:
            variables.pop(name, None)
    if spec.env_file is not None:
        variables |= _env_file(Path(macros.own["cwd"]) / macros.text(spec.env_file))
    variables |= {name: macros.text(value) for name, value in {**spec.env, **step.env}.items()}
    return variables | {
        "SWEEPER_PARAMS": str(folder / PARAMS),
        "SWEEPER_REPORT": str(folder / REPORT),
        "SWEEPER_STOP": str(folder / STOP),
        "SWEEPER_SEED": str(spec.seed),
        "SWEEPER_TRIAL": folder.name,
        "SWEEPER_STUDY": study_name(folder),
    }


def study_name(folder: Path) -> str:
    """The study that a trial folder belongs to; for one elsewhere the name of its parent."""
    inside = [parent for parent in folder.parents if parent.name in _WORKS]
    return inside[0].parent.name if inside else folder.parent.name


def _env_file(path: Path) -> dict[str, str]:
    try:
        with path.open() as file:
            found = dotenv_values(stream=file, interpolate=False)
    except (OSError, ValueError) as error:
        raise NotDoneError(FailureKind.INPUT, f"env_file: {path}: {error}") from error
    return {name: value for name, value in found.items() if value is not None}
