"""Scores of a policy.

A policy is always scored from the files of its stage, read the way a consumer reads them: an
evaluation that sees other weights than those that were trained is what this project exists to
prevent. Who scores is a judge; what it has said of a stage is kept beside the stages.

Shape legend: Q questions, S shots.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from trainer.contract import Environment, Scores, evaluation_key
from trainer.policy.policy import PointerSelector
from trainer.scoring.evaluation import Evaluation
from trainer.scoring.judge import Judge, LoadedPolicy
from trainer.scoring.selection import asked_questions, policy_shots
from trainer.stage_store import StageStore, load_policy

LoadPolicy = Callable[..., PointerSelector]
Scored = TypeVar("Scored", bound=Evaluation | None)  # None of what a judge cannot score


def scores_of(evaluation: Evaluation, judge: Judge) -> Scores:
    """Score, accuracy by number of shots and number of questions, for a result."""
    return Scores(
        score=evaluation.score,
        accuracy=judge.accuracy(evaluation),
        questions=int(evaluation.questions),
        known=evaluation.known,
    )


def evaluate_stage(
    store: StageStore,
    key: str,
    judge: Judge,
    environment: Environment,
    *,
    load: LoadPolicy = load_policy,
) -> Evaluation:
    """Score a stage, or read the scores that were kept; only what is missing is asked."""
    name = evaluation_key(key, judge.spec, environment)
    known = read_evaluation(store, name)
    if known is not None and _covers(known, judge):
        return known.first(judge.spec.evaluate.asked) if judge.scores_shots else known
    device, folder = environment.device, store.folder(key)
    fresh = evaluate_folder(folder, judge, device=device, load=load, known=known)
    store.write_evaluation(name, fresh._asdict())
    return fresh


def is_scored(store: StageStore, key: str, judge: Judge, environment: Environment) -> bool:
    """Whether all scores of a stage are on disk."""
    known = read_evaluation(store, evaluation_key(key, judge.spec, environment))
    return known is not None and _covers(known, judge)


def shots_of_stage(
    store: StageStore,
    key: str,
    judge: Judge,
    environment: Environment,
    *,
    load: LoadPolicy = load_policy,
) -> Tensor:
    """The shots that a stage chooses, without asking the judge. Shape: ``(Q, S)``."""
    known = read_evaluation(store, evaluation_key(key, judge.spec, environment))
    if known is not None and _covers(known, judge):
        return known.shots[: judge.spec.evaluate.asked]
    return _loaded(store.folder(key), judge, device=environment.device, load=load).shots


def read_evaluation(store: StageStore, key: str) -> Evaluation | None:
    """The scores that are kept under ``key``; None where there are none."""
    found = store.read_evaluation(key)
    return None if found is None else Evaluation(**found)


def _covers(known: Evaluation, judge: Judge) -> bool:
    return len(known.shots) >= len(asked_questions(judge.task, judge.spec.evaluate).queries)


def evaluate_folder(
    folder: Path,
    judge: Judge,
    *,
    device: str,
    load: LoadPolicy = load_policy,
    known: Evaluation | None = None,
) -> Evaluation:
    """Load the weights in ``folder``, select shots for every question, let the judge score.

    Args:
        folder: Of the stage.
        judge: Who scores.
        device: Where shots are selected.
        load: How the weights are read.
        known: What the judge has said to shots for the first questions.
    """
    return judge.score(_loaded(folder, judge, device=device, load=load), known)


def keep_scores(
    store: StageStore, key: str, judge: Judge, evaluate: Callable[[Evaluation | None], Scored]
) -> Scored:
    """Score with what is known under ``key`` at hand, and keep what is known then.

    For policies that are no stages: the policy chooses anew every time, only a judge's answers to
    the same shots are kept, and nothing of a judge that does not score shots.
    """
    if not judge.scores_shots:
        return evaluate(None)
    known = read_evaluation(store, key)
    fresh = evaluate(known)
    if fresh is not None and (
        known is None
        or len(known.shots) < len(fresh.shots)
        or not torch.equal(known.shots[: len(fresh.shots)], fresh.shots)
    ):
        store.write_evaluation(key, fresh._asdict())
    return fresh


def _loaded(folder: Path, judge: Judge, *, device: str, load: LoadPolicy) -> LoadedPolicy:
    spec = judge.spec
    policy = load(folder, num_heads=spec.policy.num_heads, device=device)
    shots = policy_shots(policy, spec.evaluate, judge.task, device=device)
    return LoadedPolicy(folder, policy, shots, device)
