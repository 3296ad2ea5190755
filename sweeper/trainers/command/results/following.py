"""What a program prints while it runs, to numbers: chunks of bytes in, points out.

Lines that no pattern can match are not even looked at: a block of output is searched for the text
that a pattern must have. No clock, no files.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sweeper.trainers.command.results.outcome import Curve, Outcome, Point, ResultsError, counted
from sweeper.trainers.command.results.patterns import LinePattern, line_pattern
from sweeper.trainers.command.results.pointers import described, number_of, whole_number_of
from sweeper.trainers.command.results.spec import Results

LONGEST = 8 * 1024  # bytes of a line that are looked at: patterns may take its square in time
_COLOURS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_ENDS = (b"\n", b"\r")  # progress bars end their lines with a carriage return


@dataclass(slots=True)
class _Followed:
    """One source, and the step that its lines are at."""

    patterns: Sequence[LinePattern]
    step_name: str | None
    step: int | None = None
    curve: Curve = field(default_factory=Curve)


class Follower:
    """Reads the lines of one program."""

    def __init__(self, results: Results) -> None:
        self._sources = [
            _Followed([line_pattern(text) for text in source.stdout], source.step)
            for source in results.sources
            if source.stdout is not None
        ]
        self._promised = [
            name for source in results.sources if source.stdout is not None for name in source.names
        ]
        patterns = [pattern for source in self._sources for pattern in source.patterns]
        literals = {pattern.literal.encode() for pattern in patterns}
        self._literals = None if b"" in literals else tuple(literals)  # None: look at every line
        self._rest = b""  # of a line that has not ended
        self._skips = False  # the rest of a line that was cut
        self._cut = 0
        self._last = b""
        self._metrics: dict[str, float] = {}
        self._matched: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._first_unread: dict[str, str] = {}  # by pattern

    def feed(self, chunk: bytes) -> list[Point]:
        """Take what was printed next, cut anywhere; return what is new by step, in order.

        A step comes as often as lines tell of it; each point has what one line told.
        """
        if not self._sources:
            return []
        end = max(chunk.rfind(mark) for mark in _ENDS) + 1
        if not end:
            self._hold(chunk)
            return []
        block = self._skipped(chunk[:end]) if self._skips else self._rest + chunk[:end]
        self._rest = b""
        self._hold(chunk[end:])
        return self._read(block)

    def close(self) -> list[Point]:
        """The output has ended; return what a last line without an end told."""
        rest, self._rest = self._rest, b""
        return self._read(rest + b"\n") if rest and not self._skips else []

    @property
    def metrics(self) -> Mapping[str, float]:
        """The last value of each metric so far."""
        return self._metrics

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was printed and could not be read."""
        found = [self._unread_text(pattern) for pattern in self._unread]
        if self._cut:
            lines = counted(self._cut, "line")
            found.append(f"stdout: {lines} of more than {LONGEST} bytes, read no further")
        return (*found, *(text for source in self._sources for text in source.curve.warnings))

    def outcome(self) -> Outcome:
        """All that the output told. Raises ResultsError where a metric was not among it."""
        missing = [name for name in self._promised if name not in self._metrics]
        if missing:
            raise ResultsError(self._missing_text(missing[0]))
        curve = Curve()
        for source in self._sources:
            for point in source.curve.points:
                curve.add(*point)
        return Outcome(metrics=self._metrics, curve=curve.points, warnings=self.warnings)

    def _hold(self, rest: bytes) -> None:
        """Keep the beginning of a line for the next chunk, as far as it will be looked at."""
        if self._skips:
            return
        self._rest += rest
        if len(self._rest) > LONGEST:
            self._skips = True

    def _skipped(self, block: bytes) -> bytes:
        """End the line that was cut, and go on after it."""
        first = min(at for mark in _ENDS if (at := block.find(mark)) >= 0)
        self._skips = False
        return self._rest + block[first:]

    def _read(self, block: bytes) -> list[Point]:
        if b"\r" in block:
            block = block.replace(b"\r", b"\n")
        if b"\x1b" in block:
            block = _COLOURS.sub(b"", block)
        self._last = block.rstrip(b"\n")[-LONGEST:].rpartition(b"\n")[2] or self._last
        points: list[Point] = []
        for line in self._lines(block):
            text = line.decode("utf-8", "replace")
            found = (self._point(source, text) for source in self._sources)
            points += [point for point in found if point is not None]
        return points

    def _lines(self, block: bytes) -> Iterator[bytes]:
        """The lines that a pattern may match."""
        if self._literals is None:
            for line in block.split(b"\n"):
                yield self._bounded(line)
            return
        places = set()
        for literal in self._literals:
            at = block.find(literal)
            while at >= 0:
                end = block.find(b"\n", at)
                places.add((block.rfind(b"\n", 0, at) + 1, end))
                at = block.find(literal, end)
        for begin, end in sorted(places):
            yield self._bounded(block[begin:end])

    def _bounded(self, line: bytes) -> bytes:
        if len(line) <= LONGEST:
            return line
        self._cut += 1
        return line[:LONGEST]

    def _point(self, source: _Followed, line: str) -> Point | None:
        """What one line tells of one source."""
        metrics: dict[str, float] = {}
        for pattern in source.patterns:
            texts = pattern.texts(line)
            if texts is None:
                if pattern.misses(line):
                    self._note_unread(pattern, line)
                continue
            self._matched[pattern.text] += 1
            for name, text in texts.items():
                if name == source.step_name:
                    number: float | None = whole_number_of(text)
                    source.step = source.step if number is None else int(number)
                elif (number := number_of(text)) is not None:
                    metrics[name] = number
                if number is None:
                    self._note_unread(pattern, line)
        if not metrics:
            return None
        self._metrics.update(metrics)
        if source.step is None:
            return None
        source.curve.add(source.step, metrics)
        return Point(source.step, metrics)

    def _note_unread(self, pattern: LinePattern, line: str) -> None:
        self._unread[pattern.text] += 1
        self._first_unread.setdefault(pattern.text, line.strip())

    def _unread_text(self, pattern: str) -> str:
        taken = counted(self._matched[pattern], "line")
        rows = counted(self._unread[pattern], "row")
        return (
            f"stdout: pattern {pattern!r} took {taken}, and {rows} that "
            f"look like it are unreadable, the first {described(self._first_unread[pattern])}; "
            "an empty group, (?P<name>), takes any number"
        )

    def _missing_text(self, name: str) -> str:
        patterns = [
            pattern.text
            for source in self._sources
            for pattern in source.patterns
            if name in pattern.exact.groupindex
        ]
        told = [self._unread_text(text) for text in patterns if text in self._unread]
        last = described(self._last.decode("utf-8", "replace").strip())
        what = told[0] if told else f"no line matches {patterns[0]!r}; the last one was {last}"
        return f"no new result: metric {name!r} was not printed: {what}"
