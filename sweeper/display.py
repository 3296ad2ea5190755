"""What `sweeper run` shows: a live table on a terminal, lines elsewhere, the ranking at its end."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeper.ranking import counts_line, params_text, per_cent, table_cells
from sweeper.session import Summary

TOP = 10  # trials in the final table


class LiveDisplay:
    """Progress on a terminal: running trials below, finished ones above as lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True)

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
        self._console.print(Text(line))

    def show(self, state: Mapping[str, Any]) -> None:
        """Replace the live table."""
        self._live.update(_live_table(state))


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
        self._console.print(Text(line), soft_wrap=True)

    def show(self, state: Mapping[str, Any]) -> None:
        """States are for the eye; what happened has been said."""


def open_display(console: Console) -> LiveDisplay | PlainDisplay:
    """The display that suits where the output goes."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


def _live_table(state: Mapping[str, Any]) -> Group:
    table = Table(box=None, pad_edge=False)
    for column in ("trial", "epoch", "score", "seconds", "parameters"):
        table.add_column(column, justify="left" if column == "parameters" else "right")
    for trial in state["running"]:
        score = "" if trial["score"] is None else per_cent(trial["score"])
        table.add_row(
            str(trial["trial"]),
            f"{trial['epoch']}/{trial['epochs']}",
            score,
            f"{trial['seconds']:.0f}",
            params_text(trial["params"]),
        )
    return Group(Text(counts_line(state)), table)


def print_summary(summary: Summary, console: Console) -> None:
    """Print the ranking, the held-out scores and the next commands."""
    controls = [row for row in summary.table if row.label.startswith("control ")]
    trials = [row for row in summary.table if not row.label.startswith("control ")]
    console.print()
    if trials:
        header, cells = table_cells([*controls, *trials[:TOP]])
        table = Table(
            box=None, title=f"{summary.study}: accuracy in per cent", title_justify="left"
        )
        for index, name in enumerate(header):
            table.add_column(name, justify="left" if index == 0 else "right", no_wrap=True)
        for index, line in enumerate(cells):
            table.add_row(*line, end_section=index == len(controls) - 1)
        console.print(table, soft_wrap=True)
        if len(trials) > TOP:
            console.print(f"... and {len(trials) - TOP} more", highlight=False)
    _print_confirmed(summary, console)
    lines = [_counts(summary)]
    if summary.interrupted:
        lines.append("interrupted; the same command goes on from here")
    lines.append(f"compare: mlflow ui     then {summary.link}")
    if trials:
        lines.append(f"export:  sweeper export {summary.study}")
    console.print(Text("\n".join(lines)), soft_wrap=True)


def _print_confirmed(summary: Summary, console: Console) -> None:
    if not summary.confirmed:
        return
    questions = next(iter(summary.confirmed.values()))["questions"]
    scores = ", ".join(
        f"{label} {per_cent(result['score'])}" for label, result in summary.confirmed.items()
    )
    console.print(Text(f"\non {questions} held-out questions: {scores} %"), soft_wrap=True)


def _counts(summary: Summary) -> str:
    states = [record.state.value for record in summary.records]
    names = ("complete", "pruned", "failed", "running")
    counts = {name: states.count(name) for name in names}
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n or name == "complete")
