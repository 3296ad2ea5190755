"""The check of the instrument for a program that nobody knows: the first setting, run again.

Once with its own seed, since a program that is not deterministic gives other numbers; once with
another, since no difference below that one means anything.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeper.outcomes import (
    TRIAL,
    Calls,
    Check,
    Failure,
    FailureKind,
    Liveness,
    Result,
    Scores,
    job_digest,
    write_json_atomic,
)
from sweeper.trainers.command.failing import NotDoneError, StoppedError
from sweeper.trainers.command.left import read_own
from sweeper.trainers.command.training import input_name

CONTROLS = ("repeat", "reseed")


def check(folder: Path, job: Mapping[str, Any], work: Callable[[Path], str]) -> Check:
    """Run what the job names of `CONTROLS`, each in a folder of its own.

    Args:
        folder: Of the check.
        job: The content of its `trial.json`.
        work: Works through a folder; says "stopped" where it was asked to end before.

    Raises:
        NotDoneError: where a run failed.
        StoppedError: where one was stopped.
    """
    found = {name: _scores(folder / name, folder, job, work) for name in job["controls"]}
    return Check(
        controls=found,
        liveness=Liveness(alive=True, questions=0, groups=()),
        job=job_digest(job),
        stage=job_digest(job),
        ended=time.time(),
        reader_calls=Calls(),
        epochs_trained=0,
        environment=environment_of(job),
    )


def environment_of(job: Mapping[str, Any]) -> dict[str, str]:
    """What is the same for all trials of a study: the kind of device, and the inputs."""
    inputs = {input_name(written): key for written, key in job["spec"]["inputs"].items()}
    return {"device": job["device"], **inputs}


def _scores(
    place: Path, folder: Path, job: Mapping[str, Any], work: Callable[[Path], str]
) -> Scores:
    program = job["spec"]["program"]
    if place.name == "reseed":
        program = {**program, "seed": program.get("seed", 0) + 1}
    spec = {**job["spec"], "program": program}
    stages = os.path.relpath(folder / job["stages"], place)
    place.mkdir(exist_ok=True)
    write_json_atomic(place / TRIAL, {**job, "spec": spec, "controls": None, "stages": stages})
    if work(place) == "stopped":
        raise StoppedError
    left = read_own(place)
    if not isinstance(left, Result):
        kind, why = FailureKind.BAD_RESULT, "it left no result"
        if isinstance(left, Failure):
            kind, why = left.kind, left.message
        raise NotDoneError(kind, f"the control {place.name}: {why}")
    return Scores(score=left.score, accuracy=left.accuracy, questions=left.questions)
