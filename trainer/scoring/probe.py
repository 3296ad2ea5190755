"""The liveness probe: whether the scores react to what is trained.

Shape legend: Q questions, S shots, C numbers of shots that are scored.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.contract import PROBE_QUESTIONS, Environment, TrainSpec, evaluation_key
from trainer.policy.tensors import tensor_group
from trainer.scoring.evaluate import Evaluation, LoadPolicy, evaluate_folder, keep_scores
from trainer.stage_store import POLICY, StageStore, load_policy
from trainer.tasks import Task

PROBE_SCALE = 1.0  # standard deviation of the perturbation, in root mean squares of the tensor


def probe_liveness(
    store: StageStore,
    key: str,
    spec: TrainSpec,
    task: Task,
    environment: Environment,
    scratch: Path,
    *,
    load: LoadPolicy = load_policy,
) -> dict[str, Any]:
    """Perturb each group of tensors of a stage and see whether selections and answers react.

    Every perturbed policy is written as a stage of its own below ``scratch`` and scored by the same
    code as any other, so that a loader that drops tensors is seen too.

    Returns:
        ``{"questions", "alive", "groups": [{"group", "selections_changed", "answers_changed"}]}``,
        shares in [0, 1]; `answers_changed` is the share among the questions whose shots changed.
    """
    few = spec.evaluate.only(PROBE_QUESTIONS)
    probe_spec = spec.model_copy(update={"evaluate": few})

    def score(folder: Path, label: str) -> Evaluation:
        """Load and choose every time; only the reader's answers to the same shots are kept."""

        def evaluate(known: Evaluation | None) -> Evaluation:
            return evaluate_folder(
                folder, probe_spec, task, device=environment.device, load=load, known=known
            )

        name = evaluation_key(f"{key} {label}", probe_spec, environment)
        return keep_scores(store, name, evaluate) if asks else evaluate(None)

    asks = spec.evaluate.judge == "reader"
    before = score(store.folder(key), "probed")
    stage = store.read(key)
    assert stage is not None, "the stage was evaluated a moment ago"
    weights = stage.tensors[POLICY]
    perturbed = StageStore(scratch)
    groups: list[dict[str, Any]] = []
    for group in sorted({tensor_group(name) for name in weights}):
        perturbed.write(group, {POLICY: _perturb(weights, group)}, stage.info)
        after = score(perturbed.folder(group), f"with another {group}")
        groups.append({"group": group, **_reaction(before, after, spec)})
    return {
        "questions": few.asked,
        "alive": _is_alive(groups, spec),
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


def _reaction(before: Evaluation, after: Evaluation, spec: TrainSpec) -> dict[str, float]:
    moved = (before.shots != after.shots).any(dim=1)
    answered = (before.scores.nan_to_num(-1.0) != after.scores.nan_to_num(-1.0)).any(dim=1)
    if spec.evaluate.judge == "reader":
        answered = answered[moved]
    return {
        "selections_changed": float(moved.double().mean()),
        "answers_changed": float(answered.double().mean()) if len(answered) else 0.0,
    }


def _is_alive(groups: Sequence[Mapping[str, float]], spec: TrainSpec) -> bool:
    """Whether what is trained reaches the scores.

    A reader sees selections: all groups must move some, and some answer must follow. A command
    reads the checkpoint itself, so that every group must be seen to reach its scores.
    """
    answers = [entry["answers_changed"] > 0 for entry in groups]
    if spec.evaluate.judge != "reader":
        return all(answers)
    return all(entry["selections_changed"] > 0 for entry in groups) and any(answers)
