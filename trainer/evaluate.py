"""Scores of a policy, of the controls, and whether the scores react to what is trained.

A policy is always scored from the files of its stage, read the way a consumer reads them: an
evaluation that sees other weights than those that were trained is what this project exists to
prevent.

Shape legend: Q questions, K candidates, S shots, C numbers of shots that are scored.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainer.checkpoint import POLICY, StageStore, load_policy
from trainer.contract import (
    PROBE_QUESTIONS,
    Control,
    Environment,
    EvaluateSpec,
    TrainSpec,
    evaluation_key,
)
from trainer.policy import PointerSelector, tensor_group
from trainer.readers import Reader
from trainer.tasks import QuestionSet, Task

PROBE_SCALE = 1.0  # standard deviation of the perturbation, in root mean squares of the tensor
CHUNK = 256  # questions encoded at once: bounds memory at 64 candidates of any width

LoadPolicy = Callable[..., PointerSelector]


class Evaluation(NamedTuple):
    """Scores by question and number of shots, kept whole."""

    shots: Tensor  # global ids in the order chosen. Shape: (Q, S), int64
    scores: Tensor  # fractions in [0, 1]. Shape: (Q, C), float32

    def accuracy(self, spec: EvaluateSpec) -> dict[str, float]:
        """Mean score by number of shots."""
        means = self.scores.double().mean(dim=0).tolist()
        return {str(count): mean for count, mean in zip(spec.shots, means, strict=True)}

    @property
    def mean_shot_accuracy(self) -> float:
        """Mean over questions and numbers of shots: the score of a trial."""
        return float(self.scores.double().mean())


def scores_of(evaluation: Evaluation, spec: TrainSpec) -> dict[str, Any]:
    """Score, accuracy by number of shots and number of questions, for a result."""
    return {
        "score": evaluation.mean_shot_accuracy,
        "accuracy": evaluation.accuracy(spec.evaluate),
        "questions": len(evaluation.scores),
    }


def asked_questions(task: Task, spec: EvaluateSpec) -> QuestionSet:
    """The questions that ``spec`` names: the first of a fixed random order, hence a sample."""
    questions = task.questions(spec.split)
    return QuestionSet(queries=questions.queries[: spec.asked], pools=questions.pools[: spec.asked])


@torch.no_grad()
def select_shots(
    policy: PointerSelector, embeddings: Tensor, questions: QuestionSet, *, steps: int
) -> Tensor:
    """One greedy roll-out a question; the first s of its shots are the choice of s shots.

    Args:
        policy: In evaluation mode.
        embeddings: On the policy's device. Shape: ``(N, D)``.
        questions: On the CPU.
        steps: Number of shots to choose.

    Returns:
        Global ids, on the CPU. Shape: ``(Q, steps)``.
    """
    chosen = []
    for begin in range(0, len(questions.queries), CHUNK):
        pools = questions.pools[begin : begin + CHUNK]
        encoded = policy.encode(
            embeddings[questions.queries[begin : begin + CHUNK]], embeddings[pools]
        )
        pointers = policy.roll_out(encoded, steps=steps).pointers[:, 0]
        chosen.append(pools.gather(1, pointers.cpu()))
    return torch.cat(chosen)


def score_shots(reader: Reader, queries: Tensor, shots: Tensor, spec: EvaluateSpec) -> Tensor:
    """Ask the reader with the first s shots, for every s of ``spec``. Shape: ``(Q, C)``."""
    return torch.stack([reader.answer(queries, shots[:, :s]).score for s in spec.shots], dim=1)


def evaluate_stage(
    store: StageStore,
    key: str,
    spec: TrainSpec,
    task: Task,
    environment: Environment,
    *,
    load: LoadPolicy = load_policy,
) -> Evaluation:
    """Score a stage, or read the scores that lie beside it."""
    name = evaluation_key(key, spec, environment)
    stored = store.read_evaluation(key, name)
    if stored is None:
        fresh = evaluate_folder(store.folder(key), spec, task, device=environment.device, load=load)
        stored = fresh._asdict()
        store.write_evaluation(key, name, stored)
    return Evaluation(stored["shots"], stored["scores"])


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
    stored = store.read_evaluation(key, evaluation_key(key, spec, environment))
    if stored is not None:
        return stored["shots"]
    return _choose(store.folder(key), spec, task, device=environment.device, load=load)


def evaluate_folder(
    folder: Path, spec: TrainSpec, task: Task, *, device: str, load: LoadPolicy = load_policy
) -> Evaluation:
    """Load the weights in ``folder``, select shots for every question, ask the reader."""
    shots = _choose(folder, spec, task, device=device, load=load)
    queries = asked_questions(task, spec.evaluate).queries
    return Evaluation(shots, score_shots(task.reader, queries, shots, spec.evaluate))


def _choose(folder: Path, spec: TrainSpec, task: Task, *, device: str, load: LoadPolicy) -> Tensor:
    policy = load(folder, num_heads=spec.policy.num_heads, device=device)
    questions = asked_questions(task, spec.evaluate)
    steps = max(spec.evaluate.shots)
    return select_shots(policy, task.embeddings.to(device), questions, steps=steps)


def control_evaluation(control: Control, spec: TrainSpec, task: Task) -> Evaluation:
    """Score a policy that nobody trained: "random" or "nearest" ("start" is a stage).

    "nearest" takes the candidates whose embeddings are closest to the query's and puts the closest
    next to the query, where a reader heeds it most; that makes it the strongest simple rival.
    """
    questions = asked_questions(task, spec.evaluate)
    steps = max(spec.evaluate.shots)
    if control == "random":
        generator = torch.Generator().manual_seed(0)
        weights = torch.rand(questions.pools.shape, generator=generator)
        shots = questions.pools.gather(1, weights.argsort(dim=1)[:, :steps])
        return Evaluation(shots, score_shots(task.reader, questions.queries, shots, spec.evaluate))
    queries, pools = task.embeddings[questions.queries], task.embeddings[questions.pools]
    similarity = torch.einsum("qd,qkd->qk", queries, pools)
    order = similarity.argsort(dim=1, descending=True, stable=True)[:, :steps]
    shots = questions.pools.gather(1, order)
    scores = [
        task.reader.answer(questions.queries, shots[:, :s].flip(1)).score
        for s in spec.evaluate.shots
    ]
    return Evaluation(shots, torch.stack(scores, dim=1))


def probe_liveness(
    store: StageStore,
    key: str,
    spec: TrainSpec,
    task: Task,
    scratch: Path,
    *,
    device: str,
    load: LoadPolicy = load_policy,
) -> dict[str, Any]:
    """Perturb each group of tensors of a stage and see whether selections and answers react.

    Every perturbed policy is written as a stage of its own below ``scratch`` and scored by the same
    code as any other, so that a loader that drops tensors is seen too.

    Returns:
        ``{"questions", "alive", "groups": [{"group", "selections_changed", "answers_changed"}]}``,
        shares in [0, 1]; `answers_changed` is the share among the questions whose shots changed.
    """
    few = spec.evaluate.model_copy(
        update={"questions": min(PROBE_QUESTIONS, spec.evaluate.questions), "split": "select"}
    )
    probe_spec = spec.model_copy(update={"evaluate": few})
    before = evaluate_folder(store.folder(key), probe_spec, task, device=device, load=load)
    stage = store.read(key)
    assert stage is not None, "the stage was evaluated a moment ago"
    weights = stage.tensors[POLICY]
    perturbed = StageStore(scratch)
    groups: list[dict[str, Any]] = []
    for group in sorted({tensor_group(name) for name in weights}):
        perturbed.write(group, {POLICY: _perturb(weights, group)}, {})
        after = evaluate_folder(perturbed.folder(group), probe_spec, task, device=device, load=load)
        groups.append({"group": group, **_reaction(before, after)})
    return {
        "questions": few.questions,
        "alive": all(entry["selections_changed"] > 0 for entry in groups)
        and any(entry["answers_changed"] > 0 for entry in groups),
        "groups": groups,
    }


def _perturb(weights: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    changed = dict(weights)
    for name, weight in sorted(weights.items()):
        if tensor_group(name) == group:
            scale = PROBE_SCALE * weight.square().mean().sqrt().clamp(min=0.1)  # biases may be 0
            changed[name] = weight + scale * torch.randn(weight.shape, generator=generator)
    return changed


def _reaction(before: Evaluation, after: Evaluation) -> dict[str, float]:
    moved = (before.shots != after.shots).any(dim=1)
    answered = (before.scores != after.scores).any(dim=1)
    return {
        "selections_changed": float(moved.double().mean()),
        "answers_changed": float(answered[moved].double().mean()) if moved.any() else 0.0,
    }
