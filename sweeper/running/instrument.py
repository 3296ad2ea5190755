"""Whether scores can be trusted and compared: the probe, and what measured them. Pure."""

from collections.abc import Mapping

from sweeper.errors import InstrumentError
from sweeper.outcomes import Liveness
from sweeper.trainers import Training


def another_instrument(
    environment: Mapping[str, str],
    controls: Mapping[str, str],
    *,
    training: Training,
    first: Training,
) -> str | None:
    """Say in what a trial was measured otherwise than the controls; None where it was not.

    A trial may train on other data or begin with another checkpoint, where its setting says so;
    what scores it must be the same.
    """
    names = sorted((environment.keys() | controls.keys()) - set(training.may_differ(first)))
    differing = [name for name in names if environment.get(name) != controls.get(name)]
    if not differing:
        return None
    return ", ".join(
        f"{name} {environment.get(name)!r} instead of {controls.get(name)!r}" for name in differing
    )


def require_same_instrument(
    number: int,
    environment: Mapping[str, str],
    controls: Mapping[str, str],
    *,
    training: Training,
    first: Training,
) -> None:
    """Refuse to rank a trial beside controls that were measured with other means.

    Raises:
        InstrumentError: says what differs, as `another_instrument` has it.
    """
    difference = another_instrument(environment, controls, training=training, first=first)
    if difference is not None:
        raise InstrumentError(
            f"trial {number} was measured otherwise than the controls: {difference}; their scores "
            "cannot be ranked together. Restore what changed, or give the study another `name:`"
        )


def dead_instrument(liveness: Liveness, *, asks: bool = True) -> str | None:
    """Say why the evaluation cannot be trusted, with the numbers; None where it reacts.

    Args:
        liveness: What the trainer's probe found.
        asks: Whether a reader answers; else scores are compared, of all questions.
    """
    if liveness.alive:
        return None
    compared = "answers where they did" if asks else "scores"
    rows = "\n".join(
        f"  {entry.group:<20} {100 * entry.selections_changed:6.1f} % of selections changed, "
        f"{100 * entry.answers_changed:6.1f} % of {compared}"
        for entry in liveness.groups
    )
    return (
        "the evaluation does not react to what is trained: each group of tensors of the start was "
        f"perturbed, and over {liveness.questions} questions\n{rows}\n"
        "Every trial would get the same score. Check that the weights reach the evaluation; "
        "--force runs the study all the same."
    )
