"""The data contract: what the data holds, and where training and evaluation see different things.

Told before anything is trained. Every difference between what a policy is trained on and what it is
scored on is a warning with its consequence, and so is every field that carries no information.
Reads tensors and facts; decides nothing about the training.

Shape legend: B queries, N rollouts of all of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainer.answers.remembering import keeps_answers
from trainer.contract import GrpoSpec, TrainSpec
from trainer.groups import within_groups
from trainer.readers import Reader
from trainer.rollouts.recorded import reward_of
from trainer.scoring.judge import Judge
from trainer.scoring.opening import open_judge
from trainer.scoring.selection import asked_questions
from trainer.scoring.validation import uniform_losses
from trainer.tasks import RecordedRollouts, Task

CONSTANT = 1e-5  # a field in [0, 1] that varies by no more is constant in effect
NOT_TOLD = "not told"  # the files do not say


class Side(NamedTuple):
    """One thing as training sees it and as the evaluation sees it."""

    what: str
    training: str
    evaluation: str
    consequence: str = ""  # of a difference; none where they should differ


def data_contract(spec: TrainSpec, task: Task, reader: Reader) -> dict[str, Any]:
    """Everything worth knowing of the data before it is trained on.

    Returns:
        ``{"lines": [...], "warnings": [...], "facts": {...}}``: text for people, and the same as
        numbers. JSON.

    Raises:
        InputError: where a phase's reward cannot be made of these rollouts.
    """
    judge = open_judge(spec, task, reader)
    sides = list(_sides(judge, reader))
    facts: dict[str, Any] = {**task.facts, "sides": [side._asdict() for side in sides]}
    if judge.scores_shots:
        facts["asked_queries"] = asked_questions(task, spec.evaluate.in_full()).queries.tolist()
    lines: list[str] = []
    warnings: list[str] = []
    if task.rollouts_are_files:
        recorded = {split: task.record_rollouts(split, reader) for split in ("train", "validate")}
        facts |= {split: _shape_facts(rollouts) for split, rollouts in recorded.items()}
        facts["rewards"] = list(_reward_facts(spec, recorded["train"]))
        uniform = float(uniform_losses(recorded["validate"]).mean())
        facts["uniform_validation_loss"] = uniform
        lines += [*_read_lines(facts), f"validation loss of a uniform policy: {uniform:.4f} nats"]
        warnings += [*_constant_warnings(facts), *_signal_warnings(facts)]
    width = max(len(side.what) for side in sides)
    lines.append("training | evaluation")
    lines += [f"  {side.what:<{width}}  {side.training} | {side.evaluation}" for side in sides]
    warnings += [
        f"{side.what}: training has {side.training}, the evaluation {side.evaluation}: "
        + side.consequence
        for side in sides
        if side.consequence and side.training != side.evaluation
    ]
    if not reader.batch_invariant:
        warnings.append(_minds_its_batch(kept=keeps_answers(reader, spec.evaluate)))
    if (no_sample := spec.evaluate.no_sample) is not None:
        warnings.append(no_sample)
    return {"lines": lines, "warnings": warnings, "facts": facts}


def _minds_its_batch(*, kept: bool) -> str:
    first = "the first that is given stands, for all studies of the workspace"
    none = "none is kept, so that scores depend on what else is asked; `remember: always` keeps it"
    return "reader: its answer to a prompt depends on what stands beside it in a batch: " + (
        first if kept else none
    )


def _shape_facts(rollouts: RecordedRollouts) -> dict[str, Any]:
    """Sizes of one split, and the spread of each recorded field."""
    groups = rollouts.offsets.diff()
    fields = {"hard", "soft", "gt_prob", "rel"} if rollouts.score is None else {"score"}
    return {
        "queries": len(rollouts.queries),
        "rollouts": len(rollouts.pointers),
        "rollouts_a_query": _range(groups),
        "shots": rollouts.pointers.shape[1],
        "pools": _range(rollouts.pool_sizes),
        "correct": float(rollouts.hard.double().mean()),
        "fields": {
            name: [float(tensor.min()), float(tensor.max())]
            for name, tensor in rollouts.tensors().items()
            if name in fields
        },
    }


def _range(values: Tensor) -> list[int]:
    return [int(values.min()), int(values.max())]


def _reward_facts(spec: TrainSpec, rollouts: RecordedRollouts) -> Iterator[dict[str, Any]]:
    """Distribution of each phase's reward: levels, ties, queries without signal."""
    for entry in spec.phases:
        rewards = reward_of(rollouts, entry.settings)
        levels, counts = torch.unique(rewards, return_counts=True)
        spread = within_groups(rewards, rollouts.offsets, _spread)
        silent = spread[rollouts.offsets[:-1]] == 0
        tied = within_groups(rewards, rollouts.offsets, _tied)
        yield {
            "phase": entry.kind,
            "mode": entry.settings.reward,
            "mean": float(rewards.double().mean()),
            "std": float(rewards.double().std()),
            "levels": len(levels),
            "most_frequent": float(levels[counts.argmax()]),
            "most_frequent_share": float(counts.max() / counts.sum()),
            "tied": float(tied.double().mean()),
            "queries_without_signal": float(silent.double().mean()),
            **_curriculum_facts(entry.settings, rewards, rollouts),
        }


def _curriculum_facts(
    settings: Any, rewards: Tensor, rollouts: RecordedRollouts
) -> dict[str, float]:
    """Share of queries whose best rollouts, those of the first epoch, are all rewarded alike."""
    if not isinstance(settings, GrpoSpec) or settings.curriculum is None:
        return {}
    top = settings.curriculum[0]

    def alike(group: Tensor) -> Tensor:
        best = group.sort(dim=1, descending=True).values[:, :top]
        return (best[:, :1] == best[:, -1:]).to(group.dtype).expand_as(group)

    equal = within_groups(rewards, rollouts.offsets, alike)[rollouts.offsets[:-1]]
    return {"first_epoch_without_signal": float(equal.double().mean())}


def _spread(group: Tensor) -> Tensor:
    return (group.amax(dim=1, keepdim=True) - group.amin(dim=1, keepdim=True)).expand_as(group)


def _tied(group: Tensor) -> Tensor:
    """1 for each rollout that shares its reward with another one of its group."""
    equal = group[:, :, None] == group[:, None, :]
    return (equal.sum(dim=2) > 1).to(group.dtype)


def _read_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    for split in ("train", "validate"):
        part = facts[split]
        yield (
            f"{split}: {part['queries']} queries, {part['rollouts']} rollouts "
            f"({_from_to(part['rollouts_a_query'])} a query) of {part['shots']} shots, pools of "
            f"{_from_to(part['pools'])}, {100 * part['correct']:.1f} % correct"
        )
    for name, label in (("kinds", "indices"), ("methods", "made by"), ("dropped", "dropped")):
        if counts := facts.get(name):
            yield f"{label}: " + ", ".join(f"{key} {count}" for key, count in counts.items())
    for reward in facts["rewards"]:
        yield (
            f"reward of {reward['phase']} ({reward['mode']}): mean {reward['mean']:.3f}, standard "
            f"deviation {reward['std']:.3f}, {reward['levels']} levels, "
            f"{100 * reward['tied']:.1f} % of rollouts tied, "
            f"{100 * reward['queries_without_signal']:.1f} % of queries without signal"
        )


def _from_to(bounds: list[int]) -> str:
    low, high = bounds
    return f"{low}" if low == high else f"{low}-{high}"


def _constant_warnings(facts: Mapping[str, Any]) -> Iterator[str]:
    missing = facts.get("missing", {})
    for name, (low, high) in facts["train"]["fields"].items():
        if high - low <= CONSTANT:
            why = " (missing in the file)" if missing.get(name) else ""
            yield (
                f"{name} is constant in effect{why}: all values lie in [{low:.2g}, {high:.2g}]; a "
                "reward that is made of it alone cannot tell rollouts apart"
            )
    if count := facts.get("contradictions"):
        yield f"{count} rollouts are marked correct against their own score"


def _signal_warnings(facts: Mapping[str, Any]) -> Iterator[str]:
    for reward in facts["rewards"]:
        if reward["levels"] == 1:
            yield f"reward of {reward['phase']}: all rollouts are rewarded alike: nothing is learnt"
        first = reward.get("first_epoch_without_signal", 0.0)
        if first > 0.5:
            yield (
                f"curriculum: the best rollouts of {100 * first:.0f} % of the queries have equal "
                "rewards, hence advantage 0: the first epoch hardly learns"
            )


def _sides(judge: Judge, reader: Reader) -> Iterator[Side]:
    """What a policy is trained on and what it is scored on, side by side."""
    task, facts, scored = judge.task, judge.task.facts, judge.conditions()
    trained_shots, trained_pools = _trained(judge, reader)
    questions, own = scored.questions, scored.scorer
    yield Side(
        "pools",
        trained_pools,
        own if questions is None else _from_to(_range(questions.pool_sizes)),
        "the policy chooses among other numbers of candidates than it has learnt to",
    )
    yield Side(
        "shots",
        trained_shots,
        trained_shots if scored.shots is None else _numbers(scored.shots),
        "it is scored on numbers of shots that it never chose",
    )
    yield Side(
        "split",
        facts.get("training_split", "train"),
        own if questions is None else facts.get("evaluation_split", "select"),
    )
    trained_by = facts.get("recorded_reader", reader.digest)
    yield Side(
        "reader",
        trained_by,
        scored.scorer,
        "rewards and scores are given by different judges",
    )
    for name in ("decoder", "prompt") if task.rollouts_are_files else ():
        told = str(facts.get(f"recorded_{name}", NOT_TOLD))
        asked = own if questions is None else told
        yield Side(name, told, asked, "answers that earned the rewards were given otherwise")


def _trained(judge: Judge, reader: Reader) -> tuple[str, str]:
    """Shots and pools of the last phase."""
    spec, task = judge.spec, judge.task
    last = spec.phases[-1].settings
    if isinstance(last, GrpoSpec) and last.rollouts == "sampled":
        pools = task.draw_pools(task.training_queries[:1], torch.Generator().manual_seed(0))
        return _numbers(spec.evaluate.shots), str(pools.shape[1])
    recorded = task.record_rollouts("train", reader)
    return str(recorded.pointers.shape[1]), _from_to(_range(recorded.pool_sizes))


def _numbers(shots: tuple[int, ...]) -> str:
    return ", ".join(map(str, shots))
