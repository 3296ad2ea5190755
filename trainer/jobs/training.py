"""The chain of stages of one spec: what stands on disk is reused, what is missing is trained.

A generator of epochs, each told once its stage is whole on disk. Knows no trial folder.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainer.contract import (
    Environment,
    GrpoSpec,
    Job,
    RceSpec,
    StageRef,
    TrainSpec,
    is_scored_stage,
    rollouts_key,
    stage_chain,
)
from trainer.errors import StageError
from trainer.jobs.start import DEFAULT_HIDDEN_DIM, read_start
from trainer.lab.checkpoint import Checkpoint
from trainer.phases.drift import tensor_drift
from trainer.phases.flips import flip_margins
from trainer.phases.grpo import GrpoPhase, grpo_epochs
from trainer.phases.rce import rce_epochs
from trainer.policy.encoding import Rows
from trainer.policy.policy import PointerSelector
from trainer.readers import Reader
from trainer.rollouts.recorded import reward_of
from trainer.rollouts.recording import known_rollouts
from trainer.scoring.evaluate import LoadPolicy, evaluate_stage, is_scored, shots_of_stage
from trainer.scoring.evaluation import Evaluation
from trainer.scoring.judge import Judge
from trainer.scoring.opening import open_judge
from trainer.scoring.validation import uniform_losses, validation_kl, validation_losses
from trainer.stage_store import (
    OPTIMIZER,
    POLICY,
    Stage,
    StageStore,
    load_policy,
    optimizer_tensors,
    restore_optimizer,
)
from trainer.tasks import RecordedRollouts, Task


def environment_of(judge: Judge, device: str, *, start: Checkpoint | None = None) -> Environment:
    """What else than the spec determines the bits of this process's stages and their scores."""
    identity = judge.identity()
    return Environment(
        torch=torch.__version__,
        device=device,
        data=identity.data,
        training=judge.task.training_digest,
        start=start.digest if start else "",
        reader=identity.scorer,
    )


@dataclass(slots=True, kw_only=True)
class Training:
    """One spec being trained: the chain of its stages and how far it has come."""

    spec: TrainSpec
    task: Task
    reader: Reader
    judge: Judge
    environment: Environment
    store: StageStore
    start: Checkpoint | None  # that training begins with; None: weights drawn from the seed
    chain: tuple[StageRef, ...]
    load: LoadPolicy
    _shots: dict[str, Tensor] = field(init=False, repr=False, default_factory=dict)  # by stage

    @property
    def embeddings(self) -> Tensor:
        """The task's embeddings on the device that trains. Shape: ``(N, D)``."""
        return self.task.embeddings.to(self.environment.device)

    def evaluate(self, ref: StageRef) -> Evaluation:
        """Score a stage of the chain, or read its scores."""
        return evaluate_stage(self.store, ref.key, self.judge, self.environment, load=self.load)

    def scores(self, ref: StageRef) -> bool:
        """Whether this trial scores a stage of its chain."""
        return is_scored_stage(ref, self.chain, self.spec)

    def is_scored(self, ref: StageRef) -> bool:
        """Whether the scores of a stage are on disk."""
        return is_scored(self.store, ref.key, self.judge, self.environment)

    def shots(self, ref: StageRef) -> Tensor:
        """The shots that a stage of the chain chooses; asks no reader. Shape: ``(Q, S)``."""
        if ref.key not in self._shots:  # that of a phase's start is asked for at every epoch
            self._shots[ref.key] = shots_of_stage(
                self.store, ref.key, self.judge, self.environment, load=self.load
            )
        return self._shots[ref.key]

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
    job: Job,
    task: Task,
    reader: Reader,
    *,
    spec: TrainSpec | None = None,
    load: LoadPolicy = load_policy,
) -> Training:
    """Lay out the chain of a job's spec (or of ``spec``, its beginning); writes nothing."""
    chosen = job.spec if spec is None else spec
    start = read_start(chosen, width=task.embeddings.shape[1])
    judge = open_judge(chosen, task, reader)
    environment = environment_of(judge, job.device, start=start)
    return Training(
        spec=chosen,
        task=task,
        reader=reader,
        judge=judge,
        environment=environment,
        store=StageStore(job.stages),
        start=start,
        chain=stage_chain(chosen, environment),
        load=load,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochStatistics:
    """What one epoch left to tell: numbers that reproduce, and what it took this time."""

    metrics: Mapping[str, Any]  # numbers; None where one is not finite, as JSON has none
    seconds: float  # 0 where the stage stood on disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Who is told the keys of stages on the way."""

    begin: Callable[[str | None], None] = lambda key: None  # calls are for it from now on, or none
    trained: Callable[[str], None] = lambda key: None  # it is about to be written


def trained_stages(
    training: Training, journal: Journal
) -> Iterator[tuple[StageRef, EpochStatistics]]:
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
            journal.begin(ref.key)
            yield ref, EpochStatistics(metrics=stage.info["metrics"], seconds=0.0)
            continue
        journal.begin(None)  # rollouts are recorded for all trials
        if epochs is None or ref.epoch == 1:
            before = training.chain[index - 1]
            epochs = _train_phase(training, before=before, ref=ref, journal=journal)
        yield ref, next(epochs)


def missing_work(training: Training) -> list[str]:
    """Keys of what has to be made before the chain's last stage is trained and scored, in order.

    A stage whose scores are missing is among them: to score costs more than to train.
    """
    spec, done = training.spec, _deepest(training)
    selects = spec.evaluate.split == "select"  # a confirmation scores the last stage alone
    keys = [
        ref.key
        for index, ref in enumerate(training.chain)
        if index > done
        or (
            (training.scores(ref) if selects else ref is training.chain[-1])
            and not training.is_scored(ref)
        )
    ]
    if done + 1 < len(training.chain) and not training.task.rollouts_are_files:
        rollouts = rollouts_key(spec, training.environment)
        if training.store.read(rollouts) is None:
            keys.insert(0, rollouts)
    return keys


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
    weights = training.start.weights if training.start else _drawn_weights(training)
    heads = training.spec.policy.num_heads
    info = {"phase": "start", "epoch": 0, "num_heads": heads, "metrics": {}}
    training.store.write(training.chain[0].key, {POLICY: weights, OPTIMIZER: {}}, info)


def _drawn_weights(training: Training) -> Mapping[str, Tensor]:
    sizes = training.spec.policy
    policy = PointerSelector(
        width=training.task.embeddings.shape[1],
        hidden_dim=sizes.hidden_dim or DEFAULT_HIDDEN_DIM,
        num_layers=sizes.num_layers or 1,
        num_heads=sizes.num_heads,
        variant=sizes.variant or "static",
    )
    policy.initialise(training.spec.seed)
    return policy.state_dict()


def _train_phase(
    training: Training, *, before: StageRef, ref: StageRef, journal: Journal
) -> Iterator[EpochStatistics]:
    """Train the phase of ``ref`` from its epoch on, starting at the stage ``before``."""
    spec, reader, store = training.spec, training.reader, training.store
    settings = spec.phases[ref.phase_index].settings
    stage = training.read(before)
    policy = _policy_of(stage, spec, training.environment.device)
    optimizer = torch.optim.AdamW(
        policy.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True
    )
    if before.phase_index == ref.phase_index:
        restore_optimizer(optimizer, stage.tensors[OPTIMIZER], dict(policy.named_parameters()))
    recorded = recorded_rollouts(training)
    validation_rewards = reward_of(recorded["validate"], settings)
    rows = Rows(training.embeddings)
    start = training.read(training.phase_start(ref))
    started = _policy_of(start, spec, training.environment.device)
    anchor = _anchor(training, settings, ref)
    clock, calls = time.monotonic(), reader.calls
    journal.begin(ref.key)
    for epoch, statistics in enumerate(
        _epochs(training, settings, policy, optimizer, recorded["train"], stage=stage, ref=ref),
        start=ref.epoch,
    ):
        current = next(
            r for r in training.chain if (r.phase_index, r.epoch) == (ref.phase_index, epoch)
        )
        losses = validation_losses(policy, recorded["validate"], rows, validation_rewards)
        gain = uniform_losses(recorded["validate"]) - losses
        weights = {name: tensor.cpu() for name, tensor in policy.state_dict().items()}
        measured = {
            **statistics,
            "validation_loss": float(losses.double().mean()),
            "nats_better_than_uniform": float(gain.mean()),
            **_drift_metrics(start.tensors[POLICY], weights),
            "training_reader_calls": (reader.calls - calls).needed,
        }
        if isinstance(settings, GrpoSpec):
            flips = flip_margins(started.eval(), policy.eval(), rows, recorded["validate"])
            measured |= {f"flip_{name}": value for name, value in flips._asdict().items()}
        if isinstance(settings, GrpoSpec) and _drops_out(settings):
            reference = _policy_of(training.read(anchor), spec, training.environment.device)
            distance = validation_kl(policy, reference, recorded["validate"], rows)
            measured["kl_without_dropout"] = float(distance)
        metrics = {n: v if math.isfinite(v) else None for n, v in sorted(measured.items())}
        names = {parameter: name for name, parameter in policy.named_parameters()}
        journal.trained(current.key)
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
        yield EpochStatistics(metrics=metrics, seconds=time.monotonic() - clock)
        clock, calls = time.monotonic(), reader.calls
        journal.begin(_next_key(training, current))


def _next_key(training: Training, current: StageRef) -> str | None:
    after = training.chain[training.chain.index(current) + 1 :]
    return after[0].key if after else None


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
            bf16=training.spec.bf16,
        )
    anchor = _anchor(training, settings, ref)
    device = training.environment.device
    reference = _policy_of(training.read(anchor), training.spec, device).requires_grad_(False)
    phase = GrpoPhase(
        settings=settings,
        task=training.task,
        reader=training.reader,
        embeddings=training.embeddings,
        recorded=recorded,
        reference=reference.eval(),
        shots=training.spec.evaluate.shots,
        seed=seed,
        phase_index=ref.phase_index,
        bf16=training.spec.bf16,
    )
    kl_beta = settings.kl_beta if ref.epoch == 1 else stage.info["kl_beta"]
    return grpo_epochs(policy, optimizer, phase, kl_beta=kl_beta, first_epoch=ref.epoch)


def _anchor(training: Training, settings: RceSpec | GrpoSpec, ref: StageRef) -> StageRef:
    """The stage that a phase's KL refers to; RCE has none and takes where it begins."""
    from_run_start = isinstance(settings, GrpoSpec) and settings.reference == "run_start"
    return training.chain[0] if from_run_start else training.phase_start(ref)


def _drops_out(settings: GrpoSpec) -> bool:
    return settings.dropout > 0.0 or settings.attention_dropout > 0.0


def _policy_of(stage: Stage, spec: TrainSpec, device: str) -> PointerSelector:
    weights = copy.deepcopy(dict(stage.tensors[POLICY]))
    return PointerSelector.from_state_dict(weights, num_heads=spec.policy.num_heads).to(device)


def recorded_rollouts(training: Training) -> dict[str, RecordedRollouts]:
    """The rollouts "train" and "validate" on the device that trains."""
    key = rollouts_key(training.spec, training.environment)
    found = known_rollouts(training.task, training.reader, training.store, key=key)
    return {split: rollouts.to(training.environment.device) for split, rollouts in found.items()}


def _drift_metrics(start: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, float]:
    return {
        f"drift/{name}/{measure}": value
        for name, drift in tensor_drift(start, weights).items()
        for measure, value in drift._asdict().items()
    }
