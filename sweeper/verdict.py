"""Decisions about jobs that ended: what the study is told, whether the instrument works. Pure."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from sweeper.jobs import JobStatus
from sweeper.records import TrialState
from trainer.contract import EvaluateSpec, TrainSpec

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


def another_instrument(
    environment: Mapping[str, str],
    controls: Mapping[str, str],
    *,
    spec: TrainSpec,
    first: TrainSpec,
) -> str | None:
    """Say in what a trial was measured otherwise than the controls; None where it was not.

    A trial may train on other data or begin with another checkpoint, where its spec says so; what
    scores it must be the same.
    """
    free = {"training"} if spec.task != first.task else set()
    free |= {"start"} if spec.start != first.start else set()
    names = sorted((environment.keys() | controls.keys()) - free)
    differing = [name for name in names if environment.get(name) != controls.get(name)]
    if not differing:
        return None
    return ", ".join(
        f"{name} {environment.get(name)!r} instead of {controls.get(name)!r}" for name in differing
    )


def holds_out(evaluate: EvaluateSpec) -> bool:
    """Whether there are questions that select nothing and can confirm."""
    if evaluate.judge == "command":
        return any("{split}" in argument for argument in evaluate.command or ())
    return evaluate.judge == "reader" and evaluate.reader is None


def dead_instrument(liveness: Mapping[str, Any], *, asks: bool = True) -> str | None:
    """Say why the evaluation cannot be trusted, with the numbers; None where it reacts.

    Args:
        liveness: What the trainer's probe found.
        asks: Whether a reader answers; else scores are compared, of all questions.
    """
    if liveness["alive"]:
        return None
    compared = "answers where they did" if asks else "scores"
    rows = "\n".join(
        f"  {entry['group']:<20} {100 * entry['selections_changed']:6.1f} % of selections changed, "
        f"{100 * entry['answers_changed']:6.1f} % of {compared}"
        for entry in liveness["groups"]
    )
    return (
        "the evaluation does not react to what is trained: each group of tensors of the start was "
        f"perturbed, and over {liveness['questions']} questions\n{rows}\n"
        "Every trial would get the same score. Check that the weights reach the evaluation; "
        "--force runs the study all the same."
    )


def from_record(
    notes: Mapping[str, Any], source: int | str, lines: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The notes of a trial that is answered from another one's record, without a job.

    Args:
        notes: Of the other.
        source: Its name.
        lines: Its epochs up to the last that this trial has; the last one's numbers are its own.
    """
    needed = sum(line["metrics"].get("reader_calls", 0) for line in lines)
    own = {name: notes.get(name) for name in ("accuracy", "stage", "evaluation")}
    if lines:
        own = {name: entry for name, entry in of_line(lines[-1]).items() if name in own}
    return {
        **own,
        "device": notes.get("device", ""),
        "source": notes.get("source", source),
        **({"repeat": notes["repeat"]} if "repeat" in notes else {}),
        "epochs_trained": 0,
        "reader_calls": {"needed": needed, "asked": 0, "stage": needed, "store": 0, "equal": 0},
    }


def of_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """Score, accuracy by number of shots, stage and evaluation of an epoch's line."""
    key, metrics = "accuracy/shot_", line["metrics"]
    return {
        "score": metrics.get("score"),
        "accuracy": {n.removeprefix(key): v for n, v in metrics.items() if n.startswith(key)},
        "stage": line.get("stage"),
        "evaluation": line.get("evaluation"),
    }


def mean_result(results: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> dict[str, Any]:
    """One result of a setting that was trained with several seeds.

    Scores are means and costs are sums; stage, evaluation and environment are the first seed's.

    Args:
        results: One a seed.
        seeds: In the same order.

    Returns:
        A result with ``seeds``, what each seed gave, and ``spread``, the standard deviation of
        their scores (with n - 1; None of one seed).
    """
    scores = [result["score"] for result in results]
    shots = results[0]["accuracy"]
    causes = results[0]["reader_calls"]
    kept = ("score", "accuracy", "stage", "evaluation")
    return {
        **results[0],
        "score": fmean(scores),
        "accuracy": {s: fmean(result["accuracy"][s] for result in results) for s in shots},
        "spread": stdev(scores) if len(scores) > 1 else None,
        "seeds": [
            {"seed": seed, **{name: result.get(name) for name in kept}}
            for seed, result in zip(seeds, results, strict=True)
        ],
        "epochs_trained": sum(result["epochs_trained"] for result in results),
        "reader_calls": {
            cause: sum(result["reader_calls"][cause] for result in results) for cause in causes
        },
    }


def mean_lines(seeds: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The epochs that every seed has, their metrics as means over the seeds; calls are summed."""
    if len(seeds) == 1:
        return [dict(line) for line in seeds[0]]
    return [
        {**lines[0], "metrics": _mean_metrics([line["metrics"] for line in lines])}
        for lines in zip(*seeds, strict=False)
    ]


def _mean_metrics(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    means: dict[str, Any] = {}
    for name in metrics[0]:
        values = [entry[name] for entry in metrics if entry.get(name) is not None]
        means[name] = fmean(values) if len(values) == len(metrics) else None
    means["reader_calls"] = sum(entry.get("reader_calls", 0) for entry in metrics)
    return means


def result_tags(spec: TrainSpec, result: Mapping[str, Any]) -> dict[str, str]:
    """What a complete trial was made of, and how much of it was trained for it, as MLflow tags."""
    environment = result["environment"]
    trained, epochs = result["epochs_trained"], spec.phases[-1].settings.trained_epochs
    origin = "trained" if trained >= epochs else "extended" if trained else "cached"
    told = {name: environment.get(name) for name in ("data", "training", "start", "reader")}
    return {
        **{f"sweeper.{name}": value for name, value in told.items() if value},
        "sweeper.origin": origin,
        "sweeper.stage": result["stage"],
        "sweeper.torch": environment["torch"],
    }
