"""`"${name}"` in the trainer section: where it stands, and what it becomes.

A text that is one reference becomes the parameter's value with its type; within a longer text the
value is written out. Pure functions over plain values; decides nothing about what a trainer takes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.problems import Where
from sweeper.space import Value

_REFERENCE = re.compile(r"(?<!\$)\$\{\s*([^{}]*?)\s*\}")


def references(section: Any, where: Where = ()) -> Iterator[tuple[Where, str]]:
    """Yield every place below ``section`` that refers to a parameter, with the parameter's name."""
    if isinstance(section, dict):
        for key, value in section.items():
            yield from references(value, (*where, key))
    elif isinstance(section, list):
        for index, value in enumerate(section):
            yield from references(value, (*where, index))
    elif isinstance(section, str):
        for match in _REFERENCE.finditer(section):
            yield where, match[1]


def unfinished(section: Any, where: Where = ()) -> Iterator[Where]:
    """Yield every place where a `${` is not closed by a brace."""
    if isinstance(section, dict):
        for key, value in section.items():
            yield from unfinished(value, (*where, key))
    elif isinstance(section, list):
        for index, value in enumerate(section):
            yield from unfinished(value, (*where, index))
    elif isinstance(section, str) and "${" in _REFERENCE.sub("", section).replace("$$", ""):
        yield where


def substitute(section: Any, values: Mapping[str, Value]) -> Any:
    """Return ``section`` with every reference replaced; unknown names stay as they are."""
    if isinstance(section, dict):
        return {key: substitute(value, values) for key, value in section.items()}
    if isinstance(section, list):
        return [substitute(value, values) for value in section]
    if not isinstance(section, str):
        return section
    whole = _REFERENCE.fullmatch(section)
    if whole:
        return values.get(whole[1], section)
    return _REFERENCE.sub(lambda match: _written(match, values), section)


def _written(match: re.Match[str], values: Mapping[str, Value]) -> str:
    value = values.get(match[1], match[0])
    return str(value).lower() if isinstance(value, bool) else str(value)


def names_below(section: Any, where: Where) -> set[str]:
    """Return the parameters that decide what stands at ``where``, as far as it is written out.

    A reference without its brace counts as the name "", which no parameter has.
    """
    for part in where:
        try:
            section = section[part]
        except (KeyError, IndexError, TypeError):
            break
    return {name for _, name in references(section)} | {"" for _ in unfinished(section)}
