"""A sweep's parameters as the study's: each is carried over, or lost with the reason."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from sweeper.refusals import refusals
from sweeper.space import Parameter
from sweeper.study.parameters import build_parameter
from sweeper.study.sections import ParameterEntry
from sweeper.study.wandb.ranges import study_entry


class Carried(NamedTuple):
    """One parameter of the sweep that the study has too."""

    name: str
    entry: Mapping[str, object]  # as in the study file
    note: str
    warning: bool  # whether the note is worth saying aloud
    parameter: Parameter


def flat(parameters: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every parameter; nested ones under dotted names."""
    for name, entry in parameters.items() if isinstance(parameters, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("parameters"), dict):
            yield from flat(entry["parameters"], f"{above}{name}.")
        else:
            yield f"{above}{name}", entry


def carried(name: str, raw: Any) -> Carried | str:
    """Return the parameter, or why the study cannot have it."""
    entry, note, warning = study_entry(raw)
    if entry is None:
        return note
    try:
        parameter, complaints = build_parameter(name, ParameterEntry.model_validate(entry))
    except ValidationError as error:
        return refusals(ParameterEntry, error)[0].text
    if complaints:
        return complaints[0].text
    return Carried(name, entry, note, warning, parameter)
