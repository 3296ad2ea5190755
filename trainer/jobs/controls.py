"""The instrument check: controls scored before any trial, and the liveness probe.

Trains up to the start of the last phase (the stages that every trial begins with), scores the
policies that nobody searched for, and perturbs the start to see whether the evaluation notices.
"""

import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from trainer.answers.remembering import reader_facts
from trainer.contract import (
    DATA,
    RESULT,
    STOP,
    Control,
    Job,
    TrainSpec,
    environment_to_json,
    evaluation_key,
    start_of_last_phase,
    write_json_atomic,
)
from trainer.jobs.data_contract import data_contract
from trainer.jobs.train import Outcome, claimed
from trainer.jobs.training import Training, open_training, trained_stages
from trainer.policy.encoding import pool_mask
from trainer.readers import Calls
from trainer.scoring.evaluate import (
    CHUNK,
    Evaluation,
    LoadPolicy,
    answer_missing,
    asked_questions,
    by_loss,
    keep_scores,
    scores_of,
)
from trainer.scoring.probe import probe_liveness
from trainer.scoring.validation import uniform_losses
from trainer.stage_store import load_policy
from trainer.tasks import QuestionSet, Task


def score_controls(
    job: Job, folder: Path, task: Task, *, load: LoadPolicy = load_policy
) -> Outcome:
    """Write `result.json` with a score for each control and the probe's numbers."""
    training = open_training(job, task, spec=start_of_last_phase(job.spec), load=load)
    with claimed(training, folder) as claims:
        if claims is None:
            return "waiting"
        before = task.reader.calls  # to describe the data may mean to ask for its rollouts
        write_json_atomic(folder / DATA, data_contract(job.spec, task))
        return _score(job, folder, training, before=before)


def _score(job: Job, folder: Path, training: Training, *, before: Calls) -> Outcome:
    task, trained = training.task, 0
    for _, statistics in trained_stages(training):
        trained += statistics.trained
        if (folder / STOP).exists():
            return "stopped"
    start = training.chain[-1]
    evaluated = {
        control: training.evaluate(start) if control == "start" else _kept(control, training)
        for control in job.controls or ()
    }
    controls = {
        control: scores_of(evaluation, training.spec)
        for control, evaluation in evaluated.items()
        if evaluation is not None
    }
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        liveness = probe_liveness(
            training.store,
            start.key,
            training.spec,
            task,
            training.environment,
            Path(scratch),
            load=training.load,
        )
    write_json_atomic(
        folder / RESULT,
        {
            "controls": controls,
            "liveness": liveness,
            "stage": start.key,
            "ended": time.time(),
            "reader_calls": _calls(task.reader.calls - before),
            "epochs_trained": trained,
            "environment": environment_to_json(training.environment),
            "reader": reader_facts(task.reader),
        },
    )
    return "completed"


def _calls(calls: Calls) -> dict[str, int]:
    return {"needed": calls.needed, "stage": 0, **asdict(calls)}


def _kept(control: Control, training: Training) -> Evaluation | None:
    """Score a control, with the answers that were kept of its shots."""
    spec, task = training.spec, training.task
    if spec.evaluate.judge != "reader":
        return control_evaluation(control, spec, task)
    key = evaluation_key(f"control {control}", spec, training.environment)
    return keep_scores(training.store, key, lambda known: _by_reader(control, spec, task, known))


def control_evaluation(control: Control, spec: TrainSpec, task: Task) -> Evaluation | None:
    """Score a policy that nobody trained: "random" or "nearest" ("start" is a stage).

    "nearest" takes the candidates whose embeddings are closest to the query's and puts the closest
    next to the query, where a reader heeds it most; that makes it the strongest simple rival.

    Returns:
        None where the judge cannot score such a policy: a command wants a checkpoint, and a loss
        the probabilities of a policy, which only "random" has.
    """
    judge = spec.evaluate.judge
    if judge == "reader":
        return _by_reader(control, spec, task)
    if judge == "command" or control != "random":
        return None
    losses = uniform_losses(task.record_rollouts("validate")).float()
    return by_loss(_choose(control, spec, task), losses[: spec.evaluate.asked])


def _by_reader(
    control: Control, spec: TrainSpec, task: Task, known: Evaluation | None = None
) -> Evaluation:
    queries = asked_questions(task, spec.evaluate).queries
    shots = _choose(control, spec, task)

    def ask(rest: slice) -> Tensor:
        nearest_last = [
            shots[rest, :s].flip(1) if control == "nearest" else shots[rest, :s]
            for s in spec.evaluate.shots
        ]
        answers = [task.reader.answer(queries[rest], chosen).score for chosen in nearest_last]
        return torch.stack(answers, dim=1)

    return answer_missing(shots, known, ask)


def _choose(control: Control, spec: TrainSpec, task: Task) -> Tensor:
    """What a control chooses for every question. Shape: ``(Q, S)``."""
    questions = asked_questions(task, spec.evaluate)
    steps = max(spec.evaluate.shots)
    keys = _control_keys(control, questions, task)
    absent = pool_mask(questions.pool_sizes, questions.pools.shape[1])
    if absent is not None:
        keys = keys.masked_fill(~absent, -torch.inf)
    order = keys.argsort(dim=1, descending=True, stable=True)[:, :steps]
    return questions.pools.gather(1, order)


def _control_keys(control: Control, questions: QuestionSet, task: Task) -> Tensor:
    """By what a control orders the candidates, highest first. Shape: ``(Q, K)``."""
    if control == "random":
        return torch.rand(questions.pools.shape, generator=torch.Generator().manual_seed(0))
    keys = [
        torch.einsum("qd,qkd->qk", task.embeddings[queries], task.embeddings[pools])
        for queries, pools in zip(
            torch.split(questions.queries, CHUNK), torch.split(questions.pools, CHUNK), strict=True
        )
    ]
    return torch.cat(keys)
