"""What all parts of a spec share: strictness, and bounds that NaN breaks."""

import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}  # in seconds
_TIME = re.compile("".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?){unit})?" for unit in _UNITS))


def _seconds(value: Any) -> Any:
    """A duration in seconds; text such as `90s`, `10m` or `1h 30m` is one, too."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    found = _TIME.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
    numbers = {} if found is None else found.groupdict()
    parts = [float(n) * _UNITS[unit] for unit, n in numbers.items() if n is not None]
    if not parts:
        raise ValueError("must be a time such as 90s, 20m, 1h30m or 2d, or a number of seconds")
    return sum(parts)


Seconds = Annotated[Positive, BeforeValidator(_seconds, json_schema_input_type=float | str)]


class Stored(BaseModel):
    """A value that is read back from a file: what is there must be right, what is unknown is
    passed over, since a later version may say more.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", populate_by_name=True)


def broken_rules(error: ValidationError) -> str:
    """Every rule that a stored value breaks, in a line."""
    return "; ".join(
        f"{'.'.join(map(str, found['loc'])) or 'it'}: "
        f"{found['msg'].removeprefix('Value error, ')}, got {found['input']!r}"[:200]
        for found in error.errors(include_url=False)
    )


class Spec(BaseModel):
    """Unknown keys are errors, `1` is not True, NaN breaks every bound, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Model = TypeVar("Model", bound=BaseModel)


def trusted(model: type[Model], payload: Mapping[str, Any]) -> Model:
    """Build a model from what ``model_dump`` wrote of it, without asking today's rules.

    What was right when it was stored stays readable, however the rules change. Unknown keys are
    passed over, missing ones get their defaults.

    Args:
        model: Its class; fields may be models, unions of models told apart by a `name`, and tuples
            or lists of these.
        payload: As stored.
    """
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    values = {
        key: _trusted(field.annotation, payload[key])
        for key, field in fields.items()
        if key in payload
    }
    return model.model_construct(**values)


def _trusted(annotation: Any, value: Any) -> Any:
    options = list(alternatives(annotation))
    models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
    if isinstance(value, Mapping) and models:
        return trusted(_named(models, value), value)
    if isinstance(value, list):
        for option in options:
            if get_origin(option) in (tuple, list):
                items = [_trusted(get_args(option)[0], item) for item in value]
                return tuple(items) if get_origin(option) is tuple else items
    return value


def _named(models: list[type[BaseModel]], value: Mapping[str, Any]) -> type[BaseModel]:
    """The model of a union whose `name` the value has; of those without names the first."""
    for model in models:
        field = model.model_fields.get("name")
        if field is not None and value.get("name") in get_args(field.annotation):
            return model
    return models[0]


def alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the alternatives of a type, without its constraints and without None."""
    if get_origin(annotation) is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from alternatives(option)
    elif annotation is not NoneType:
        yield annotation
