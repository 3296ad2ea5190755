"""What a trial folder says of its own job: a result says what it is of, and that of another job is
none here. It may have been copied there, or be left from a folder that had this name before. So
are numbers that this trainer's judges never give, which a result in general may hold.
"""

from pathlib import Path

from trainer.contract.epochs import damaged_line
from trainer.contract.failure_kinds import FailureKind
from trainer.contract.files import RESULT, TRIAL, read_json
from trainer.contract.job import Job, job_digest, read_job
from trainer.contract.outcome import Check, Failure, Left, Result, Scores, read_left
from trainer.contract.stages import (
    environment_from_json,
    evaluation_key,
    stage_chain,
    start_of_last_phase,
)


def read_own(folder: Path) -> Left:
    """What the job of a folder left.

    Returns:
        As `read_left`; a Failure of kind BAD_RESULT where there is a result, but of another job,
        with scores out of their range, or beside epochs that are damaged. The job is to be done
        again: its stages are all there.

    Raises:
        FormatError: where a file was written by a later version.
    """
    left = read_left(folder)
    if not isinstance(left, Result | Check):
        return left
    foreign, damage = _foreign(folder, left), damaged_line(folder)
    scored = [left] if isinstance(left, Result) else list(left.controls.values())
    outside = next((text for scores in scored if (text := _outside(scores))), None)
    if foreign is None and damage is None and outside is None:
        return left
    message = f"{RESULT} is of another job: {foreign}" if foreign else f"{damage}"
    if outside is not None:
        message = f"{RESULT} holds {outside}"
    return Failure(kind=FailureKind.BAD_RESULT, message=message)


def _outside(scores: Scores) -> str | None:
    """What is no mean over numbers of shots, in [0, 1], and no loss, which is not negative."""
    for shots in scores.accuracy:
        if not shots.isdecimal():
            return f"no number of shots in accuracy, but {shots!r}"
    means = {"score": scores.score, **{f"accuracy.{k}": v for k, v in scores.accuracy.items()}}
    for name, mean in means.items() if scores.accuracy else ():
        if not 0.0 <= mean <= 1.0:
            return f"no {name} in [0, 1], but {mean!r}"
    return f"no loss, but {scores.score!r}" if not scores.accuracy and scores.score < 0.0 else None


def _foreign(folder: Path, found: Result | Check) -> str | None:
    """Why a result cannot be that of the folder's job; None where it can."""
    payload = read_json(folder / TRIAL)
    if payload is None:
        return f"there is no {TRIAL} that asked for it"
    if isinstance(found, Check) != (payload.get("controls") is not None):
        return "one of the two checks the instrument"
    try:
        if found.job is not None:
            return None if found.job == job_digest(payload) else f"{TRIAL} asks for something else"
        job = read_job(folder)
    except (ValueError, KeyError, TypeError):  # by today's rules: it was right when it was stored
        return None
    return _of_other_stages(job, found)


def _of_other_stages(job: Job, found: Result | Check) -> str | None:
    """Judge a result that does not say which job it is of by its stage, which follows from it."""
    try:
        environment = environment_from_json(found.environment)
    except ValueError as error:
        return str(error)
    spec = job.spec if isinstance(found, Result) else start_of_last_phase(job.spec)
    end = stage_chain(spec, environment)[-1].key
    if found.stage != end:
        return f"its stage is {found.stage}, that of the job {end}"
    told = found.evaluation if isinstance(found, Result) else None
    if told not in (None, evaluation_key(end, spec, environment)):
        return f"its scores {told} are not those that the job asks for"
    return None
