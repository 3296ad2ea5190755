"""Versions of the files that are read back later: each carries `format: N`, its own number.

A file without the key was written before formats were numbered: it is of format 1. A number is
raised where a reader of today would misread tomorrow's file; the readers of all former numbers
stay. `docs/formats.md` lists them.
"""

from collections.abc import Mapping
from typing import Any

FORMAT = "format"


class FormatError(Exception):
    """A file was written by a later version of this program; nothing of it is read."""


class NoFormatError(FormatError, ValueError):
    """What stands in the place of a format's number is none: the file is damaged."""


def checked_format(payload: Mapping[str, Any], *, newest: int, where: object) -> int:
    """The format of a file's content.

    Args:
        payload: The content.
        newest: The highest number that the caller can read.
        where: The file, for the message.

    Raises:
        FormatError: where the number is higher.
        NoFormatError: where it is none.
    """
    number = payload.get(FORMAT, 1)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise NoFormatError(f"{where}: `format` must be a whole number >= 1, but is {number!r}")
    if number > newest:
        raise FormatError(
            f"{where} is of format {number}, and this version reads up to {newest}: it was written "
            "by a later one; install that one"
        )
    return number
