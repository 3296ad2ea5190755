"""Where a value stands in JSON: a key, or a JSON pointer in which `*` stands for any text.

A pointer begins with `/` and goes by RFC 6901: `~1` is a `/` within a key, `~0` a `~`. Anything
else is one key, whatever characters it has. Knows no files.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sweeper.problems import SHOWN, listed, suggestion

Value = object  # of parsed JSON
MOST_LISTED = 12  # keys that a message lists


class Match(NamedTuple):
    """A value, and the keys that `*` stood for on the way to it."""

    keys: tuple[str, ...]
    value: Value


def pointer_problem(text: str) -> str | None:
    """What is wrong with a key or pointer; None where nothing is."""
    if text.startswith("/") and re.search(r"~(?![01])", text):
        return "must be a JSON pointer, in which `~` is written `~0` and a `/` within a key `~1`"
    return None


def matches(value: Value, text: str) -> list[Match]:
    """Every value that a key or pointer leads to, in the order of the file."""
    return list(_followed(value, parts(text), ()))


def parts(text: str) -> tuple[str, ...]:
    """The keys on the way."""
    if not text.startswith("/"):
        return (text,)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def whats_there(value: Value, text: str) -> str:
    """Say where a way that leads nowhere ends, and what is there instead."""
    at, way, rest = value, "", parts(text)
    while rest and len(found := list(_below(at, rest[0]))) == 1:
        at, way, rest = found[0][1], f"{way}/{rest[0]}", rest[1:]
    place = f"below {way!r} " if way else ""
    keys = _keys(at)
    if not keys:
        return f"{place}there is {described(at)}"
    listed_keys = listed([*keys[:MOST_LISTED], *(["..."] if len(keys) > MOST_LISTED else [])])
    return f"{place}there are {listed_keys}{suggestion(rest[0] if rest else '', keys)}"


def number_of(value: Value) -> float | None:
    """A number, also as text; true and false are 1 and 0. None where it is none."""
    if isinstance(value, bool | int | float):
        return _float(value)
    if isinstance(value, str) and "_" not in value:  # which Python takes within a number
        try:
            return float(value)
        except ValueError:
            return None
    return None


def whole_number_of(value: Value) -> int | None:
    """A whole number, also `3.0`; None where it is none."""
    number = number_of(value)
    return int(number) if number is not None and math.isfinite(number) and number % 1 == 0 else None


def described(value: Value) -> str:
    """A value for a message."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return f"an object of {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if value > 0 else -math.inf


def _followed(value: Value, way: Sequence[str], keys: tuple[str, ...]) -> Iterator[Match]:
    if not way:
        yield Match(keys, value)
        return
    for key, below in _below(value, way[0]):
        stood_for = (*keys, key) if key != way[0] else keys
        yield from _followed(below, way[1:], stood_for)


def _below(value: Value, part: str) -> Iterator[tuple[str, Value]]:
    """The values under one part of a pointer, which may be a pattern."""
    if isinstance(value, Mapping) and part in value:
        yield part, value[part]
    elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
        yield part, value[int(part)]
    elif "*" in part:
        pattern = re.compile(".*".join(map(re.escape, part.split("*"))), re.DOTALL)
        items = enumerate(value) if isinstance(value, list) else _items(value)
        yield from ((str(key), item) for key, item in items if pattern.fullmatch(str(key)))


def _items(value: Value) -> Iterator[tuple[object, Value]]:
    yield from value.items() if isinstance(value, Mapping) else ()


def _keys(value: Value) -> list[str]:
    if isinstance(value, list):
        return [f"0 to {len(value) - 1}"] if value else []
    return [str(key) for key, _ in _items(value)]
