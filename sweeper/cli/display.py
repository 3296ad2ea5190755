"""What `sweeper run` shows: a live table on a terminal, lines elsewhere, the ranking at its end.

A terminal gets the widest table that fits it; a log file gets all columns, however long its lines.
"""

import shlex
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sweeper.cli.output import Output
from sweeper.nouns import Nouns
from sweeper.records import State
from sweeper.results.table import Parts, Row, table_cells
from sweeper.running.summary import Summary
from sweeper.words import counts_line, params_text, plain, scale_of

TOP = 10  # trials in the final table
ANY_WIDTH = 10_000  # columns of a terminal that nobody has
PARAMETERS = "parameters"
STARTING = "starting: data, controls and the check of the instrument come before the first trial"
FINISHING = "scoring start, baseline and best on the held-out questions"


class LiveDisplay:
    """Progress on a terminal: running trials below, finished ones above as lines."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._shown: tuple[State | None, float] = (None, 0.0)  # the state, and since
        self._live = Live(
            console=console, get_renderable=self._table, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> "LiveDisplay":
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the live table."""
        self._console.print(Text(plain(line)))

    def show(self, state: State) -> None:
        """Replace the live table."""
        self._shown = (state, self._clock())

    def _table(self) -> RenderableType:
        """The table now: between two states the seconds go on."""
        state, since = self._shown
        if state is None:
            return _cut(STARTING)
        return live_table(state, waited=self._clock() - since)


class PlainDisplay:
    """Progress in a log file: one line whenever something happened."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> "PlainDisplay":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to restore."""

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(Text(plain(line)), soft_wrap=True)

    def show(self, state: State) -> None:
        """States are for the eye; what happened has been said."""


def open_console(stream: TextIO) -> Console:
    """A console on a stream that may be lost under way."""
    return Console(file=cast(TextIO, Output(stream)))


def open_display(console: Console) -> LiveDisplay | PlainDisplay:
    """The display that suits where the output goes."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


def live_table(state: State, *, waited: float) -> RenderableType:
    """Counts, and a line for each running trial; nothing wraps, what is too long is cut.

    Args:
        state: As `state.json` has it.
        waited: Seconds since the state was written.
    """
    counts = _cut(counts_line(state))
    if state["state"] == "finishing":
        return Group(counts, _cut(FINISHING))
    if not state["running"]:
        return counts
    table = Table(box=None, pad_edge=False)
    for column in ("trial", "epoch", "score", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(PARAMETERS)  # may wrap, so that this one gives way; its cells do not
    for trial in state["running"]:
        table.add_row(
            str(trial["trial"]),
            f"{trial['epoch']}/{trial['epochs']}",
            "" if trial["score"] is None else scale_of(state).number(trial["score"]),
            f"{trial['seconds'] + waited:.0f}",
            _cut(params_text(trial["params"])),
        )
    return Group(counts, table)


def _cut(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def print_summary(summary: Summary, console: Console) -> None:
    """Print the ranking, the held-out scores and the next commands."""
    controls = [row for row in summary.table if row.label.startswith("control ")]
    trials = [row for row in summary.table if not row.label.startswith("control ")]
    console.print()
    if trials:
        _print_ranking(summary, controls, trials[:TOP], console)
    if len(trials) > TOP:
        console.print(Text(f"... and {len(trials) - TOP} more"))
    _print_confirmed(summary, console)
    lines = [_counts(summary), *([f"best: {summary.chosen}"] if summary.chosen else [])]
    if summary.interrupted:
        lines.append("interrupted; the same command goes on from here")
    if summary.link:
        lines.append(f"compare: mlflow ui     then {summary.link}")
    if trials:
        lines.append(f"report:  sweeper report {shlex.quote(summary.study)}")
        lines.append(f"export:  sweeper export {shlex.quote(summary.study)}")
    console.print(Text("\n".join(lines)), soft_wrap=True)


def _print_ranking(
    summary: Summary, controls: Sequence[Row], trials: Sequence[Row], console: Console
) -> None:
    """Print the most telling form of the ranking that fits; the last one fits by folding."""
    rows = [*controls, *trials]
    parts = summary.parts
    title = f"{summary.study}: {summary.measure}"
    short = f"{title}{_parts_told(parts, summary.nouns)}"
    forms = [
        _ranking_table(title, *table_cells(rows, parts), controls=len(controls)),
        _ranking_table(short, *_short_cells(rows, parts), controls=len(controls)),
        _ranking_table(short, *_folded_cells(rows, parts), controls=len(controls)),
    ]
    if not console.is_terminal:
        console = Console(file=console.file, width=max(_width(forms[0], console), 1))
    fitting = [form for form in forms if _width(form, console) <= console.width]
    console.print((fitting or forms[-1:])[0])


def _parts_told(parts: Parts, nouns: Nouns) -> str:
    """What short columns of numbers are; names say it themselves."""
    if not parts or not nouns.counts:
        return ""
    told = list(parts)
    span = told[0] if len(told) == 1 else f"{told[0]}-{told[-1]}"
    return f", {span} by {nouns.sentences['en']['list']}"


def _width(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update_width(ANY_WIDTH), table).maximum


def _ranking_table(
    title: str, header: Sequence[str], cells: Sequence[Sequence[str]], *, controls: int
) -> Table:
    """Lay out a ranking: names to the left, numbers to the right, a gap below the controls."""
    filled = [index for index in range(len(header)) if any(line[index] for line in cells)]
    table = Table(
        box=None, title=title, title_justify="left", pad_edge=False, collapse_padding=True
    )
    for index in filled:
        folds = header[index] == PARAMETERS
        left = index == 0 or folds
        table.add_column(header[index], justify="left" if left else "right", no_wrap=not folds)
    for number, line in enumerate(cells):
        if number == controls:
            table.add_row()
        table.add_row(*(line[index] for index in filled))
    return table


def _short_cells(rows: Sequence[Row], parts: Parts) -> tuple[list[str], list[list[str]]]:
    """The ranking with short names of rows and columns."""
    header, cells = table_cells(rows, parts)
    end = header.index("vs baseline")
    header = ["trial", *header[1 : end - len(parts)], *parts, "diff", *header[end + 1 :]]
    for line in cells:
        line[0] = line[0].removeprefix("control ").removeprefix("trial ")
    return header, cells


def _folded_cells(rows: Sequence[Row], parts: Parts) -> tuple[list[str], list[list[str]]]:
    """The short ranking with all parameters in one column, which folds where they are many."""
    header, cells = _short_cells(rows, parts)
    numbers = header.index("score")
    folded = [
        [line[0], *line[numbers:], params_text(row.params)]
        for row, line in zip(rows, cells, strict=True)
    ]
    return [header[0], *header[numbers:], PARAMETERS], folded


def _print_confirmed(summary: Summary, console: Console) -> None:
    if not summary.confirmed:
        return
    count = next(iter(summary.confirmed.values())).questions
    scale = summary.table[0].scale
    scores = ", ".join(
        f"{label} {scale.number(result.score)}" for label, result in summary.confirmed.items()
    )
    told = f"{count} held-out questions" if count else "held-out questions"
    console.print(Text(f"\non {told}: {scale.with_unit(scores)}"), soft_wrap=True)


def _counts(summary: Summary) -> str:
    states = [r.state.value for r in summary.records if r.prefix is None]
    words = {"complete": "complete", "pruned": "pruned", "failed": "failed", "running": "to resume"}
    counts = {word: states.count(state) for state, word in words.items()}
    return ", ".join(f"{n} {word}" for word, n in counts.items() if n or word == "complete")
