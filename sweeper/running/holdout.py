"""Scores on questions that selected nothing: start, baseline and best at the end of a study.

`sweeper confirm` asks them of more trials.
"""

from collections.abc import Callable, Mapping

from sweeper.errors import InstrumentError
from sweeper.outcomes import RESULT, Failure, Result
from sweeper.running.instrument import another_instrument
from sweeper.running.work import Work
from sweeper.running.works import Ticket, Works
from sweeper.store.study_folder import StudyFolder
from sweeper.trainers import Training


def confirm(
    works: Works,
    folder: StudyFolder,
    trainings: Mapping[str, Training],
    *,
    device: str,
    first: Training,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> dict[str, Result]:
    """Score stages on the held-out questions; what was scored before is not asked again.

    Args:
        works: Works them off.
        folder: Of the study.
        trainings: What leads to each stage, by the trial's name, or "start". A stage that is gone
            is trained again.
        device: Kind of device.
        first: What trial 0 trains.
        environment: Of the controls.
        say: Is told of what failed and of what had to be trained.

    Returns:
        Results by the same names; none of what failed, or was not done before the driver stopped.

    Raises:
        InstrumentError: where one was scored with other means than the controls.
        SweeperError: where the machine is at fault.
    """
    tickets = {
        name: _start(works, folder, name, training, device=device)
        for name, training in trainings.items()
    }
    results: dict[str, Result] = {}
    for name, end in works.finish(tickets).items():
        if isinstance(end, Failure):
            say(f"{_called(name)}: the held-out questions could not be scored: {end.message}")
        if not isinstance(end, Result):
            continue
        difference = another_instrument(
            end.environment, environment, training=trainings[name], first=first
        )
        _require_same_means(folder, name, difference)
        if end.epochs_trained:
            say(f"{_called(name)}: its stages were gone, trained {end.epochs_trained} epochs")
        results[name] = end
    return results


def _start(
    works: Works, folder: StudyFolder, name: str, training: Training, *, device: str
) -> Ticket:
    place, held_out = folder.confirmation(name), training.on_holdout()
    job = held_out.job(folder.surroundings(place, device=device))
    label = f"{_called(name)} on the held-out questions"
    return works.start(Work(label=label, folder=place, job=job, command=held_out.command()))


def _called(name: str) -> str:
    return name if name == "start" else f"trial {name}"


def _require_same_means(folder: StudyFolder, name: str, difference: str | None) -> None:
    """Forget a result that is not to be shown beside the others, and say why."""
    if difference is not None:
        (folder.confirmation(name) / RESULT).unlink()
        raise InstrumentError(
            f"{_called(name)} was scored on the held-out questions otherwise than the study: "
            f"{difference}; restore what changed and confirm again"
        )
