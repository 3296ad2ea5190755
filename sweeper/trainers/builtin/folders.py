"""What trial folders of the pointer selector need of the stages, and what was answered there."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from sweeper.outcomes import METRICS, Check, Epoch, FormatError, Result, read_result
from sweeper.trainers.builtin.training import BuiltinTraining
from sweeper.trainers.protocol import Needed
from trainer.contract import (
    Environment,
    Job,
    environment_from_json,
    evaluation_key,
    read_job,
    read_lines,
    rollouts_key,
    stage_chain,
    start_of_last_phase,
)

EVALUATIONS = "evaluations"  # folder of scores by question, below that of the stages
WEIGHTS = "policy.safetensors"  # of a stage


def needed(folder: Path, *, training: BuiltinTraining | None = None) -> Needed:
    """Every stage and evaluation that a folder has a result or an epoch of."""
    lines = _lines(folder)
    result, job = read_result(folder), _job(folder)
    stages = {epoch.stage for epoch in lines}
    evaluations = {epoch.evaluation or "" for epoch in lines}
    if isinstance(result, Result):
        evaluations.add(result.evaluation or "")
    environment = _environment(result)
    if job is not None and environment is not None:
        if isinstance(result, Check):
            evaluations |= set(_of_the_check(job, result, environment))
        spec = job.spec if training is None else training.spec
        spec = spec if job.controls is None else start_of_last_phase(spec)
        stages.add(rollouts_key(spec, environment))
        stages |= {ref.key for ref in stage_chain(spec, environment)}
    return Needed(frozenset(stages), frozenset(evaluations))


def control_keys(folder: Path) -> Mapping[str, str]:
    """Keys of the evaluations of the controls that the folder has scored."""
    check, job = read_result(folder), _job(folder)
    environment = _environment(check)
    if not isinstance(check, Check) or job is None or environment is None:
        return {}
    stages = {
        name: check.stage if name == "start" else f"control {name}" for name in check.controls
    }
    return {name: evaluation_key(key, job.spec, environment) for name, key in stages.items()}


def scores(stages: Path, key: str | None, count: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The first ``count`` rows of an evaluation: scores ``(Q, C)`` and choices ``(Q, S)``."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(stages / EVALUATIONS / f"{key}.safetensors")
        found, chosen = tensors["scores"][:count], tensors["shots"][:count]
    except (OSError, SafetensorError, KeyError, IndexError):
        return None
    return found.astype(np.float64), chosen.astype(np.int64)


def tensor_means(stages: Path, key: str) -> dict[str, float]:
    """Mean of each tensor of a stage; nothing where it is gone."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {name: float(t.mean()) for name, t in load_file(stages / key / WEIGHTS).items()}
    except (OSError, SafetensorError):
        return {}


def _of_the_check(job: Job, check: Check, environment: Environment) -> Iterator[str]:
    """Keys of what controls and probe have answered."""
    probed = [f"with another {reaction.group}" for reaction in check.liveness.groups]
    names = [f"control {name}" for name in job.controls or ()]
    names += [check.stage, *(f"{check.stage} {label}" for label in ("probed", *probed))]
    for name in names:
        yield evaluation_key(name, job.spec, environment)


def _lines(folder: Path) -> list[Epoch]:
    """Every epoch that can be read, also behind a damaged one: what it names stays of use."""
    path = folder / METRICS
    lines = read_lines(path) if path.exists() else ()
    return [line.epoch for line in lines if line.epoch is not None]


def _environment(result: object) -> Environment | None:
    """What a result was made with; None where there is no result, or it does not say."""
    if not isinstance(result, Result | Check):
        return None
    try:
        return environment_from_json(result.environment)
    except ValueError:
        return None


def _job(folder: Path) -> Job | None:
    try:
        return read_job(folder)
    except (OSError, ValueError, KeyError, TypeError, FormatError):  # a folder without a job
        return None
