"""The instrument check: controls scored before any trial, and the liveness probe.

Trains up to the start of the last phase (the stages that every trial begins with), scores the
policies that nobody searched for, and perturbs the start to see whether the evaluation notices.
"""

import functools
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from trainer.answers.remembering import counted, reader_facts
from trainer.contract import (
    DATA,
    DATA_FORMAT,
    FORMAT,
    STOP,
    Calls,
    Check,
    Control,
    Job,
    Scores,
    environment_to_json,
    evaluation_key,
    start_of_last_phase,
    write_json_atomic,
    write_outcome,
)
from trainer.jobs.calls_file import CallsFile
from trainer.jobs.data_contract import data_contract
from trainer.jobs.metrics_file import MetricsFile
from trainer.jobs.train import Outcome, claimed
from trainer.jobs.training import Journal, Training, open_training, trained_stages
from trainer.readers import Calls as Asked
from trainer.readers import Reader
from trainer.scoring.evaluate import LoadPolicy, keep_scores, scores_of
from trainer.scoring.evaluation import Evaluation
from trainer.scoring.probe import probe_liveness
from trainer.stage_store import load_policy
from trainer.tasks import Task

DESCRIBED, PROBED = "check", "probe"  # what calls are counted for, beside the controls


def score_controls(
    job: Job, folder: Path, task: Task, reader: Reader, *, load: LoadPolicy = load_policy
) -> Outcome:
    """Write `result.json` with a score for each control and the probe's numbers."""
    calls = CallsFile(folder)
    reader = counted(reader, calls.settle)
    training = open_training(job, task, reader, spec=start_of_last_phase(job.spec), load=load)
    with claimed(training, folder) as claims:
        if claims is None:
            return "waiting"
        calls.begin(DESCRIBED)  # to describe the data may mean to ask for its rollouts
        contract = data_contract(job.spec, task, reader)
        write_json_atomic(folder / DATA, {FORMAT: DATA_FORMAT, **contract})
        return _score(job, folder, training, calls)


def _score(job: Job, folder: Path, training: Training, calls: CallsFile) -> Outcome:
    lines = MetricsFile(folder, keys=())  # a check has none, but trains
    for _ in trained_stages(training, Journal(trained=lines.note_trained)):
        if (folder / STOP).exists():
            return "stopped"
    start = training.chain[-1]
    evaluated = {}
    for control in job.controls or ():
        calls.begin(control)
        evaluated[control] = (
            training.evaluate(start) if control == "start" else _kept(control, training)
        )
    calls.begin(PROBED)
    controls: dict[str, Scores] = {
        control: scores_of(evaluation, training.judge)
        for control, evaluation in evaluated.items()
        if evaluation is not None
    }
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        liveness = probe_liveness(
            training.store,
            start.key,
            training.judge,
            training.environment,
            Path(scratch),
            load=training.load,
        )
    check = Check(
        controls=controls,
        liveness=liveness,
        job=job.digest,
        stage=start.key,
        ended=time.time(),
        reader_calls=_calls(calls.total()),
        epochs_trained=sum(lines.was_trained(ref.key) for ref in training.chain),
        environment=environment_to_json(training.environment),
        reader=reader_facts(training.reader),
    )
    write_outcome(folder, check)
    calls.forget()
    return "completed"


def _calls(spent: Asked) -> Calls:
    return Calls(needed=spent.needed, **asdict(spent))


def _kept(control: Control, training: Training) -> Evaluation | None:
    """Score a control, with the answers that were kept of its shots; None where it has no score."""
    key = evaluation_key(f"control {control}", training.spec, training.environment)
    score = functools.partial(training.judge.score_control, control)
    return keep_scores(training.store, key, training.judge, score)
