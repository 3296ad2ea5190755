"""One job from top to bottom: from the deepest stage on disk to the last one, an epoch at a time.

After every epoch the stage is written, then scored from its files, then its line is appended to
`metrics.jsonl`; `result.json` comes last. What stands on disk already is reused, never made again:
stages, evaluations, lines. Knows no study, no sampler, no tracking.
"""

import copy
import json
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from trainer.checkpoint import (
    OPTIMIZER,
    POLICY,
    Stage,
    StageStore,
    load_policy,
    optimizer_tensors,
    restore_optimizer,
)
from trainer.contract import (
    METRICS,
    RESULT,
    STOP,
    TRAINED,
    Environment,
    GrpoSpec,
    Job,
    RceSpec,
    StageRef,
    TrainSpec,
    environment_to_json,
    evaluation_key,
    read_metrics,
    rollouts_key,
    stage_chain,
    write_json_atomic,
)
from trainer.drift import tensor_drift
from trainer.errors import StageError
from trainer.evaluate import Evaluation, LoadPolicy, evaluate_stage, shots_of_stage
from trainer.grpo import GrpoPhase, grpo_epochs
from trainer.policy import PointerSelector
from trainer.rce import rce_epochs, validation_loss
from trainer.tasks import RecordedRollouts, Task

Outcome = Literal["completed", "stopped"]


def environment_of(task: Task, device: str) -> Environment:
    """What else than the spec determines the bits of this process's stages."""
    return Environment(
        torch=torch.__version__, device=device, data=task.data_digest, reader=task.reader.digest
    )


@dataclass(slots=True, kw_only=True)
class Training:
    """One spec being trained: the chain of its stages and how far it has come."""

    spec: TrainSpec
    task: Task
    environment: Environment
    store: StageStore
    chain: tuple[StageRef, ...]
    load: LoadPolicy

    @property
    def embeddings(self) -> Tensor:
        """The task's embeddings on the device that trains. Shape: ``(N, D)``."""
        return self.task.embeddings.to(self.environment.device)

    def evaluate(self, ref: StageRef) -> Evaluation:
        """Score a stage of the chain, or read its scores."""
        return evaluate_stage(
            self.store, ref.key, self.spec, self.task, self.environment, load=self.load
        )

    def shots(self, ref: StageRef) -> Tensor:
        """The shots that a stage of the chain chooses; asks no reader. Shape: ``(Q, S)``."""
        return shots_of_stage(
            self.store, ref.key, self.spec, self.task, self.environment, load=self.load
        )

    def phase_start(self, ref: StageRef) -> StageRef:
        """The stage from which the phase of ``ref`` begins."""
        first = next(i for i, r in enumerate(self.chain) if r.phase_index == ref.phase_index)
        return self.chain[max(first - 1, 0)]

    def read(self, ref: StageRef) -> Stage:
        """A stage that was whole a moment ago. Raises StageError where it no longer is."""
        stage = self.store.read(ref.key)
        if stage is None:
            raise StageError(f"stage {ref.key} was damaged or removed while in use; run again")
        return stage


def open_training(
    job: Job, task: Task, *, spec: TrainSpec | None = None, load: LoadPolicy = load_policy
) -> Training:
    """Lay out the chain of a job's spec (or of ``spec``, its beginning); writes nothing."""
    chosen = job.spec if spec is None else spec
    environment = environment_of(task, job.device)
    return Training(
        spec=chosen,
        task=task,
        environment=environment,
        store=StageStore(job.stages),
        chain=stage_chain(chosen, environment),
        load=load,
    )


def train(
    job: Job,
    folder: Path,
    task: Task,
    *,
    on_epoch: Callable[[], None] = lambda: None,
    load: LoadPolicy = load_policy,
) -> Outcome:
    """Work through ``job``: reuse, train, score, and write `result.json` at the end.

    Args:
        job: Spec, place of the stages, kind of device.
        folder: The trial folder that receives lines and result.
        task: Data and reader, on the job's device.
        on_epoch: Called after each new line.
        load: How the evaluation reads weights; a parameter so that a broken one can be tested.

    Returns:
        "stopped" where the folder's `stop` file ended the training after an epoch.

    Raises:
        TrainerError: NotFiniteError or StageError, with what happened where.
    """
    training = open_training(job, task, load=load)
    lines = MetricsFile(folder, keys={ref.key for ref in training.chain})
    selects = job.spec.evaluate.split == "select"  # a confirmation scores the last stage alone
    for ref, statistics in trained_stages(training):
        if statistics.trained:
            lines.note_trained(ref.key)
        if selects and lines.lacks(ref.key):
            lines.append(_line(training, ref, statistics, trained=lines.was_trained(ref.key)))
            on_epoch()
        if ref is not training.chain[-1] and (folder / STOP).exists():
            return "stopped"
    last = training.chain[-1]
    calls = task.reader.calls
    evaluation = training.evaluate(last)
    write_json_atomic(
        folder / RESULT,
        {
            **scores_of(evaluation, training.spec),
            "phase": last.phase,
            "epoch": last.epoch,
            "stage": last.key,
            "evaluation": evaluation_key(last.key, training.spec, training.environment),
            "split": training.spec.evaluate.split,
            "reader_calls_asked": lines.reader_calls_asked + task.reader.calls - calls,
            "epochs_trained": lines.epochs_trained,
            "environment": environment_to_json(training.environment),
        },
    )
    return "completed"


def scores_of(evaluation: Evaluation, spec: TrainSpec) -> dict[str, Any]:
    """Score, accuracy by number of shots and number of questions, for a result."""
    return {
        "score": evaluation.mean_shot_accuracy,
        "accuracy": evaluation.accuracy(spec.evaluate),
        "questions": len(evaluation.scores),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochStatistics:
    """What one epoch left to tell: numbers that reproduce, and what it took this time."""

    metrics: Mapping[str, Any]  # numbers; None where one is not finite, as JSON has none
    seconds: float
    trained: bool  # False: the stage stood on disk
    reader_calls: int  # asked in this run, training only


def trained_stages(training: Training) -> Iterator[tuple[StageRef, EpochStatistics]]:
    """Yield every epoch of the chain in order, each once its stage is whole on disk."""
    done = _deepest(training)
    if done < 0:
        _write_start(training)
    epochs: Iterator[EpochStatistics] | None = None
    for index, ref in enumerate(training.chain[1:], start=1):
        if index <= done:
            stage = training.store.read(ref.key)
            start = training.store.read(training.phase_start(ref).key)
            if stage is None or start is None:  # what follows stands without it
                continue
            yield (
                ref,
                EpochStatistics(
                    metrics=stage.info["metrics"], seconds=0.0, trained=False, reader_calls=0
                ),
            )
            continue
        if epochs is None or ref.epoch == 1:
            epochs = _train_phase(training, before=training.chain[index - 1], ref=ref)
        yield ref, next(epochs)


def _deepest(training: Training) -> int:
    """Index of the deepest stage on disk from which training can go on; -1 for none.

    Besides itself it needs the start of its phase, for drift and KL, and the untrained start where
    that is the reference.
    """
    for index in reversed(range(len(training.chain))):
        ref = training.chain[index]
        needed = {ref.key, training.phase_start(ref).key}
        if _refers_to_run_start(training.spec):
            needed.add(training.chain[0].key)
        if all(training.store.read(key) is not None for key in needed):
            return index
    return -1


def _refers_to_run_start(spec: TrainSpec) -> bool:
    return any(entry.grpo and entry.grpo.reference == "run_start" for entry in spec.phases)


def _write_start(training: Training) -> None:
    sizes = training.spec.policy
    policy = PointerSelector(
        width=training.task.embeddings.shape[1],
        hidden_dim=sizes.hidden_dim,
        num_layers=sizes.num_layers,
        num_heads=sizes.num_heads,
        variant=sizes.variant,
    )
    policy.initialise(training.spec.seed)
    info = {"phase": "start", "epoch": 0, "num_heads": sizes.num_heads, "metrics": {}}
    training.store.write(training.chain[0].key, {POLICY: policy.state_dict(), OPTIMIZER: {}}, info)


def _train_phase(
    training: Training, *, before: StageRef, ref: StageRef
) -> Iterator[EpochStatistics]:
    """Train the phase of ``ref`` from its epoch on, starting at the stage ``before``."""
    spec, task, store = training.spec, training.task, training.store
    settings = spec.phases[ref.phase_index].settings
    stage = training.read(before)
    policy = _policy_of(stage, spec, training.environment.device)
    optimizer = torch.optim.AdamW(
        policy.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
    )
    if before.phase_index == ref.phase_index:
        restore_optimizer(optimizer, stage.tensors[OPTIMIZER], dict(policy.named_parameters()))
    recorded = recorded_rollouts(training)
    start = training.read(training.phase_start(ref))
    clock, calls = time.monotonic(), task.reader.calls
    for epoch, statistics in enumerate(
        _epochs(training, settings, policy, optimizer, recorded["train"], stage=stage, ref=ref),
        start=ref.epoch,
    ):
        current = next(
            r for r in training.chain if (r.phase_index, r.epoch) == (ref.phase_index, epoch)
        )
        loss, gain = validation_loss(
            policy, recorded["validate"], training.embeddings, settings.reward
        )
        weights = {name: tensor.cpu() for name, tensor in policy.state_dict().items()}
        measured = {
            **statistics,
            "validation_loss": loss,
            "nats_better_than_uniform": gain,
            **_drift_metrics(start.tensors[POLICY], weights),
            "training_reader_calls": task.reader.calls - calls,
        }
        metrics = {n: v if math.isfinite(v) else None for n, v in sorted(measured.items())}
        names = {parameter: name for name, parameter in policy.named_parameters()}
        store.write(
            current.key,
            {POLICY: weights, OPTIMIZER: optimizer_tensors(optimizer, names)},
            {
                "phase": ref.phase,
                "epoch": epoch,
                "parent": training.chain[training.chain.index(current) - 1].key,
                "num_heads": spec.policy.num_heads,
                "kl_beta": statistics.get("kl_beta"),
                "metrics": metrics,
            },
        )
        yield EpochStatistics(
            metrics=metrics,
            seconds=time.monotonic() - clock,
            trained=True,
            reader_calls=task.reader.calls - calls,
        )
        clock, calls = time.monotonic(), task.reader.calls


def _epochs(
    training: Training,
    settings: RceSpec | GrpoSpec,
    policy: PointerSelector,
    optimizer: torch.optim.Optimizer,
    recorded: RecordedRollouts,
    *,
    stage: Stage,
    ref: StageRef,
) -> Iterator[dict[str, float]]:
    """The generator of the phase of ``ref``, entered at its epoch."""
    seed = training.spec.seed
    if isinstance(settings, RceSpec):
        return rce_epochs(
            policy,
            optimizer,
            settings,
            recorded,
            training.embeddings,
            seed=seed,
            phase_index=ref.phase_index,
            first_epoch=ref.epoch,
        )
    anchor = training.chain[0] if settings.reference == "run_start" else training.phase_start(ref)
    device = training.environment.device
    reference = _policy_of(training.read(anchor), training.spec, device).requires_grad_(False)
    phase = GrpoPhase(
        settings=settings,
        task=training.task,
        embeddings=training.embeddings,
        recorded=recorded,
        reference=reference.eval(),
        shots=training.spec.evaluate.shots,
        seed=seed,
        phase_index=ref.phase_index,
    )
    kl_beta = settings.kl_beta if ref.epoch == 1 else stage.info["kl_beta"]
    return grpo_epochs(policy, optimizer, phase, kl_beta=kl_beta, first_epoch=ref.epoch)


def _policy_of(stage: Stage, spec: TrainSpec, device: str) -> PointerSelector:
    weights = copy.deepcopy(dict(stage.tensors[POLICY]))
    return PointerSelector.from_state_dict(weights, num_heads=spec.policy.num_heads).to(device)


def recorded_rollouts(training: Training) -> dict[str, RecordedRollouts]:
    """The recorded rollouts "train" and "validate", made once a workspace and kept as a stage."""
    key = rollouts_key(training.spec, training.environment)
    stage = training.store.read(key)
    if stage is None:
        calls = training.task.reader.calls
        made = {
            f"{split}.safetensors": _as_tensors(training.task.record_rollouts(split))
            for split in ("train", "validate")
        }
        info = {
            "phase": "rollouts",
            "metrics": {"reader_calls": training.task.reader.calls - calls},
        }
        training.store.write(key, made, info)
        stage = training.store.read(key)
        assert stage is not None, "written a moment ago"
    device = training.environment.device
    return {
        split: RecordedRollouts(
            **{k: t.to(device) for k, t in stage.tensors[f"{split}.safetensors"].items()}
        )
        for split in ("train", "validate")
    }


def _as_tensors(rollouts: RecordedRollouts) -> dict[str, Tensor]:
    return {name: getattr(rollouts, name) for name in rollouts.__dataclass_fields__}


def _drift_metrics(start: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, float]:
    return {
        f"drift/{name}/{measure}": value
        for name, drift in tensor_drift(start, weights).items()
        for measure, value in drift._asdict().items()
    }


def _line(
    training: Training, ref: StageRef, statistics: EpochStatistics, *, trained: bool
) -> dict[str, Any]:
    """One line of `metrics.jsonl`: all outside `timing` is the same whenever the spec is run."""
    clock, calls = time.monotonic(), training.task.reader.calls
    evaluation = training.evaluate(ref)
    start = training.shots(training.phase_start(ref))
    asked = training.task.reader.calls - calls
    spec = training.spec.evaluate
    metrics = dict(statistics.metrics)
    evaluated = spec.asked * len(spec.shots)
    metrics |= {f"accuracy/shot_{s}": v for s, v in evaluation.accuracy(spec).items()}
    metrics |= {
        "score": evaluation.mean_shot_accuracy,
        "moved_queries": float((evaluation.shots != start).any(dim=1).double().mean()),
        "reader_calls": metrics.pop("training_reader_calls") + evaluated,
    }
    return {
        "phase": ref.phase,
        "phase_index": ref.phase_index,
        "epoch": ref.epoch,
        "stage": ref.key,
        "metrics": metrics,
        "timing": {
            "ended": time.time(),
            "training_seconds": statistics.seconds,
            "evaluation_seconds": time.monotonic() - clock,
            "reader_calls_asked": statistics.reader_calls + asked,
            "trained": trained,
        },
    }


class MetricsFile:
    """`metrics.jsonl` of one trial folder: each stage once, whatever was cut off before.

    Lines of stages that are not in ``keys`` come from another environment and are dropped.
    """

    def __init__(self, folder: Path, *, keys: Collection[str]) -> None:
        self._path, self._trained_path = folder / METRICS, folder / TRAINED
        lines = [line for line in read_metrics(folder)[0] if line["stage"] in keys]
        text = "".join(_dumped(line) for line in lines)
        if self._path.exists() and self._path.read_text() != text:
            self._path.write_text(text)  # without a torn last line
        self._written = {line["stage"] for line in lines}
        self._trained = set()
        if self._trained_path.exists():
            self._trained = set(self._trained_path.read_text().split())
        self.reader_calls_asked = sum(line["timing"]["reader_calls_asked"] for line in lines)
        self.epochs_trained = sum(line["timing"]["trained"] for line in lines)

    def note_trained(self, key: str) -> None:
        """Remember that a stage was trained for this folder, before it is scored."""
        with self._trained_path.open("a") as file:
            file.write(f"{key}\n")
        self._trained.add(key)

    def was_trained(self, key: str) -> bool:
        """Whether a job of this folder trained the stage."""
        return key in self._trained

    def lacks(self, key: str) -> bool:
        """Whether the stage has no line yet."""
        return key not in self._written

    def append(self, line: Mapping[str, Any]) -> None:
        """Append the line of a stage."""
        with self._path.open("a") as file:
            file.write(_dumped(line))
        self._written.add(line["stage"])
        self.reader_calls_asked += line["timing"]["reader_calls_asked"]
        self.epochs_trained += line["timing"]["trained"]


def _dumped(line: Mapping[str, Any]) -> str:
    return json.dumps(line, sort_keys=True, allow_nan=False) + "\n"
