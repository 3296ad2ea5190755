"""One trial from top to bottom: an epoch at a time, its line, and the result at the end.

After every epoch the stage is written, then scored from its files, then its line is appended to
`metrics.jsonl`; `result.json` comes last. What stands on disk already is reused, never made again:
stages, evaluations, lines. Knows no study, no sampler, no tracking.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from trainer.answers.remembering import counted, reader_facts
from trainer.contract import (
    STOP,
    Calls,
    Claims,
    Epoch,
    Job,
    RacedOut,
    Result,
    StageRef,
    Timing,
    Waiting,
    environment_to_json,
    evaluation_key,
    write_outcome,
)
from trainer.jobs.calls_file import CallsFile
from trainer.jobs.metrics_file import MetricsFile
from trainer.jobs.racing import OutOfRace, race
from trainer.jobs.training import (
    EpochStatistics,
    Journal,
    Training,
    missing_work,
    open_training,
    trained_stages,
)
from trainer.readers import Reader
from trainer.scoring.evaluate import LoadPolicy, read_evaluation, scores_of
from trainer.scoring.evaluation import Evaluation
from trainer.scoring.judge import Judge
from trainer.stage_store import load_policy
from trainer.tasks import Task

Outcome = Literal["completed", "stopped", "waiting"]


def train(
    job: Job,
    folder: Path,
    task: Task,
    reader: Reader,
    *,
    on_epoch: Callable[[], None] = lambda: None,
    load: LoadPolicy = load_policy,
) -> Outcome:
    """Work through ``job``: reuse, train, score, and write `result.json` at the end.

    Args:
        job: Spec, place of the stages, kind of device.
        folder: The trial folder that receives lines and result.
        task: The data.
        reader: Who answers, on the job's device.
        on_epoch: Called after each new line.
        load: How the evaluation reads weights; a parameter so that a broken one can be tested.

    Returns:
        "stopped" where the folder's `stop` file ended the training after an epoch; "waiting" where
        another job is making a stage of this one, which `waiting.json` names.

    Raises:
        TrainerError: NotFiniteError or StageError, with what happened where.
    """
    calls = CallsFile(folder)
    training = open_training(job, task, counted(reader, calls.settle), load=load)
    with claimed(training, folder) as claims:
        if claims is None:
            return "waiting"
        return _train(training, job, folder, calls, claims=claims, on_epoch=on_epoch)


@contextlib.contextmanager
def claimed(training: Training, folder: Path) -> Iterator[Claims | None]:
    """Claim all that has to be made; None where another job makes some, told in `waiting.json`."""
    with Claims(training.store.root) as claims:
        blocking = claims.take(missing_work(training))
        if blocking is not None:
            write_outcome(folder, Waiting(stage=blocking))
        yield claims if blocking is None else None


def _train(
    training: Training,
    job: Job,
    folder: Path,
    calls: CallsFile,
    *,
    claims: Claims,
    on_epoch: Callable[[], None],
) -> Outcome:
    """Train and score what is claimed, a stage at a time; what is done is claimed no longer."""
    rival = None if job.best is None else read_evaluation(training.store, job.best)
    raced_out = None
    lines = MetricsFile(folder, keys={ref.key for ref in training.chain})
    selects = training.spec.evaluate.split == "select"  # a confirmation scores the last stage alone
    journal = Journal(begin=calls.begin, trained=lines.note_trained)
    for ref, statistics in trained_stages(training, journal):
        if rival is not None and ref is training.chain[-1]:
            raced_out = race(training, ref, rival)
        if selects and lines.lacks(ref.key):
            trained = lines.was_trained(ref.key)
            lines.append(_line(training, ref, statistics, calls, raced_out, trained=trained))
            calls.forget()
            on_epoch()
            claims.release(ref.key)
        if ref is not training.chain[-1] and (folder / STOP).exists():
            return "stopped"
    last = training.chain[-1]
    key = evaluation_key(last.key, training.spec, training.environment)
    calls.begin(key)
    evaluation = training.evaluate(last) if raced_out is None else raced_out.evaluation
    confirmed = 0 if selects else training.judge.answers(evaluation)
    result = Result(
        **scores_of(evaluation, training.judge).model_dump(),
        raced_out=None if raced_out is None else _told(raced_out),
        job=job.digest,
        phase=last.phase,
        epoch=last.epoch,
        stage=last.key,
        evaluation=key,
        split=training.spec.evaluate.split,
        reader_calls=lines.reader_calls(confirmed, calls.total(key)),
        epochs_trained=lines.epochs_trained,
        environment=environment_to_json(training.environment),
        reader=reader_facts(training.reader),
    )
    lines.sync()
    write_outcome(folder, result)
    calls.forget()
    return "completed"


def _told(raced_out: OutOfRace) -> RacedOut:
    asked = int(raced_out.evaluation.questions)
    return RacedOut(asked=asked, questions=raced_out.total, upper=raced_out.upper)


def _line(
    training: Training,
    ref: StageRef,
    statistics: EpochStatistics,
    calls: CallsFile,
    raced_out: OutOfRace | None,
    *,
    trained: bool,
) -> Epoch:
    """One line of `metrics.jsonl`: all outside `timing` is the same whenever the spec is run.

    A trial that is raced out has no score: what it was asked is no sample of its own choosing.
    """
    clock = time.monotonic()
    metrics = dict(statistics.metrics)
    metrics["reader_calls"] = metrics.pop("training_reader_calls")
    key = None
    if raced_out is not None:
        metrics["raced_questions"] = int(raced_out.evaluation.questions)
        metrics["reader_calls"] += training.judge.answers(raced_out.evaluation)
    elif training.scores(ref):
        key = evaluation_key(ref.key, training.spec, training.environment)
        _add_scores(metrics, training.evaluate(ref), training.judge)
    moved = training.shots(ref) != training.shots(training.phase_start(ref))
    metrics["moved_queries"] = float(moved.any(dim=1).double().mean())
    return Epoch(
        phase=ref.phase,
        phase_index=ref.phase_index,
        epoch=ref.epoch,
        stage=ref.key,
        evaluation=key,
        metrics=metrics,
        timing=Timing(
            ended=time.time(),
            training_seconds=statistics.seconds,
            evaluation_seconds=time.monotonic() - clock,
            reader_calls=Calls(**asdict(calls.total(ref.key))),
            trained=trained,
        ),
    )


def _add_scores(metrics: dict[str, Any], evaluation: Evaluation, judge: Judge) -> None:
    metrics |= {f"accuracy/shot_{s}": v for s, v in judge.accuracy(evaluation).items()}
    if judge.spec.evaluate.reader == "recorded":
        metrics["recorded_share"] = evaluation.known
    metrics["score"] = evaluation.score
    metrics["reader_calls"] += judge.answers(evaluation)
