"""Reads YAML the strict way: plain values, and the line and column of each.

Scalars follow YAML 1.2's core schema, which PyYAML does not: `1e-4` is a number everywhere; `on`,
`off`, `yes`, `no` and `none` are texts. Duplicate keys, tags, merge keys and values that contain
themselves are problems. Decides nothing about what a study is.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from sweeper.problems import Position, Problem, Where, config_error

MAX_DEPTH = 40  # nested values; a study has six, and Python's own limit lies near 300
MAX_VALUES = 20_000  # after aliases have been followed: a few lines can stand for billions
MAX_INTEGER = 2**63 - 1  # what SQLite stores

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEAN = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Document:
    """The top mapping of a YAML file; every value has a position, every key of a mapping too.

    A list or mapping that is not in brackets stands where its key stands.

    ``comment`` is the block of comment lines at the head of the file, without the `#`.
    ``problems`` holds what is wrong although the rest could be read (a duplicate key, a tag): who
    uses ``values`` reports them together with its own.
    """

    path: Path
    values: dict[str, object]
    keys: Mapping[Where, Position] = field(default_factory=dict)
    positions: Mapping[Where, Position] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    comment: tuple[str, ...] = ()

    def position(self, where: Where) -> Position:
        """Return where a value stands, or the nearest value around it that is in the file."""
        while where and where not in self.positions:
            where = where[:-1]
        return self.positions.get(where, Position(1, 1))

    def key_position(self, where: Where) -> Position:
        """Return where the key of a value stands; list items have none and give their own place."""
        return self.keys.get(where) or self.position(where)


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigError: if it cannot be opened, is not UTF-8, not YAML, empty or not a mapping.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise config_error(path, [Problem(Position(1, 1), (), reason)]) from error
    return parse_document(content, path)


def parse_document(content: str | bytes, path: Path) -> Document:
    """Read YAML text; ``path`` is only named in messages. Raises ConfigError as `read_document`."""
    text = _decode(content, path) if isinstance(content, bytes) else content
    try:
        problems = list(_event_problems(text))
        root = yaml.compose(text.removeprefix("\ufeff"), Loader=yaml.BaseLoader)
    except _TooDeepError as error:
        raise config_error(path, [error.problem]) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise config_error(path, [_syntax_problem(error, text)]) from error
    if root is None:
        raise config_error(path, [Problem(Position(1, 1), (), "the file is empty")])
    if not isinstance(root, yaml.MappingNode):
        reason = "must be a mapping, lines of `key: value`"
        raise config_error(path, [Problem(_start(root), (), reason)])
    nodes = _Nodes(problems)
    values = nodes.value(root, ())
    return Document(
        path, values, nodes.keys, nodes.positions, tuple(nodes.problems), _head_comment(text)
    )


class _TooDeepError(Exception):
    """Carries the problem of a value that is nested too deeply to be composed."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


class _Nodes:
    """Turns composed nodes into values and notes positions and problems on the way."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.keys: dict[Where, Position] = {}
        self.positions: dict[Where, Position] = {}
        self._open: list[yaml.Node] = []  # the collections around the present value

    def value(self, node: yaml.Node, where: Where) -> Any:
        """Return what ``node`` stands for; None in place of what has a problem."""
        position = _start(node)
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            position = self.keys.get(where, position)  # a block begins on the line of its key
        self.positions[where] = position
        if isinstance(node, yaml.ScalarNode):
            try:
                return _scalar(node)
            except ValueError as error:
                return self._refuse(position, where, str(error))
        if node in self._open:
            return self._refuse(position, where, "an alias may not stand for what contains it")
        if len(self._open) >= MAX_DEPTH or len(self.positions) >= MAX_VALUES:
            return self._refuse(position, (), "aliases make this file too large or too deep")
        self._open.append(node)
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, where)
        else:
            value = [self.value(item, (*where, index)) for index, item in enumerate(node.value)]
        self._open.pop()
        return value

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            position = _start(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(position, where, "a key must be text, not a list or a mapping")
                continue
            key = key_node.value.encode("utf-8", "backslashreplace").decode()
            if key == "<<" and key_node.style is None:
                self._refuse(position, where, "merge keys (`<<`) are not read; write the keys out")
            elif key in values:
                first = self.keys[*where, key]
                text = f"duplicate key; it stands already at {first.line}:{first.column}"
                self._refuse(position, (*where, key), text)
            else:
                self.keys[*where, key] = position
                values[key] = self.value(value_node, (*where, key))
        return values

    def _refuse(self, position: Position, where: Where, text: str) -> None:
        self.problems.append(Problem(position, where, text))


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """Resolve a scalar by YAML 1.2's core schema. Raises ValueError for numbers out of range."""
    text: str = node.value
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half a character (U+D800 to U+DFFF) may not stand in a text")
    if node.style is not None:  # quoted, or a block of text
        return text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        if len(text) > 25 or abs(number := int(text, _base(text))) > MAX_INTEGER:
            raise ValueError(f"whole numbers end at {MAX_INTEGER}")
        return number
    if _FLOAT.fullmatch(text):
        if math.isinf(value := float(text)):
            raise ValueError("is too large for a number; the largest is about 1.8e308")
        return value
    if special := _SPECIAL.fullmatch(text):
        return float(f"{special[1]}inf") if special[2] else math.nan
    return text


def _base(text: str) -> int:
    return {"0o": 8, "0x": 16}.get(text[:2], 10)


def _head_comment(text: str) -> tuple[str, ...]:
    lines = takewhile(lambda line: line.startswith("#"), text.removeprefix("\ufeff").splitlines())
    return tuple(line.removeprefix("#").strip() for line in lines)


def _decode(content: bytes, path: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        text = f"byte {content[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        raise config_error(path, [Problem(_after(before), (), text)]) from error


def _event_problems(text: str) -> Iterator[Problem]:
    """Yield every tag. Raises _TooDeepError before PyYAML's composer could exhaust the stack."""
    depth = 0
    for event in yaml.parse(text.removeprefix("\ufeff"), Loader=yaml.BaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            reason = f"values are nested more than {MAX_DEPTH} deep"
            raise _TooDeepError(Problem(_start(event), (), reason))
        if (
            isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
            and event.tag is not None
        ):
            yield Problem(_start(event), (), f"tags like `{event.tag}` are not read; remove it")


def _syntax_problem(error: Exception, text: str) -> Problem:
    """Say in the file's terms where PyYAML stopped, and why if that is known."""
    if isinstance(error, yaml.reader.ReaderError):
        reason = f"the character U+{ord(text[error.position]):04X} may not stand in YAML"
        return Problem(_after(text[: error.position]), (), reason)
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(Position(1, 1), (), f"is not YAML: {error}")
    mark = error.problem_mark
    position = Position(mark.line + 1, mark.column + 1)
    source = text.removeprefix("\ufeff")
    if source[max(mark.index - 1, 0) : mark.index + 1] == "${":
        end = re.match(r"\{[^}\n]*\}?", source[mark.index :])
        reference = "$" + (end[0] if end else "{...}")
        reason = f'within {{}} or [] a reference needs quotes: "{reference}"'
        return Problem(Position(position.line, position.column - 1), (), reason)
    if source[mark.index : mark.index + 1] == "\t":
        return Problem(position, (), "a tab stands where YAML wants spaces; indent with spaces")
    if "single document" in str(error.context):
        return Problem(position, (), "a second document begins here; one file holds one study")
    context = f" {error.context}" if error.context else ""
    return Problem(position, (), f"is not YAML: {error.problem}{context}")


def _start(node: yaml.Node | yaml.Event) -> Position:
    mark = node.start_mark
    assert mark is not None, "every node that was parsed has a mark"
    return Position(mark.line + 1, mark.column + 1)


def _after(text: str) -> Position:
    """Return the position of the character that follows ``text``."""
    return Position(text.count("\n") + 1, len(text) - text.rfind("\n"))
