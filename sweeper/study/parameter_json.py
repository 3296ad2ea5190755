"""A parameter as an entry of the study file with its name: so it is stored, and read back. Pure."""

from collections.abc import Mapping
from typing import Any

from sweeper.space import Parameter


def parameter_json(parameter: Parameter) -> dict[str, object]:
    """Write a parameter as an entry of the study file, with its name."""
    entry: dict[str, object] = {"name": parameter.name}
    if parameter.fixed is not None:
        entry["value"] = parameter.fixed
    elif parameter.choices:
        entry["values"] = list(parameter.choices)
    else:
        entry |= {"min": parameter.low, "max": parameter.high}
    if parameter.probabilities:
        entry["probabilities"] = list(parameter.probabilities)
    entry |= {"step": parameter.step} if parameter.step is not None else {}
    entry |= {key: True for key in ("log", "fidelity") if getattr(parameter, key)}
    if parameter.when:
        entry["when"] = {parent: list(allowed) for parent, allowed in parameter.when.items()}
    entry |= {"otherwise": parameter.otherwise} if parameter.otherwise is not None else {}
    return entry


def stored_parameter(entry: Mapping[str, Any]) -> Parameter:
    """Read back what `parameter_json` wrote."""
    return Parameter(
        name=entry["name"],
        integer=_is_whole(entry),
        fixed=entry.get("value"),
        choices=tuple(entry.get("values", ())),
        probabilities=tuple(entry.get("probabilities", ())),
        low=entry.get("min"),
        high=entry.get("max"),
        step=entry.get("step"),
        log=entry.get("log", False),
        fidelity=entry.get("fidelity", False),
        when={parent: tuple(allowed) for parent, allowed in entry.get("when", {}).items()},
        otherwise=entry.get("otherwise"),
    )


def _is_whole(entry: Mapping[str, object]) -> bool:
    """Whether a stored range is one of whole numbers: then all its numbers are written as such."""
    numbers = [entry[key] for key in ("min", "max", "step") if key in entry]
    return bool(numbers) and all(isinstance(number, int) for number in numbers)
