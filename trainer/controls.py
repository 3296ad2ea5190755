"""The instrument check: controls scored before any trial, and the liveness probe.

Trains up to the start of the last phase (the stages that every trial begins with), scores the
policies that nobody searched for, and perturbs the start to see whether the evaluation notices.
"""

import tempfile
import time
from pathlib import Path

from trainer.checkpoint import load_policy
from trainer.contract import (
    RESULT,
    STOP,
    Job,
    environment_to_json,
    start_of_last_phase,
    write_json_atomic,
)
from trainer.evaluate import LoadPolicy, control_evaluation, probe_liveness, scores_of
from trainer.tasks import Task
from trainer.train import Outcome
from trainer.training import open_training, trained_stages


def score_controls(
    job: Job, folder: Path, task: Task, *, load: LoadPolicy = load_policy
) -> Outcome:
    """Write `result.json` with a score for each control and the probe's numbers."""
    training = open_training(job, task, spec=start_of_last_phase(job.spec), load=load)
    asked_before, trained = task.reader.calls, 0
    for _, statistics in trained_stages(training):
        trained += statistics.trained
        if (folder / STOP).exists():
            return "stopped"
    start = training.chain[-1]
    controls = {
        control: scores_of(
            training.evaluate(start)
            if control == "start"
            else control_evaluation(control, training.spec, task),
            training.spec,
        )
        for control in job.controls or ()
    }
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        liveness = probe_liveness(
            training.store,
            start.key,
            training.spec,
            task,
            Path(scratch),
            device=job.device,
            load=load,
        )
    write_json_atomic(
        folder / RESULT,
        {
            "controls": controls,
            "liveness": liveness,
            "stage": start.key,
            "ended": time.time(),
            "reader_calls_asked": task.reader.calls - asked_before,
            "epochs_trained": trained,
            "environment": environment_to_json(training.environment),
        },
    )
    return "completed"
