"""Standard output of a command that must not end with its terminal.

A closed terminal (EIO), a pipe whose reader has gone (EPIPE) and a full disk (ENOSPC) are the
output's trouble alone: what cannot be written is dropped, and the command goes on.
"""

import contextlib
import os
import sys
from typing import Any, TextIO


class Output:
    """A text stream whose trouble nobody hears of but people."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_lost = False

    def write(self, text: str) -> int:
        """Write, or drop, ``text``."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            known = text.encode(self._stream.encoding, "backslashreplace")
            return self.write(known.decode(self._stream.encoding))
        except (OSError, ValueError) as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Send on what was written, or drop it."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._lose(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _lose(self, error: OSError | ValueError) -> None:
        """Turn the descriptor to where everything can be written, the last flush of all too."""
        if self._is_lost:
            return
        self._is_lost = True
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        with contextlib.suppress(OSError, ValueError):
            print(f"warning: nothing more can be shown here ({error})", file=sys.stderr, flush=True)
