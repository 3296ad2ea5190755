"""What trainings cost before any of them runs: epochs and reader calls. Pure.

The number of stages is exact for the trainings given: shared beginnings count once.
"""

from collections.abc import Iterable, Mapping, Sequence

from sweeper.trainers.builtin.training import BuiltinTraining
from sweeper.trainers.protocol import Costs
from trainer.contract import PROBE_QUESTIONS, GrpoSpec, StageRef, TrainSpec, is_scored_stage

PROBE_GROUPS = 7  # of tensors, at most, with the start itself

Place = tuple[TrainSpec, StageRef, bool]  # a spec that leads to a stage; whether any scores it


def costs(trainings: Sequence[BuiltinTraining], *, scale: float) -> Costs:
    """What trainings cost, those that are not shared times ``scale``."""
    shared = {key for training in trainings for key in training.beginning().path[1:]}
    once = _each_epoch(trainings)
    alone = [_each_epoch([training]) for training in trainings]
    return Costs(
        epochs=len(shared) + (len(once) - len(shared)) * scale,
        epochs_alone=sum(len(places) for places in alone) * scale,
        calls=_calls(place for key, place in once.items() if key in shared)
        + _calls(place for key, place in once.items() if key not in shared) * scale,
        calls_alone=sum(_calls(places.values()) for places in alone) * scale,
    )


def fixed_calls(training: BuiltinTraining, controls: Sequence[str], *, confirmed: int) -> int:
    """Calls of the check of the instrument and of the confirmation of so many trials."""
    evaluate = training.spec.evaluate
    asked = evaluate.answers * len(set(controls) - {"start"})  # a stage: scored anyway
    asked += evaluate.only(PROBE_QUESTIONS).answers * PROBE_GROUPS
    asked += confirmed * training.on_holdout().spec.evaluate.answers
    return asked + training.spec.task.recorded_rollouts


def _each_epoch(trainings: Sequence[BuiltinTraining]) -> Mapping[str, Place]:
    """Every stage to train once, by key."""
    seen: dict[str, Place] = {}
    for training in trainings:
        for ref in training.chain[1:]:
            scored = is_scored_stage(ref, training.chain, training.spec)
            known = seen.get(ref.key)
            seen[ref.key] = (training.spec, ref, scored or (known is not None and known[2]))
    return seen


def _calls(places: Iterable[Place]) -> int:
    return sum(_epoch_calls(*place) for place in places)


def _epoch_calls(spec: TrainSpec, ref: StageRef, scored: bool) -> int:
    """Reader calls of one epoch: its sampled rollouts and, where it is scored, its evaluation."""
    settings = spec.phases[ref.phase_index].settings
    sampled = 0
    if isinstance(settings, GrpoSpec) and settings.rollouts == "sampled":
        queries = getattr(spec.task, "training_queries", 0)
        sampled = queries * settings.group_size * len(spec.evaluate.shots)
    return sampled + (spec.evaluate.answers if scored else 0)
