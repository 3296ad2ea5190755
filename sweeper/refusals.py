"""Says in a study file's words what pydantic found wrong with a section.

Knows pydantic's error types; knows neither files nor positions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sweeper.outcomes import alternatives
from sweeper.problems import Where, shown, suggestion

_KINDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping of keys and values",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a mapping of keys and values",
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


class _Found(NamedTuple):
    """One error with its place in the file's words."""

    detail: ErrorDetails
    where: Where  # without the labels by which pydantic tells the members of a union apart
    union: Where | None  # place of the union whose member complains


def refusals(model: type[BaseModel], error: ValidationError) -> list[Refusal]:
    """Explain every error that validating against ``model`` gave, in pydantic's order."""
    found = [_located(model, detail) for detail in error.errors(include_url=False)]
    explained: list[Refusal] = []
    for item in found:
        if item.where == () and item.detail["type"] == "value_error":
            explained += _of_the_whole(model, item.detail)
        elif item.union is None:
            explained.append(_refusal(model, item))
        else:
            group = [other for other in found if other.union == item.union]
            if item is group[0]:
                explained += [_refusal(model, told) for told in _fitting(group)]
    return explained


def _located(model: type[BaseModel], detail: ErrorDetails) -> _Found:
    where, _, union = _followed(model, detail["loc"])
    return _Found(detail, where, union)


def _fitting(group: Sequence[_Found]) -> list[_Found]:
    """Choose, from what each member of a union says of a value, what helps."""
    inner = [item for item in group if item.where != item.union]
    if inner:  # a member's own fields are wrong, so that member was meant
        return inner
    literals = [item for item in group if item.detail["type"] == "literal_error"]
    if literals:  # the choices of all members together
        expected = " or ".join(item.detail["ctx"]["expected"] for item in literals)
        detail = {**literals[0].detail, "ctx": {"expected": expected}}
        return [literals[0]._replace(detail=cast(ErrorDetails, detail))]
    own = [item for item in group if item.detail["type"] != "model_type"]
    return (own or list(group))[:1]


def _of_the_whole(model: type[BaseModel], detail: ErrorDetails) -> Iterator[Refusal]:
    """Take apart what a model says of its fields together: `key: what; other.key: what`."""
    keys = "|".join(model.model_fields)
    first, *rest = re.split(rf"(?:^|; )((?:{keys})(?:\.\w+)*): ", str(detail["ctx"]["error"]))
    if first:
        yield Refusal((), first)
    for key, text in zip(rest[::2], rest[1::2], strict=True):
        where = tuple(int(part) if part.isdigit() else part for part in key.split("."))
        value = _at(detail["input"], where)
        # a whole section is not a value that a parameter could have
        yield Refusal(where, text, structural=value is None or isinstance(value, dict | list))


def _at(section: Any, where: Where) -> Any:
    for part in where:
        try:
            section = section[part]
        except (KeyError, IndexError, TypeError):
            return None
    return section


def _refusal(model: type[BaseModel], found: _Found) -> Refusal:
    detail, where = found.detail, found.where
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        allowed = list(_fields(model, detail["loc"][:-1]))
        hint = suggestion(where[-1], allowed)
        text = f"unknown key; allowed: {', '.join(allowed)}"
        return Refusal(where, text, hint=hint, structural=True)
    if kind == "missing":
        return Refusal(where, "is missing", structural=True)
    if kind == "union_tag_invalid":
        key = detail["ctx"]["discriminator"].strip("'")
        where, value = (*where, key), value[key]
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
    if kind == "union_tag_invalid":
        return f"must be {_alternatives(context['expected_tags'])}"
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


def _fields(model: type[BaseModel], loc: Where) -> Iterator[str]:
    """Yield the keys that may stand at pydantic's place ``loc`` below ``model``."""
    for option in _followed(model, loc)[1]:
        if isinstance(option, type) and issubclass(option, BaseModel):
            yield from option.model_fields


def _followed(model: type[BaseModel], loc: Where) -> tuple[Where, Sequence[Any], Where | None]:
    """Follow pydantic's way to a value.

    Returns:
        The way through the file, the types that the value may have, and the place of the last union
        on the way whose members are tried one after the other.
    """
    where: Where = ()
    union = None
    types: list[Any] = [model]
    tags: Mapping[Any, Any] = {}
    for part in loc:
        if part in tags:
            types, tags = [tags[part]], {}
        elif len(types) > 1:  # pydantic names the member that it tried
            types, union = [t for t in types if getattr(t, "__name__", None) == part], where
        else:
            where = (*where, part)
            types, tags = _below(types, part)
    return where, types, union


def _below(types: Sequence[Any], part: str | int) -> tuple[list[Any], Mapping[Any, Any]]:
    """Return the types of the value under a key or index, by tag where a tag decides."""
    for option in types:
        if get_origin(option) is dict:
            return list(alternatives(get_args(option)[1])), {}
        if get_origin(option) in (list, tuple):
            return list(alternatives(get_args(option)[0])), {}
        if isinstance(option, type) and issubclass(option, BaseModel):
            field = option.model_fields.get(str(part))
            members = [] if field is None else list(alternatives(field.annotation))
            key = None if field is None else field.discriminator
            if isinstance(key, str):
                tags = {get_args(m.model_fields[key].annotation)[0]: m for m in members}
                return members, tags
            return members, {}
    return [], {}
