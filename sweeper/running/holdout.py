"""Scores on questions that selected nothing: start, baseline and best at the end of a study."""

from collections.abc import Callable, Mapping
from typing import Any

from sweeper.errors import InstrumentError
from sweeper.running.instrument import another_instrument
from sweeper.running.works import OneOffJobs
from sweeper.store.study_folder import StudyFolder
from trainer.contract import RESULT, TrainSpec


def confirm(
    jobs: OneOffJobs,
    folder: StudyFolder,
    specs: Mapping[str, TrainSpec],
    *,
    device: str,
    first: TrainSpec,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> dict[str, Mapping[str, Any]]:
    """Score stages on the held-out questions; what was scored before is not asked again.

    Args:
        jobs: Works them off at the launcher.
        folder: Of the study.
        specs: What leads to each stage, by the trial's name, or "start". A stage that is gone is
            trained again.
        device: Kind of device.
        first: The spec of trial 0.
        environment: Of the controls.
        say: Is told of what failed and of what had to be trained.

    Returns:
        Results by the same names; none of what failed, or was not done before the driver stopped.

    Raises:
        InstrumentError: where one was scored with other means than the controls.
    """
    pending = {}
    for name, spec in specs.items():
        place = folder.confirmation(name)
        pending[name] = jobs.start(place, folder.job(place, _on_holdout(spec), device=device))
    results: dict[str, Mapping[str, Any]] = {}
    for name, job in pending.items():
        try:
            result = job.result()
        except InstrumentError as error:
            say(f"{_called(name)}: the held-out questions could not be scored: {error}")
            continue
        if result is None:
            continue
        _require_same_means(folder, name, result, environment, spec=specs[name], first=first)
        if result["epochs_trained"]:
            say(f"{_called(name)}: its stages were gone, trained {result['epochs_trained']} epochs")
        results[name] = result
    return results


def _on_holdout(spec: TrainSpec) -> TrainSpec:
    return spec.model_copy(
        update={"evaluate": spec.evaluate.model_copy(update={"split": "holdout"})}
    )


def _called(name: str) -> str:
    return name if name == "start" else f"trial {name}"


def _require_same_means(
    folder: StudyFolder,
    name: str,
    result: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    spec: TrainSpec,
    first: TrainSpec,
) -> None:
    """Forget a result that is not to be shown beside the others, and say why."""
    difference = another_instrument(result["environment"], environment, spec=spec, first=first)
    if difference is not None:
        (folder.confirmation(name) / RESULT).unlink()
        raise InstrumentError(
            f"{_called(name)} was scored on the held-out questions otherwise than the study: "
            f"{difference}; restore what changed and confirm again"
        )
