"""Numbers in one JSON value, by pointers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sweeper.trainers.command.results.outcome import Curve, Outcome, ResultsError
from sweeper.trainers.command.results.pointers import (
    Match,
    described,
    matches,
    number_of,
    whats_there,
    whole_number_of,
)

MOST_LISTED = 5  # values that a message lists


def document(
    path: Path,
    content: object,
    metrics: Mapping[str, str],
    *,
    step: str | None,
    newest: bool,
) -> Outcome:
    """Read metrics from a parsed file.

    Args:
        path: The file, for messages.
        content: Of it.
        metrics: Key or pointer of each, by name.
        step: Pointer of what counts steps, `/log/*/step`; metrics of the same keys in place of `*`
            make the curve, and the last is the final value. None: there is no curve.
        newest: Whether a pointer may lead to several values; then the last is taken.

    Raises:
        ResultsError: where a pointer leads nowhere, to several values, or to what is no number.
    """
    steps = {} if step is None else _steps(path, content, step)
    last: dict[str, float] = {}
    curve = Curve()
    for name, key in metrics.items():
        found = matches(content, key)
        if not found:
            there = whats_there(content, key)
            raise ResultsError(f"{path}: {key!r} (metric {name!r}) is not there: {there}")
        follows = any(match.keys in steps for match in found)
        if len(found) > 1 and not newest and not follows:
            raise ResultsError(_several(path, name, key, found))
        told = [match for match in found if number_of(match.value) is not None] or found
        last[name] = _number(path, name, key, (told if follows else found)[-1].value)
        for match in told if follows else ():
            if match.keys in steps:
                curve.add(steps[match.keys], {name: _number(path, name, key, match.value)})
    if step is not None and not curve.points:
        raise ResultsError(
            f"{path}: {step!r} (`step`) and the metrics must have `*` in the same places, like "
            "`/log/*/step` and `/log/*/loss`"
        )
    return Outcome(metrics=last, curve=curve.points, warnings=curve.warnings)


def _steps(path: Path, content: object, step: str) -> dict[tuple[str, ...], int]:
    found = matches(content, step)
    if not found:
        there = whats_there(content, step)
        raise ResultsError(f"{path}: {step!r} (`step`) is not there: {there}")
    steps = {}
    for match in found:
        number = whole_number_of(match.value)
        if number is None:
            raise ResultsError(
                f"{path}: {step!r} (`step`) must be whole numbers, but one is "
                f"{described(match.value)}"
            )
        steps[match.keys] = number
    return steps


def _number(path: Path, name: str, key: str, value: object) -> float:
    number = number_of(value)
    if number is None:
        raise ResultsError(
            f"{path}: {key!r} (metric {name!r}) must be a number, but is {described(value)}"
        )
    return number


def _several(path: Path, name: str, key: str, found: Sequence[Match]) -> str:
    shown = ", ".join(f"{'/'.join(m.keys)}: {described(m.value)}" for m in found[:MOST_LISTED])
    more = ", ..." if len(found) > MOST_LISTED else ""
    return (
        f"{path}: {key!r} (metric {name!r}) leads to {len(found)} values: {shown}{more}; name one, "
        "or write `newest: true` for the last"
    )
