"""What is wrong with a study file, and where: `line:column: dotted.key: what; what is allowed`.

Words only: knows neither YAML nor pydantic nor what a study is.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sweeper.addresses import masked
from sweeper.errors import ConfigError

Where = tuple[str | int, ...]  # the keys and list indices that lead to a value
SHOWN = 60  # characters of a value that a message quotes


class Position(NamedTuple):
    """A place in a text, both numbers one-based; columns count characters."""

    line: int
    column: int


class Problem(NamedTuple):
    """One thing to correct. Sorts in the order of the file."""

    position: Position
    where: Where
    text: str

    def render(self, path: Path) -> str:
        """Return `path:line:column: dotted.key: text`; no key for what concerns the whole file."""
        key = f"{dotted(self.where)}: " if self.where else ""
        return f"{path}:{self.position.line}:{self.position.column}: {key}{self.text}"


def config_error(path: Path, problems: Iterable[Problem]) -> ConfigError:
    """Return one error that lists each of ``problems`` once, in the order of the file."""
    lines = [problem.render(path) for problem in sorted(problems, key=lambda item: item.position)]
    return ConfigError(path, list(dict.fromkeys(lines)))


def dotted(where: Where) -> str:
    """Write a way to a value as `trainer.phases[1].grpo.lr`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_plain(part)}" for part in where)
    return text.removeprefix(".")


def _plain(key: str) -> str:
    return key if key.isprintable() and key else repr(key)


def shown(value: Any) -> str:
    """Quote a value the way a study file writes it, cut to a readable length, without password."""
    if value is None:
        text = "nothing"
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(shown(item) for item in value) + "]"
    else:
        text = masked(repr(value))
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def listed(values: Iterable[Any]) -> str:
    """Join allowed values with commas, texts without quotes."""
    return ", ".join(value if isinstance(value, str) else shown(value) for value in values)


def suggestion(word: Any, allowed: Iterable[Any]) -> str:
    """Return `; did you mean 'x'?` where an allowed text is near ``word``, else nothing."""
    if not isinstance(word, str):
        return ""
    names = {name.lower(): name for name in allowed if isinstance(name, str)}
    near = difflib.get_close_matches(word.lower(), names, n=1)
    if near:
        return f"; did you mean {names[near[0]]!r}?"
    return ""
