"""The chain of stages that a spec leads through, and the key of each.

A key is a hash of all that determines the bits of a stage, and of nothing else: not the number of
devices, not the settings of the log. The number of epochs enters only where a schedule depends on
it (RCE's temperature), so that a training of three epochs continues one of two. No files, no torch.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trainer.contract.phases import GrpoSpec, RceSpec
from trainer.contract.spec import TrainSpec

NUMERICS = 3  # raise whenever the trainer's numbers change: every key changes with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What else than the spec determines the bits; told by `python -m trainer check`."""

    torch: str  # version
    device: str  # kind: "cpu" or "cuda"
    data: str  # digest of what the evaluation uses: questions, pools, embeddings
    training: str  # digest of what training uses: queries, rollouts, pools, embeddings
    start: str  # digest of the start checkpoint's tensors; empty: drawn from the spec's seed
    reader: str  # digest of the reader's weights and settings, or of the judge in its place


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRef:
    """One link of the chain. `phase` is "start" (epoch 0: untrained), "rce" or "grpo"."""

    phase: str
    phase_index: int  # position in `spec.phases`; -1 for the start
    epoch: int  # one-based within the phase
    key: str


def digest(payload: Any) -> str:
    """Hash a JSON value, whatever the order of its keys: 32 hexadecimal digits."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _base(spec: TrainSpec, environment: Environment) -> dict[str, Any]:
    return {
        "numerics": NUMERICS,
        "torch": environment.torch,
        "device": environment.device,
        "tf32": spec.tf32,
        "bf16": spec.bf16,
        "threads": spec.threads,
        "training": environment.training,
    }


def rollouts_key(spec: TrainSpec, environment: Environment) -> str:
    """Key of the recorded rollouts: they depend on data and reader, not on the spec's seed."""
    reader = environment.reader if spec.task.asks_for_rollouts else ""  # else in a file, by anyone
    return digest({"phase": "rollouts", **_base(spec, environment), "reader": reader})


def stage_chain(spec: TrainSpec, environment: Environment) -> tuple[StageRef, ...]:
    """Every stage that ``spec`` leads through, in order; the first is the untrained start."""
    drawn = {"policy": spec.policy.model_dump(mode="json")}
    given = {"start": environment.start, "num_heads": spec.policy.num_heads}
    key = digest(
        {
            "phase": "start",
            **_base(spec, environment),
            **(given if environment.start else drawn),
            "seed": spec.seed,
        }
    )
    chain = [StageRef(phase="start", phase_index=-1, epoch=0, key=key)]
    for index, entry in enumerate(spec.phases):
        fields = _phase_fields(entry.settings, spec, environment)
        phase_start = chain[-1].key
        for epoch in range(1, entry.settings.trained_epochs + 1):
            key = digest(
                {
                    "parent": chain[-1].key,
                    "phase": entry.kind,
                    "phase_index": index,
                    "phase_start": phase_start,
                    "epoch": epoch,
                    "fields": fields,
                }
            )
            chain.append(StageRef(phase=entry.kind, phase_index=index, epoch=epoch, key=key))
    return tuple(chain)


def start_of_last_phase(spec: TrainSpec) -> TrainSpec:
    """The same spec, its last phase cut to no epoch: its chain ends where that phase begins."""
    *before, last = spec.phases
    cut = {"epochs": 0} if last.grpo else {"epochs": 0, "stop_after": None}
    entry = last.model_copy(update={last.kind: last.settings.model_copy(update=cut)})
    return spec.model_copy(update={"phases": (*before, entry)})


def is_scored_stage(ref: StageRef, chain: Sequence[StageRef], spec: TrainSpec) -> bool:
    """Whether a trial scores this stage of its chain: the last, and what `every` says."""
    every = spec.evaluate.every
    return ref == chain[-1] or (every != "last" and ref.epoch > 0 and ref.epoch % every == 0)


def evaluation_key(stage_key: str, spec: TrainSpec, environment: Environment) -> str:
    """Key of a stage's scores: the stage, the questions and the reader.

    The first questions of many are a sample of them: one file holds the scores of all that have
    been asked so far, and fewer are read off it. A command or a loss scores a number of questions.
    The first of the file are others than the first of the random order.
    """
    counted = spec.evaluate.judge != "reader"
    return digest(
        {
            "stage": stage_key,
            "split": spec.evaluate.split,
            "questions": spec.evaluate.asked if counted else None,
            "shots": list(spec.evaluate.shots),
            "judge": spec.evaluate.judge,
            "reward": spec.evaluate.reward if spec.evaluate.judge == "validation_loss" else None,
            "command": list(spec.evaluate.command or ()),
            "data": environment.data,
            "reader": environment.reader,
            **({"order": "file"} if spec.evaluate.in_file_order else {}),
        }
    )


def _phase_fields(
    settings: RceSpec | GrpoSpec, spec: TrainSpec, environment: Environment
) -> Mapping[str, Any]:
    """The phase's fields that determine its bits."""
    if isinstance(settings, RceSpec):  # where to leave the schedule changes no epoch before it
        fields = settings.model_dump(mode="json", exclude={"stop_after"})
        return {**fields, "rollouts": rollouts_key(spec, environment)}
    idle = {"epochs"}  # no schedule of GRPO depends on its length
    if settings.rollouts == "recorded":
        fields = settings.model_dump(mode="json", exclude=idle | {"group_size"})
        return {**fields, "recorded": rollouts_key(spec, environment)}
    idle |= {"curriculum", "reward"}
    if settings.dropout == settings.attention_dropout == 0.0 and not spec.bf16:
        idle |= {"clip_epsilon"}  # one step a batch on the policy that sampled: every ratio is 1
    fields = settings.model_dump(mode="json", exclude=idle)
    return {**fields, "reader": environment.reader, "shots": list(spec.evaluate.shots)}


def environment_from_json(payload: Mapping[str, str]) -> Environment:
    """Read what ``environment_to_json`` wrote. Raises ValueError where a part of it is missing."""
    names = [field.name for field in dataclasses.fields(Environment)]
    if missing := [name for name in names if name not in payload]:
        raise ValueError(f"an environment without {', '.join(missing)}")
    return Environment(**{name: payload[name] for name in names})


def environment_to_json(environment: Environment) -> dict[str, str]:
    """The environment as `result.json` and `check` hold it."""
    return asdict(environment)
