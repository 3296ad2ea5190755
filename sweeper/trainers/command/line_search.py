"""The first line of a program's output that has a pattern. Pure.

Output comes in pieces that are cut anywhere: `print("loss=", value)` is four of them where Python
does not buffer.
"""

import re

LONGEST = 8 * 1024  # bytes of a line that are looked at: patterns may take its square in time
_ENDS = re.compile(rb"[\r\n]")  # progress bars end their lines with a carriage return


class LineSearch:
    """Looks at every line once it has its end."""

    def __init__(self, pattern: str | None) -> None:
        self._pattern = None if pattern is None else re.compile(pattern)
        self._rest = b""  # of a line that has not ended

    def feed(self, chunk: bytes) -> str | None:
        """Take what was printed next; return the first line that has the pattern."""
        if self._pattern is None:
            return None
        *whole, last = _ENDS.split(chunk)
        if whole:
            whole[0] = self._rest + whole[0]
            self._rest = b""
        self._rest = (self._rest + last)[:LONGEST]
        lines = (line[:LONGEST].decode(errors="replace") for line in whole)
        return next((line for line in lines if self._pattern.search(line)), None)
