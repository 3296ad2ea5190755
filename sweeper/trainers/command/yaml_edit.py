"""Sets values in the text of a YAML or JSON file; every other character stays as it is. Pure.

PyYAML says where each value stands, and the new one is put there. What stands elsewhere (comments,
dates, `no`, numbers of 30 digits) is never read as a value, so that no library's opinion of it is
written. A new value is written so that YAML 1.1 (PyYAML) and 1.2 read it alike: `1.0e-05`, since
PyYAML takes `1e-05` for text, and `"no"` in quotes. ruamel.yaml was tried: it writes `1e-05` and a
bare `no`, indents anew and turns `~` into nothing.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import yaml
from pydantic import JsonValue

from sweeper.problems import Where, dotted

Leaf = tuple[str | None, ...]  # tag, style and text as they stand
Shape = dict[str, "Shape"] | list["Shape"] | Leaf

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_ODD = re.compile(
    "[^\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_MAX_DEPTH = 100  # of nested values; Python's own limit lies near 300
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # in YAML 1.1 or 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """A value and where it stands; start and end are indices into the text."""

    kind: Literal["leaf", "mapping", "list"]
    start: int
    end: int
    flow: bool = False  # in brackets
    anchor: str | None = None
    leaf: Leaf = ()
    items: tuple[tuple["_Node | None", "_Node"], ...] = ()  # each value with its key, if it has one

    def child(self, part: str | int) -> "_Node | None":
        """The value under a key or index; of a key that stands twice the last, as readers do."""
        if self.kind == "list":
            return self.items[part][1] if isinstance(part, int) and part < len(self.items) else None
        return next((value for key, value in reversed(self.items) if _name(key) == part), None)

    @property
    def shape(self) -> Shape:
        """All that a reader sees below."""
        if self.kind == "leaf":
            return self.leaf
        if self.kind == "list":
            return [value.shape for _, value in self.items]
        return {_name(key): value.shape for key, value in self.items}


def _name(key: _Node | None) -> str:
    return "" if key is None or not key.leaf else str(key.leaf[-1])


def yaml_shape(text: str) -> Shape:
    """Return mappings and lists, with each other value as it is written; nothing is {}.

    Raises:
        ValueError: if the text is no YAML, or more than one document; the message says where.
    """
    root = _parsed(text)
    return {} if root is None else root.shape


def with_yaml_values(text: str, values: Mapping[Where, JsonValue]) -> str:
    """Set values; keys on the way to one that are not there are added.

    Args:
        text: Of the file.
        values: By the keys and indices that lead there; indices are those of items that are there.

    Raises:
        ValueError: if the text is no YAML, or a value cannot be put there without touching others.
    """
    return _with_values(text, values, yaml_value, lambda text: text)


def with_json_values(text: str, values: Mapping[Where, JsonValue]) -> str:
    """Do the same in JSON, which is YAML but for tabs between values and a few odd characters."""
    return _with_values(text, values, _json, lambda text: _ODD.sub(" ", text))


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def _with_values(
    text: str,
    values: Mapping[Where, JsonValue],
    write: Callable[[JsonValue], str],
    readable: Callable[[str], str],  # keeps the place of each character
) -> str:
    root = _parsed(readable(text))
    for where, value in values.items():
        before, own = {} if root is None else root.shape, _parsed(readable(write(value)))
        assert own is not None, "a value is written as some text"
        text = _edited(text, root, where, value, write)
        try:
            root = _parsed(readable(text))
        except ValueError as error:
            raise ValueError(_not_in_place(where, f": {error}")) from error
        if root is None or root.shape != _put(before, where, own.shape):
            raise ValueError(_not_in_place(where, ""))
    return text


def _not_in_place(where: Where, reason: str) -> str:
    return f"{dotted(where)} cannot be set without touching other values{reason}; write it plainly"


def _put(shape: Shape, where: Where, value: Shape) -> Shape:
    """A shape with one value set: what an edited text must look like."""
    if not where:
        return value
    part, rest = where[0], where[1:]
    if isinstance(shape, list):
        return [_put(item, rest, value) if i == part else item for i, item in enumerate(shape)]
    below = shape if isinstance(shape, dict) else {}
    return {**below, str(part): _put(below.get(str(part), ()), rest, value)}


def _edited(
    text: str,
    root: _Node | None,
    where: Where,
    value: JsonValue,
    write: Callable[[JsonValue], str],
) -> str:
    place, rest = root, where
    while rest and place is not None and (child := place.child(rest[0])) is not None:
        place, rest = child, rest[1:]
    for part in reversed(rest[1:]):
        value = {str(part): value}
    if rest and (place is None or place.kind == "mapping"):
        entry = f"{write(rest[0])}: {write(value)}"
        return _inserted(text, place, entry)
    assert place is not None
    return _replaced(text, place, write({str(rest[0]): value} if rest else value))


def _replaced(text: str, node: _Node, written: str) -> str:
    """Put a value in another's place; an anchor stays, so that aliases of it follow."""
    if node.anchor is not None:
        written = f"&{node.anchor} {written}"
    if node.start == node.end:  # nothing stands behind the colon or the dash
        written = f" {written}"
    if node.kind != "leaf" and not node.flow and not _margin(text, node.start).strip():
        written = f"  {written}"  # a list may stand below its key without being indented
    return text[: node.start] + written + text[node.end :]


def _inserted(text: str, mapping: _Node | None, entry: str) -> str:
    """Add an entry behind the last one."""
    newline = "\r\n" if "\r\n" in text else "\n"
    if mapping is None:
        return f"{text.rstrip()}{newline if text.strip() else ''}{entry}{newline}"
    if not mapping.items:  # {}
        return text[: mapping.end - 1] + entry + text[mapping.end - 1 :]
    (key, last), first = mapping.items[-1], mapping.items[0][0]
    assert key is not None
    assert first is not None
    margin, end = _margin(text, key.start), last.end
    if mapping.flow:
        on_its_own_line = "\n" in text[: key.start] and not margin.strip()
        separator = f",{newline}{margin}" if on_its_own_line else ", "
        return text[:end] + separator + entry + text[end:]
    end += len(text[end:].partition("\n")[0].rstrip())  # behind a comment
    indent = " " * len(_margin(text, first.start))
    return text[:end] + newline + indent + entry + text[end:]


def _margin(text: str, start: int) -> str:
    """What stands before a place on its line."""
    return text[text.rfind("\n", 0, start) + 1 : start]


def _parsed(text: str) -> _Node | None:
    """The root of the one document; None where nothing stands but comments."""
    try:
        events = list(yaml.parse(text, Loader=yaml.BaseLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise ValueError(f"{place}{what}") from error
    starts = [i for i, event in enumerate(events) if isinstance(event, yaml.DocumentStartEvent)]
    if len(starts) > 1:
        raise ValueError(f"{_line(text, events[starts[1]])}: a second document begins")
    anchors: set[str | None] = set()
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            reason = f"values are nested more than {_MAX_DEPTH} deep"
            raise ValueError(f"{_line(text, event)}: {reason}")
        if isinstance(event, yaml.AliasEvent) and event.anchor not in anchors:
            raise ValueError(f"{_line(text, event)}: *{event.anchor} leads nowhere")
        anchors.add(getattr(event, "anchor", None))
    if not starts:
        return None
    below = iter(events[starts[0] + 1 :])
    root = _node(next(below), below, text)
    return None if root.start == root.end else root


def _node(event: yaml.Event, events: Iterator[yaml.Event], text: str) -> _Node:
    start, end = _span(event)
    if isinstance(event, yaml.AliasEvent):
        return _Node(kind="leaf", start=start, end=end, leaf=("*", None, f"*{event.anchor}"))
    if isinstance(event, yaml.ScalarEvent):
        end = start + len(text[start:end].rstrip())  # the end of a block is a line later
        leaf = (event.tag, event.style, event.value)
        return _Node(kind="leaf", start=start, end=end, anchor=event.anchor, leaf=leaf)
    assert isinstance(event, yaml.CollectionStartEvent)
    is_mapping = isinstance(event, yaml.MappingStartEvent)
    items = []
    while not isinstance(below := next(events), yaml.CollectionEndEvent):
        key = _node(below, events, text) if is_mapping else None
        items.append((key, _node(next(events) if is_mapping else below, events, text)))
    flow = bool(event.flow_style)
    return _Node(
        kind="mapping" if is_mapping else "list",
        start=start,
        end=_span(below)[1] if flow else items[-1][1].end,
        flow=flow,
        anchor=event.anchor,
        items=tuple(items),
    )


def _span(event: yaml.Event) -> tuple[int, int]:
    assert event.start_mark is not None, "every event that was parsed has marks"
    assert event.end_mark is not None, "every event that was parsed has marks"
    return event.start_mark.index, event.end_mark.index


def _line(text: str, event: yaml.Event) -> str:
    return f"line {text.count(chr(10), 0, _span(event)[0]) + 1}"


def yaml_value(value: JsonValue) -> str:
    """Write a value on one line so that readers of YAML 1.1 and of 1.2 see the same.

    Args:
        value: Finite where it is a number.
    """
    if isinstance(value, dict):
        entries = (f"{yaml_value(key)}: {yaml_value(item)}" for key, item in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_value, value)) + "]"
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
            return value
        quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=math.inf)
        return quoted.rstrip("\n")
    written = json.dumps(value)
    whole, exponent, power = written.partition("e")
    if isinstance(value, float) and exponent and "." not in whole:
        return f"{whole}.0e{power}"
    return written
