"""A JSON object read from a file one entry at a time, so that the whole is never in memory.

Yields the top level's keys and values in the file's order; a key that stands there twice is told
twice. Each value is decoded whole by the standard library's scanner.
"""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from trainer.errors import InputError

CHUNK = 1 << 23  # bytes read at once
MAX_ENTRY = 1 << 26  # characters; what goes on for longer is no entry but an error further up

_SPACE = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


def entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield ``(key, value)`` for each entry of the JSON object in ``path``.

    Raises:
        InputError: where the file is missing, empty, no JSON object, or ends too early; it tells
            where, and how many entries were whole.
    """
    try:
        with path.open("rb") as file:
            yield from _Window(path, file).entries()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8: {error.reason}") from error


class _Window:
    """The part of the file that is in memory, and the place in it."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file
        self._text, self._place, self._before = "", 0, 0  # _before: characters dropped already
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._ended = False
        self._whole = 0  # entries

    def entries(self) -> Iterator[tuple[str, Any]]:
        if self._next() == "":
            raise InputError(f"{self._path} is empty; it must hold the RL data as a JSON object")
        self._expect("{", "an object `{...}` of queries")
        if self._next() == "}":
            self._place += 1
        else:
            while True:
                key = self._value()
                if not isinstance(key, str):
                    raise self._error("a key must be a text in double quotes")
                self._expect(":", "`:` after a key")
                value = self._value()
                self._whole += 1
                yield key, value
                if self._next() == "}":
                    self._place += 1
                    break
                self._expect(",", "`,` or `}` after an entry")
        if self._next() != "":
            raise self._error("there is something after the end of the object")

    def _next(self) -> str:
        """The next character that is no space, without taking it; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._place)
            assert match is not None, "matches the empty text"
            self._place = match.end()
            if self._place < len(self._text) or not self._more():
                return self._text[self._place : self._place + 1]

    def _expect(self, character: str, what: str) -> None:
        if self._next() != character:
            raise self._error(f"needs {what}")
        self._place += 1

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = _decode(self._text, self._place)
            except RecursionError as error:
                raise self._error("is nested too deeply") from error
            except json.JSONDecodeError as error:
                if self._more():
                    continue
                raise self._error(error.msg) from error
            except ValueError as error:  # a number of thousands of digits
                raise self._error(str(error)) from error
            if end == len(self._text) and self._more():  # a number may go on
                continue
            self._place = end
            return value

    def _more(self) -> bool:
        """Drop what was taken and read on; False at the end of the file."""
        if self._ended or len(self._text) - self._place > MAX_ENTRY:
            return False
        content = self._file.read(max(CHUNK, len(self._text) - self._place))  # doubles: no square
        self._ended = not content
        self._before += self._place
        decoded = self._decoder.decode(content, final=self._ended)
        self._text, self._place = self._text[self._place :] + decoded, 0
        return not self._ended

    def _error(self, reason: str) -> InputError:
        return InputError(
            f"{self._path} is not whole JSON: {reason}, at character {self._before + self._place}, "
            f"after {self._whole} whole entries; copy or write the file again"
        )
