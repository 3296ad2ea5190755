"""The ranking as a table that people read. Values in, text out.

Controls come first, then the baseline, then the trials from best to worst: a score means nothing
without those that nobody searched for. Fractions inside, per cent in the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.outcomes import Scores
from sweeper.ranking import baseline_of, ranking, told_score
from sweeper.records import TrialRecord
from sweeper.space import Value
from sweeper.words import part_label, per_cent, score_number, shown


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


def rows(records: Sequence[TrialRecord], controls: Mapping[str, Scores], *, goal: str) -> list[Row]:
    """Controls, then complete trials in their order, each with its distance to the baseline.

    A final is compared with the baseline's final, a score of the search with that of the search.
    """
    baseline = baseline_of(records)
    own, final = (None, None) if baseline is None else (baseline.score, baseline.final)
    table = [
        Row(
            label=f"control {name}",
            params={},
            score=control.score,
            accuracy=control.accuracy,
            difference=_distance(control.score, own),
            goal=goal,
        )
        for name, control in controls.items()
    ]
    for record in ranking(records, goal=goal):
        anchor = own if record.final is None else None if final is None else final.score
        told = record.notes if record.final is None else record.final
        table.append(
            Row(
                label=_label(record, baseline),
                params=record.values,
                score=told_score(record),
                accuracy=told.accuracy,
                difference=_distance(told_score(record), anchor),
                measured=_measured(record, goal),
                goal=goal,
            )
        )
    return table


def _distance(score: float, anchor: float | None) -> float | None:
    return None if anchor is None else score - anchor


def _measured(record: TrialRecord, goal: str) -> str:
    """Say over what the mean of several seeds, or a final, was taken."""
    told = record.notes if record.final is None else record.final
    words = []
    if len(told.seeds) > 1 and told.spread is not None:
        words.append(f"{len(told.seeds)} seeds ± {score_number(told.spread, goal)}")
    if record.final is not None:
        words.append(f"{record.final.questions} questions")
    if record.final_failure is not None:
        words.append(f"no final: {record.final_failure.kind.value}")
    return ", ".join(words)


def _label(record: TrialRecord, baseline: TrialRecord | None) -> str:
    return f"trial {record.name}" + (" (baseline)" if record is baseline else "")


def table_cells(table: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of a ranking, ready to be shown: per cent with one decimal, or nats."""
    names = sorted({name for row in table for name in row.params}, key=_first_use(table))
    parts = parts_of(table)
    header = ["", *names, "score", *map(part_label, parts)]
    header.append("vs baseline")
    measured = any(row.measured for row in table)
    header += ["measured on"] if measured else []
    cells = [
        [
            row.label,
            *(shown(row.params[name]) if name in row.params else "" for name in names),
            score_number(row.score, row.goal),
            *(per_cent(row.accuracy[s]) if s in row.accuracy else "" for s in parts),
            "" if row.difference is None else _difference(row.difference, row.goal),
            *([row.measured] if measured else []),
        ]
        for row in table
    ]
    return header, cells


def parts_of(table: Sequence[Row]) -> list[str]:
    """The numbers of shots that any row has an accuracy for; none where a loss is the score."""
    return sorted({parts for row in table for parts in row.accuracy}, key=int)


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
