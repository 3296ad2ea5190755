"""The files that a glob means, as far as they are newer than the trial's start.

What an earlier trial left must never be read again: an old file is no result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.problems import listed, suggestion
from sweeper.trainers.command.results.outcome import ResultsError

MOST_LISTED = 8  # names that a message lists


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program ran, and when it began."""

    cwd: Path
    since: float  # modification time, in seconds since 1970, that a new file reaches

    def new_files(self, pattern: str) -> list[Path]:
        """All new files that match, the newest last.

        Raises:
            ResultsError: where there is none.
        """
        found = [(path, path.stat().st_mtime) for path in self._matching(pattern)]
        new = sorted((written, path) for path, written in found if written >= self.since)
        if new:
            return [path for _, path in new]
        if found:
            path, written = max(found, key=lambda item: item[1])
            age = self.since - written
            raise ResultsError(
                f"no new result: {path} is {_ago(age)} older than the trial; the program did not "
                "write it"
            )
        raise ResultsError(f"no new result: no file matches {pattern!r}{self._instead(pattern)}")

    def new_file(self, pattern: str, *, newest: bool) -> Path:
        """The one new file that matches.

        Args:
            pattern: A name or a glob.
            newest: Whether several may match; then it is the newest.

        Raises:
            ResultsError: where there is none, or several.
        """
        *others, path = self.new_files(pattern)
        if others and not newest:
            names = _names([*others, path])
            raise ResultsError(
                f"{pattern!r} matches {len(others) + 1} new files: {names}; name one, or write "
                "`newest: true`"
            )
        return path

    def is_folder(self, name: str) -> bool:
        """Whether a name, which is no glob, is a folder."""
        return (self.cwd / name).is_dir()

    def _matching(self, pattern: str) -> list[Path]:
        """Files; folders that are there as they stand are taken by their names.

        A workspace may be called `run[1]`, and its path gets into the pattern by a macro.
        """
        at, parts = self.cwd, list(Path(pattern).parts)
        while parts and (at / parts[0]).exists():
            at /= parts.pop(0)
        found = at.glob(str(Path(*parts))) if parts else [at]
        return [path for path in found if path.is_file()]

    def _instead(self, pattern: str) -> str:
        """What stands where the glob looked."""
        path = self.cwd / pattern
        folder = path.parent
        while not folder.is_dir() and folder != folder.parent and not _is_glob(folder.name):
            path, folder = folder, folder.parent
        if not folder.is_dir():
            return f" in {self.cwd}"
        names = sorted(item.name for item in folder.iterdir())
        if not names:
            return f"; {folder} is empty"
        shown = listed([*names[:MOST_LISTED], *(["..."] if len(names) > MOST_LISTED else [])])
        return f"; {folder} has {shown}{suggestion(path.name, names)}"


def _is_glob(name: str) -> bool:
    return any(mark in name for mark in "*?[")


def _names(paths: Sequence[Path]) -> str:
    names = [str(path) for path in paths]
    return listed([*names[:MOST_LISTED], *(["..."] if len(names) > MOST_LISTED else [])])


def _ago(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds / 60:,.0f} min"
