"""Rows of a program's log, to the last value of each metric and to its curve."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sweeper.trainers.command.results.outcome import Curve, Outcome, ResultsError
from sweeper.trainers.command.results.pointers import (
    described,
    matches,
    number_of,
    whats_there,
    whole_number_of,
)

MOST_KEYS = 1000  # keys of all rows that are remembered for a message


def series(
    path: Path,
    rows: Iterable[tuple[int, Mapping[str, object]]],
    metrics: Mapping[str, str],
    *,
    step: str | None,
    where: str = "line",
) -> Outcome:
    """Follow metrics through rows. A row may lack any of them; an empty cell is no value.

    Args:
        path: The file, for messages.
        rows: With their numbers.
        metrics: Key or pointer of each, by name.
        step: Key or pointer of what counts steps; None: there is no curve.
        where: What a row's number counts.

    Raises:
        ResultsError: where a metric or the steps are in no row, or their values are no numbers.
    """
    last: dict[str, float] = {}
    bad: dict[str, str] = {}
    curve = Curve()
    keys: dict[str, object] = {}
    for number, row in rows:
        if len(keys) < MOST_KEYS:
            keys.update(row)
        found = {}
        for name, key in metrics.items():
            value = _value(row, key)
            told = number_of(value)
            if told is not None:
                found[name] = told
            elif value is not None and value != "":
                bad.setdefault(name, f"{where} {number} has {described(value)}")
        last |= found
        if step is not None and found:
            at = _value(row, step)
            place = whole_number_of(at)
            if place is not None:
                curve.add(place, found)
            elif at is not None and at != "":
                bad.setdefault(step, f"{where} {number} has {described(at)}, no whole number")
    for name, key in metrics.items():
        if name not in last:
            what = f"{bad[name]}, no number" if name in bad else _missing(keys, key)
            raise ResultsError(f"{path}: no row has {key!r} (metric {name!r}): {what}")
    if step is not None and not curve.points:
        what = bad.get(step) or _missing(keys, step)
        raise ResultsError(f"{path}: no row with a metric has {step!r} (`step`): {what}")
    warnings = [f"{path}: {key!r} is not always readable: {text}" for key, text in bad.items()]
    return Outcome(metrics=last, curve=curve.points, warnings=(*warnings, *curve.warnings))


def _missing(keys: Mapping[str, object], key: str) -> str:
    """Why no row has a value, if none of them is wrong."""
    return "it is empty in every row" if matches(keys, key) else whats_there(keys, key)


def _value(row: Mapping[str, object], key: str) -> object:
    if not key.startswith("/"):
        return row.get(key)
    found = matches(row, key)
    return found[-1].value if found else None
