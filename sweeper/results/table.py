"""Who is ahead: the order of the trials, and the tables that people read. Values in, text out.

Controls come first, then the baseline, then the trials from best to worst: a score means nothing
without those that nobody searched for. Fractions inside, per cent in the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.ranking import _FINAL, baseline_of, ranking
from sweeper.records import TrialRecord
from sweeper.space import Value
from sweeper.words import per_cent, score_number, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a ranking."""

    label: str  # "trial 7", "control random"
    params: Mapping[str, Value]
    score: float  # fraction, or nats where the goal is to minimize
    accuracy: Mapping[str, float]  # by number of shots, fractions
    difference: float | None
    """From the baseline's score, in its unit; None without a baseline that was scored alike."""
    measured: str = ""  # over several seeds, or on the questions of the finals
    goal: str = "maximize"


def rows(
    records: Sequence[TrialRecord], controls: Mapping[str, Mapping[str, Any]], *, goal: str
) -> list[Row]:
    """Controls, then complete trials from best to worst, each with its distance to the baseline."""
    baseline = baseline_of(records)
    anchors = {} if baseline is None else {"": baseline.score}
    if baseline is not None and _FINAL in baseline.notes:
        anchors[_FINAL] = baseline.notes[_FINAL]["score"]

    def row(
        label: str,
        params: Mapping[str, Value],
        entry: Mapping[str, Any],
        kind: str = "",
    ) -> Row:
        value, anchor = entry["score"] or 0.0, anchors.get(kind)
        return Row(
            label=label,
            params=params,
            score=value,
            accuracy=entry["accuracy"],
            difference=None if anchor is None else value - anchor,
            measured=_measured(entry, goal) if "seeds" in entry else "",
            goal=goal,
        )

    trials = []
    for record in ranking(records, goal=goal):
        kind = _FINAL if _FINAL in record.notes else ""
        entry = record.notes.get(_FINAL, {**record.notes, "score": record.score})
        trials.append(row(_label(record, baseline), _values(record), entry, kind))
    return [row(f"control {name}", {}, entry) for name, entry in controls.items()] + trials


def _measured(entry: Mapping[str, Any], goal: str) -> str:
    """Say over what the mean of several seeds, or a final, was taken."""
    words = []
    if len(entry["seeds"]) > 1:
        words.append(f"{len(entry['seeds'])} seeds ± {score_number(entry['spread'], goal)}")
    if "questions" in entry:
        words.append(f"{entry['questions']} questions")
    return ", ".join(words)


def _label(record: TrialRecord, baseline: TrialRecord | None) -> str:
    return f"trial {record.name}" + (" (baseline)" if record is baseline else "")


def _values(record: TrialRecord) -> Mapping[str, Value]:
    """What was used: the setting, completed by fixed and inactive parameters."""
    values: Mapping[str, Value] = record.notes.get("values", record.params)
    return values


def table_cells(table: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of a ranking, ready to be shown: per cent with one decimal, or nats."""
    names = sorted({name for row in table for name in row.params}, key=_first_use(table))
    shots = shots_of(table)
    header = ["", *names, "score", *(f"{s} shot{'s' if s != '1' else ''}" for s in shots)]
    header.append("vs baseline")
    measured = any(row.measured for row in table)
    header += ["measured on"] if measured else []
    cells = [
        [
            row.label,
            *(shown(row.params[name]) if name in row.params else "" for name in names),
            score_number(row.score, row.goal),
            *(per_cent(row.accuracy[s]) if s in row.accuracy else "" for s in shots),
            "" if row.difference is None else _difference(row.difference, row.goal),
            *([row.measured] if measured else []),
        ]
        for row in table
    ]
    return header, cells


def shots_of(table: Sequence[Row]) -> list[str]:
    """The numbers of shots that any row has an accuracy for; none where a loss is the score."""
    return sorted({shots for row in table for shots in row.accuracy}, key=int)


def _first_use(table: Sequence[Row]) -> Any:
    order = [name for row in table for name in row.params]
    return order.index


def _difference(difference: float, goal: str) -> str:
    return f"{100 * difference:+.1f}" if goal == "maximize" else f"{difference:+.4f}"


def markdown(table: Sequence[Row]) -> str:
    """A ranking as a Markdown table."""
    header, cells = table_cells(table)
    lines = [header, ["---"] * len(header), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
