"""Says in a study file's words what pydantic found wrong with a section.

Knows pydantic's error types; knows neither files nor positions.
"""

import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sweeper.problems import Where, shown, suggestion

_KINDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping of keys and values",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping of keys and values",
    "string_type": "text",
    "tuple_type": "a list",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than": ("gt", ">"),
    "greater_than_equal": ("ge", ">="),
    "less_than": ("lt", "<"),
    "less_than_equal": ("le", "<="),
}


class Refusal(NamedTuple):
    """What one value of a section must be and is not."""

    where: Where  # below the section
    wanted: str
    got: str = ""
    hint: str = ""
    structural: bool = False  # a key too many or too few: no value would help

    @property
    def text(self) -> str:
        """The whole message."""
        return self.wanted + self.got + self.hint


def refusals(model: type[BaseModel], error: ValidationError) -> list[Refusal]:
    """Explain every error that validating against ``model`` gave, in pydantic's order."""
    return [_refusal(model, detail) for detail in error.errors(include_url=False)]


def _refusal(model: type[BaseModel], detail: ErrorDetails) -> Refusal:
    where, kind, value = detail["loc"], detail["type"], detail["input"]
    if kind == "extra_forbidden":
        allowed = list(_fields(model, where[:-1]))
        hint = suggestion(where[-1], allowed)
        text = f"unknown key; allowed: {', '.join(allowed)}"
        return Refusal(where, text, hint=hint, structural=True)
    if kind == "missing":
        return Refusal(where, "is missing", structural=True)
    wanted = _wanted(kind, detail.get("ctx", {})) or detail["msg"]
    about_all = isinstance(value, dict) and kind == "value_error"  # the message names the fields
    got = "" if about_all else f", but got {shown(value)}"
    hint = _number_hint(kind, value) or suggestion(value, re.findall(r"\w+", wanted))
    return Refusal(where, wanted, got, hint)


def _wanted(kind: str, context: Mapping[str, Any]) -> str | None:
    """Return what the value must be, as far as the error says so."""
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}"
    if kind in _BOUNDS:
        bound, sign = _BOUNDS[kind]
        return f"must be {sign} {context[bound]:g}"
    if kind == "literal_error":
        return f"must be {_alternatives(context['expected'])}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_too_short":
        return "must not be empty"
    return None


def _alternatives(expected: str) -> str:
    """Write pydantic's `'a', 'b' or 'c'` without quotes, and one choice as that choice."""
    choices = re.findall(r"'([^']*)'", expected)
    return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"


def _number_hint(kind: str, value: Any) -> str:
    if kind == "string_type":
        return "; put it in quotes"
    if kind in ("int_type", "float_type") and isinstance(value, str):
        return "; a number stands without quotes, units or separators"
    return ""


def _fields(model: type[BaseModel], where: Where) -> Iterator[str]:
    """Yield the keys that may stand at ``where`` below ``model``."""
    annotations: list[Any] = [model]
    for part in where:
        annotations = [inner for outer in annotations for inner in _below(outer, part)]
    for annotation in annotations:
        for option in _options(annotation):
            if isinstance(option, type) and issubclass(option, BaseModel):
                yield from option.model_fields


def _below(annotation: Any, part: str | int) -> Iterator[Any]:
    """Yield the types that the value under a key or index of ``annotation`` may have."""
    for option in _options(annotation):
        if get_origin(option) is dict:
            yield get_args(option)[1]
        elif get_origin(option) in (list, tuple):
            yield get_args(option)[0]
        elif isinstance(option, type) and issubclass(option, BaseModel):
            field = option.model_fields.get(str(part))
            yield from [] if field is None else [field.annotation]


def _options(annotation: Any) -> Iterator[Any]:
    """Yield the alternatives of a type, without their constraints."""
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    else:
        yield annotation
