"""Decisions about jobs that ended: what the study is told, whether the instrument works. Pure."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.launchers.jobs import JobStatus
from sweeper.records import TrialState

MACHINE_FAULTS = ("files",)  # failure classes that say nothing about the trial


RESULT_KEYS = (
    "accuracy",
    "environment",
    "epochs_trained",
    "reader_calls",
    "score",
    "stage",
)


MAX_ATTEMPTS = 3  # of a job whose worker died; a cause that repeats is the trial's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the study is told of a trial. ``state`` RUNNING leaves the trial open."""

    state: TrialState
    score: float | None = None
    failure: str | None = None  # class
    reason: str = ""
    retry: bool = False
    halt: bool = False  # the machine is at fault: no further trial would fare better


def judge(
    status: JobStatus,
    result: Mapping[str, Any] | None,
    failure: Mapping[str, Any] | None,
    *,
    pruned: bool,
    stopping: bool,
    attempt: int,
) -> Verdict:
    """Turn a job's terminal status and the files it left into a verdict.

    A pruned trial is pruned even where it finished before it saw the request: the decision came
    from the epochs, so it must not depend on who was quicker. Otherwise `result.json`, written
    last, outweighs a launcher that lost the job. What was stopped because the driver stops stays
    open; a worker's death is tried again, a training's error is not; a full disk is no trial's
    fault, so the trial stays open and the driver halts.

    Args:
        status: Terminal status from the launcher.
        result: Content of `result.json`, if it exists.
        failure: Content of `failure.json`, if it exists.
        pruned: Whether the pruner asked for the stop.
        stopping: Whether the driver asked every job to stop.
        attempt: One-based count of this trial's jobs.
    """
    if pruned:
        return Verdict(state=TrialState.PRUNED, reason="stopped by the pruner")
    if result is not None and "raced_out" in result:
        return Verdict(state=TrialState.PRUNED, reason=_raced_out(**result["raced_out"]))
    if result is not None:
        return _judge_result(result)
    if failure is not None and failure.get("class") in MACHINE_FAULTS:
        reason = str(failure.get("message", ""))
        return Verdict(state=TrialState.RUNNING, reason=reason, halt=True)
    if failure is not None:
        return Verdict(
            state=TrialState.FAILED,
            failure=str(failure.get("class", "error")),
            reason=str(failure.get("message", "")),
        )
    if stopping:
        return Verdict(state=TrialState.RUNNING, reason="interrupted; resumed by the next run")
    if attempt < MAX_ATTEMPTS:
        return Verdict(
            state=TrialState.RUNNING, reason=f"job {status.value}; tried again", retry=True
        )
    return Verdict(
        state=TrialState.FAILED,
        failure="lost",
        reason=f"job {status.value} without a result, {attempt} times; see its log.txt",
    )


def _raced_out(asked: int, questions: int, upper: float) -> str:
    return (
        f"after {asked} of {questions} questions at most {100 * upper:+.1f} points from the best "
        "before it"
    )


def _judge_result(result: Mapping[str, Any]) -> Verdict:
    score = result.get("score")
    missing = [key for key in RESULT_KEYS if key not in result]
    if missing:
        reason = f"result.json lacks {', '.join(missing)}"
    elif isinstance(score, float) and 0.0 <= score <= _largest(result):  # NaN breaks it
        return Verdict(state=TrialState.COMPLETE, score=score)
    else:
        wanted = "score in [0, 1]" if result["accuracy"] else "finite loss"
        reason = f"result.json holds no {wanted}, but {score!r}"
    return Verdict(state=TrialState.FAILED, failure="bad_result", reason=reason)


def _largest(result: Mapping[str, Any]) -> float:
    """The largest score: a loss, which comes without accuracies, has no bound."""
    return 1.0 if result["accuracy"] else sys.float_info.max
