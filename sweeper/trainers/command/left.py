"""What the job of a trial folder left there: a result says which job it is of."""

from pathlib import Path

from sweeper.outcomes import (
    RESULT,
    TRIAL,
    Check,
    Failure,
    FailureKind,
    Left,
    Result,
    job_digest,
    read_json,
    read_left,
)


def read_own(folder: Path) -> Left:
    """What the folder's own job left; a Failure where there is the result of another one.

    Raises:
        FormatError: where a file was written by a later version.
    """
    left = read_left(folder)
    if not isinstance(left, Result | Check):
        return left
    job = read_json(folder / TRIAL)
    if job is not None and left.job == job_digest(job):
        return left
    message = f"{RESULT} is of another job than {TRIAL}"
    return Failure(kind=FailureKind.BAD_RESULT, message=message)
