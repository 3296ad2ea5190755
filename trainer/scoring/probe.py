"""The liveness probe: whether the scores react to what is trained.

Shape legend: Q questions, S shots, C numbers of shots that are scored.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from trainer.contract import (
    PROBE_QUESTIONS,
    Environment,
    Liveness,
    Reaction,
    evaluation_key,
)
from trainer.policy.tensors import tensor_group
from trainer.scoring.evaluate import LoadPolicy, evaluate_folder, keep_scores
from trainer.scoring.evaluation import Evaluation
from trainer.scoring.judge import Judge
from trainer.stage_store import POLICY, StageStore, load_policy

PROBE_SCALE = 1.0  # standard deviation of the perturbation, in root mean squares of the tensor


def probe_liveness(
    store: StageStore,
    key: str,
    judge: Judge,
    environment: Environment,
    scratch: Path,
    *,
    load: LoadPolicy = load_policy,
) -> Liveness:
    """Perturb each group of tensors of a stage and see whether selections and answers react.

    Every perturbed policy is written as a stage of its own below ``scratch`` and scored by the same
    code as any other, so that a loader that drops tensors is seen too.

    Returns:
        The reaction to each group; `answers_changed` is the share among the questions whose shots
        changed.
    """
    few = judge.only(PROBE_QUESTIONS)

    def score(folder: Path, label: str) -> Evaluation:
        """Load and choose every time; only the answers to the same shots are kept."""

        def evaluate(known: Evaluation | None) -> Evaluation:
            return evaluate_folder(folder, few, device=environment.device, load=load, known=known)

        name = evaluation_key(f"{key} {label}", few.spec, environment)
        return keep_scores(store, name, few, evaluate)

    before = score(store.folder(key), "probed")
    stage = store.read(key)
    assert stage is not None, "the stage was evaluated a moment ago"
    weights = stage.tensors[POLICY]
    perturbed = StageStore(scratch)
    groups: list[Reaction] = []
    for group in sorted({tensor_group(name) for name in weights}):
        perturbed.write(group, {POLICY: _perturb(weights, group)}, stage.info)
        after = score(perturbed.folder(group), f"with another {group}")
        groups.append(_reaction(group, before, after, scores_shots=few.scores_shots))
    return Liveness(
        questions=few.spec.evaluate.asked,
        alive=_is_alive(groups, scores_shots=few.scores_shots),
        groups=tuple(groups),
    )


def _perturb(weights: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    changed = dict(weights)
    for name, weight in sorted(weights.items()):
        if tensor_group(name) == group:
            scale = PROBE_SCALE * weight.square().mean().sqrt().clamp(min=0.1)  # biases may be 0
            changed[name] = weight + scale * torch.randn(weight.shape, generator=generator)
    return changed


def _reaction(group: str, before: Evaluation, after: Evaluation, *, scores_shots: bool) -> Reaction:
    moved = (before.shots != after.shots).any(dim=1)
    answered = (before.scores.nan_to_num(-1.0) != after.scores.nan_to_num(-1.0)).any(dim=1)
    if scores_shots:
        answered = answered[moved]
    return Reaction(
        group=group,
        selections_changed=float(moved.double().mean()),
        answers_changed=float(answered.double().mean()) if len(answered) else 0.0,
    )


def _is_alive(groups: Sequence[Reaction], *, scores_shots: bool) -> bool:
    """Whether what is trained reaches the scores.

    A judge of shots sees selections: all groups must move some, and some answer must follow. One
    that reads the weights themselves must be seen to react to every group.
    """
    answers = [entry.answers_changed > 0 for entry in groups]
    if not scores_shots:
        return all(answers)
    return all(entry.selections_changed > 0 for entry in groups) and any(answers)
