"""Scores of a policy.

A policy is always scored from the files of its stage, read the way a consumer reads them: an
evaluation that sees other weights than those that were trained is what this project exists to
prevent.

Who scores is the spec's `judge`: a reader that answers, a command that is given the checkpoint, or
the loss on the validation queries.

Shape legend: Q questions, K candidates, S shots, C numbers of shots that are scored.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainer.contract import Environment, EvaluateSpec, TrainSpec, evaluation_key
from trainer.errors import InputError
from trainer.policy.encoding import Rows
from trainer.policy.policy import PointerSelector
from trainer.readers import Reader
from trainer.rollouts.recorded import raw_reward
from trainer.scoring.command_judge import ask_command
from trainer.scoring.validation import validation_losses
from trainer.stage_store import StageStore, load_policy
from trainer.tasks import QuestionSet, Task

CHUNK = 256  # questions encoded at once: bounds memory at 64 candidates of any width

LoadPolicy = Callable[..., PointerSelector]


class Evaluation(NamedTuple):
    """Scores by question and number of shots, kept whole."""

    shots: Tensor  # global ids in the order chosen. Shape: (Q, S), int64
    scores: Tensor
    """Fractions in [0, 1], NaN where nobody knows; of a command that tells only means one row; of
    `validation_loss` nats, one column. Shape: (Q, C), float32"""
    questions: Tensor  # how many were scored. Shape: (), int64

    def accuracy(self, spec: EvaluateSpec) -> dict[str, float]:
        """Mean score by number of shots; none where a loss is the score."""
        if spec.judge == "validation_loss":
            return {}
        means = self.scores.double().nanmean(dim=0).tolist()
        return {str(count): mean for count, mean in zip(spec.shots, means, strict=True)}

    @property
    def score(self) -> float:
        """The score of a trial: the mean over numbers of shots of the means over questions."""
        return float(self.scores.double().nanmean(dim=0).mean())

    def first(self, count: int) -> "Evaluation":
        """The scores of the first ``count`` questions, of an evaluation that has one of each."""
        scores = self.scores[:count]
        return Evaluation(self.shots[:count], scores, torch.tensor(len(scores)))

    @property
    def known(self) -> float:
        """Share of (question, number of shots) that has a score, in [0, 1]."""
        return float((~self.scores.isnan()).double().mean())


def scores_of(evaluation: Evaluation, spec: TrainSpec) -> dict[str, Any]:
    """Score, accuracy by number of shots and number of questions, for a result."""
    return {
        "score": evaluation.score,
        "accuracy": evaluation.accuracy(spec.evaluate),
        "questions": int(evaluation.questions),
        "known": evaluation.known,
    }


def answers_of(evaluation: Evaluation, spec: TrainSpec) -> int:
    """Answers of a reader that an evaluation is made of."""
    asks = spec.evaluate.judge == "reader" and spec.evaluate.reader is None
    return evaluation.scores.numel() if asks else 0


def asked_questions(task: Task, spec: EvaluateSpec) -> QuestionSet:
    """The questions that ``spec`` names: the first of a fixed random order, hence a sample; or the
    first by their ids, which follow the file.
    """
    questions = task.questions(spec.split)
    if spec.in_file_order:
        questions = questions[questions.queries.argsort(stable=True)]
    return questions[: spec.asked]


@torch.no_grad()
def select_shots(
    policy: PointerSelector, embeddings: Tensor, questions: QuestionSet, *, steps: int
) -> Tensor:
    """One greedy roll-out a question; the first s of its shots are the choice of s shots.

    Args:
        policy: In evaluation mode.
        embeddings: On the policy's device. Shape: ``(M, D)``.
        questions: On the CPU.
        steps: Number of shots to choose.

    Returns:
        Global ids, on the CPU. Shape: ``(Q, steps)``.

    Raises:
        InputError: where a pool is smaller than ``steps``.
    """
    smallest = int(questions.pool_sizes.min())
    if smallest < steps:
        query = int(questions.queries[questions.pool_sizes.argmin()])
        raise InputError(
            f"evaluate.shots: {steps} shots cannot be chosen for query {query}, whose pool has"
            f" {smallest} candidates; ask for fewer shots or give larger pools"
        )
    rows, chosen = Rows(embeddings), []
    for begin in range(0, len(questions.queries), CHUNK):
        part = questions[begin : begin + CHUNK]
        encoded = rows.encode(policy, part.to(embeddings.device))
        pointers = policy.roll_out(encoded, steps=steps).pointers[:, 0]
        chosen.append(part.pools.gather(1, pointers.cpu()))
    return torch.cat(chosen)


def score_shots(reader: Reader, queries: Tensor, shots: Tensor, spec: EvaluateSpec) -> Tensor:
    """Ask the reader with the first s shots, for every s of ``spec``. Shape: ``(Q, C)``.

    Raises:
        InputError: where the reader knows no answer at all.
    """
    scores = torch.stack([reader.answer(queries, shots[:, :s]).score for s in spec.shots], dim=1)
    if scores.isnan().all():
        raise InputError(
            f"reader: {reader.digest} knows none of the {scores.numel()} answers that are needed: "
            "no chosen shots are among the recorded ones; use `score: validation_loss` instead"
        )
    return scores


def evaluate_stage(
    store: StageStore,
    key: str,
    spec: TrainSpec,
    task: Task,
    environment: Environment,
    *,
    load: LoadPolicy = load_policy,
) -> Evaluation:
    """Score a stage, or read the scores that were kept; only what is missing is asked."""
    name = evaluation_key(key, spec, environment)
    known = read_evaluation(store, name)
    if known is not None and _covers(known, spec, task):
        return known.first(spec.evaluate.asked) if spec.evaluate.judge == "reader" else known
    folder = store.folder(key)
    fresh = evaluate_folder(folder, spec, task, device=environment.device, load=load, known=known)
    store.write_evaluation(name, fresh._asdict())
    return fresh


def is_scored(
    store: StageStore, key: str, spec: TrainSpec, task: Task, environment: Environment
) -> bool:
    """Whether all scores of a stage are on disk."""
    known = read_evaluation(store, evaluation_key(key, spec, environment))
    return known is not None and _covers(known, spec, task)


def shots_of_stage(
    store: StageStore,
    key: str,
    spec: TrainSpec,
    task: Task,
    environment: Environment,
    *,
    load: LoadPolicy = load_policy,
) -> Tensor:
    """The shots that a stage chooses, without asking the reader. Shape: ``(Q, S)``."""
    known = read_evaluation(store, evaluation_key(key, spec, environment))
    if known is not None and _covers(known, spec, task):
        return known.shots[: spec.evaluate.asked]
    policy = load(store.folder(key), num_heads=spec.policy.num_heads, device=environment.device)
    return _choose(policy, spec, task, device=environment.device)


def read_evaluation(store: StageStore, key: str) -> Evaluation | None:
    """The scores that are kept under ``key``; None where there are none."""
    found = store.read_evaluation(key)
    return None if found is None else Evaluation(**found)


def _covers(known: Evaluation, spec: TrainSpec, task: Task) -> bool:
    return len(known.shots) >= len(asked_questions(task, spec.evaluate).queries)


def evaluate_folder(
    folder: Path,
    spec: TrainSpec,
    task: Task,
    *,
    device: str,
    load: LoadPolicy = load_policy,
    known: Evaluation | None = None,
) -> Evaluation:
    """Load the weights in ``folder``, select shots for every question, let the judge score.

    Args:
        folder: Of the stage.
        spec: Says how it is scored.
        task: Questions and reader.
        device: Where shots are selected.
        load: How the weights are read.
        known: What a reader has said to shots for the first questions; it is asked for the others,
            and for all where the shots are not the same.
    """
    policy = load(folder, num_heads=spec.policy.num_heads, device=device)
    shots = _choose(policy, spec, task, device=device)
    judge = spec.evaluate.judge
    if judge == "command":
        scores, questions = ask_command(folder, spec, device=device)
        return Evaluation(shots, scores, torch.tensor(questions))
    if judge == "validation_loss":
        rollouts = task.record_rollouts("validate").to(device)
        rewards = raw_reward(rollouts, spec.evaluate.reward)
        rows = Rows(task.embeddings.to(device))
        losses = validation_losses(policy, rollouts, rows, rewards)
        return by_loss(shots, losses.cpu()[: spec.evaluate.asked])
    queries = asked_questions(task, spec.evaluate).queries
    return answer_missing(
        shots,
        known,
        lambda rest: score_shots(task.reader, queries[rest], shots[rest], spec.evaluate),
    )


def answer_missing(
    shots: Tensor, known: Evaluation | None, ask: Callable[[slice], Tensor]
) -> Evaluation:
    """Take the scores that are known of the very same shots, and ask for the rest.

    Args:
        shots: Chosen just now, of every question. Shape: ``(Q, S)``.
        known: Scores of shots for the first questions, perhaps of more than Q.
        ask: Scores the questions of a slice.
    """
    if known is not None:
        known = known.first(len(shots))
    if known is None or not torch.equal(known.shots, shots[: len(known.shots)]):
        return answered(shots, ask(slice(None)))
    done = len(known.scores)
    scores = [known.scores] + ([ask(slice(done, None))] if done < len(shots) else [])
    return answered(shots, torch.cat(scores))


def keep_scores(
    store: StageStore, key: str, evaluate: Callable[[Evaluation | None], Evaluation]
) -> Evaluation:
    """Score with what is known under ``key`` at hand, and keep what is known then.

    For policies that are no stages: the policy chooses anew every time, only answers are kept.
    """
    known = read_evaluation(store, key)
    fresh = evaluate(known)
    if (
        known is None
        or len(known.shots) < len(fresh.shots)
        or not torch.equal(known.shots[: len(fresh.shots)], fresh.shots)
    ):
        store.write_evaluation(key, fresh._asdict())
    return fresh


def answered(shots: Tensor, scores: Tensor) -> Evaluation:
    """An evaluation with a score for every question."""
    return Evaluation(shots, scores, torch.tensor(len(scores)))


def by_loss(shots: Tensor, losses: Tensor) -> Evaluation:
    """An evaluation of which a loss (Q,) is the score."""
    return answered(shots, losses[:, None])


def _choose(policy: PointerSelector, spec: TrainSpec, task: Task, *, device: str) -> Tensor:
    questions = asked_questions(task, spec.evaluate)
    steps = max(spec.evaluate.shots)
    return select_shots(policy, task.embeddings.to(device), questions, steps=steps)
