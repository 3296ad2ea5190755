"""The `trainer:` section of a study: its rules, its defaults, and what it offers. Pure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from sweeper.problems import Where
from sweeper.refusals import Refusal, refusals
from sweeper.scales import NATS, PER_CENT
from sweeper.trainers.builtin.nouns import LOSS, SHOTS
from sweeper.trainers.builtin.training import BuiltinTraining
from sweeper.trainers.protocol import Capabilities, Goal, RefusedError, Section
from trainer.contract import Control, EvaluateSpec, TrainSpec, trusted

CONTROLS: tuple[Control, ...] = get_args(Control)
METRICS: Mapping[str, Goal] = {
    "mean_shot_accuracy": "maximize",
    "validation_loss": "minimize",
}
CHOICES = ("task", "start")  # keys that say which data are used


def section_refusals(section: Section) -> list[Refusal]:
    """What the spec refuses of a filled-in section."""
    try:
        TrainSpec.model_validate(section)
    except ValidationError as error:
        return refusals(TrainSpec, error)
    return []


def section_complaints(section: Section, *, prunes: bool) -> Iterator[tuple[Where, str]]:
    """What keeps the trials of a study from being scored alike, or a pruner from deciding."""
    evaluate = _evaluate(section)
    for key in ("score", "reward"):
        if _refers(evaluate.get(key)):
            text = "must be written out, without `${...}`: all trials are scored alike"
            yield ("evaluate", key), text
    if prunes and evaluate.get("every") == "last":
        text = "`last` leaves the pruner nothing to decide by; write a number, or `pruner: none`"
        yield ("evaluate", "every"), text


def filled(
    section: Section, *, seed: int | None, repeat: int, below: Path, is_trusted: bool
) -> BuiltinTraining:
    """The training that a filled-in section describes; see `Trainer.training`."""
    if is_trusted:
        spec = trusted(TrainSpec, section)
    else:
        try:
            spec = TrainSpec.model_validate(section)
        except ValidationError as error:
            raise RefusedError(refusals(TrainSpec, error)) from error
    seeded = spec.model_copy(update={"seed": (spec.seed if seed is None else seed) + repeat})
    return BuiltinTraining(seeded.below(below))


def capabilities(section: Section) -> Capabilities:
    """What the section offers, whether its references are filled in or not."""
    given = {key: value for key, value in _evaluate(section).items() if not _refers(value)}
    evaluate = trusted(EvaluateSpec, given)
    by_loss = evaluate.judge == "validation_loss"
    metric = "validation_loss" if by_loss else "mean_shot_accuracy"
    shots = evaluate.shots if isinstance(evaluate.shots, list | tuple) else ()  # may be refused yet
    seed = section.get("seed", 0)
    return Capabilities(
        metric=metric,
        goal=METRICS[metric],
        parts=() if by_loss else tuple(map(str, shots)),
        questions=evaluate.asked,
        questions_key="trainer.evaluate.questions",
        controls=CONTROLS,
        asked_for=False,
        holdout=holds_out(evaluate),
        by_question=not by_loss,
        asks=evaluate.judge == "reader",
        races=evaluate.race,
        every_epoch=evaluate.every != "last",
        finals=evaluate.confirm is not None,
        seed=seed if isinstance(seed, int) else 0,
        scale=NATS if by_loss else PER_CENT,
        nouns=LOSS if by_loss else SHOTS,
    )


def holds_out(evaluate: EvaluateSpec) -> bool:
    """Whether there are questions that select nothing and can confirm."""
    if evaluate.judge == "command":
        return any("{split}" in argument for argument in evaluate.command or ())
    return evaluate.judge == "reader" and evaluate.reader is None


def _evaluate(section: Section) -> Mapping[str, object]:
    evaluate = section.get("evaluate")
    return evaluate if isinstance(evaluate, dict) else {}


def _refers(value: Any) -> bool:
    """Whether a parameter's value stands anywhere in it."""
    if isinstance(value, dict):
        return any(map(_refers, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_refers, value))
    return isinstance(value, str) and "${" in value
