"""The ranking as a table that people read. Values in, text out.

Controls come first, then the baseline, then the trials from best to worst: a score means nothing
without those that nobody searched for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.nouns import Nouns
from sweeper.outcomes import Scores
from sweeper.ranking import baseline_of, ranking, told_score
from sweeper.records import TrialRecord
from sweeper.scales import PER_CENT, Scale
from sweeper.space import Value
from sweeper.words import shown

Parts = Mapping[str, str]  # part of a score -> what people call it, in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a ranking."""

    label: str  # "trial 7", "control random"
    params: Mapping[str, Value]
    score: float  # as measured
    accuracy: Mapping[str, float]  # by part of the score
    difference: float | None
    """From the baseline's score; None without a baseline that was scored alike."""
    measured: str = ""  # over several seeds, or on the questions of the finals
    scale: Scale = PER_CENT


def rows(
    records: Sequence[TrialRecord], controls: Mapping[str, Scores], *, goal: str, scale: Scale
) -> list[Row]:
    """Controls, then complete trials in their order, each with its distance to the baseline.

    A final is compared with the baseline's final, a score of the search with that of the search.

    Args:
        records: All trials.
        controls: Their scores, by name.
        goal: Of the study's metric.
        scale: In which its scores are shown.
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
            scale=scale,
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
                measured=_measured(record, scale),
                scale=scale,
            )
        )
    return table


def _distance(score: float, anchor: float | None) -> float | None:
    return None if anchor is None else score - anchor


def _measured(record: TrialRecord, scale: Scale) -> str:
    """Say over what the mean of several seeds, or a final, was taken."""
    told = record.notes if record.final is None else record.final
    words = []
    if len(told.seeds) > 1 and told.spread is not None:
        words.append(f"{len(told.seeds)} seeds ± {scale.number(told.spread)}")
    if record.final is not None and record.final.questions:
        words.append(f"{record.final.questions} questions")
    if record.final_failure is not None:
        words.append(f"no final: {record.final_failure.kind.value}")
    return ", ".join(words)


def _label(record: TrialRecord, baseline: TrialRecord | None) -> str:
    return f"trial {record.name}" + (" (baseline)" if record is baseline else "")


def table_cells(table: Sequence[Row], parts: Parts) -> tuple[list[str], list[list[str]]]:
    """Header and cells of a ranking, ready to be shown.

    Args:
        table: The rows.
        parts: Columns of the parts of a score: its name, and what people call it.
    """
    names = sorted({name for row in table for name in row.params}, key=_first_use(table))
    header = ["", *names, "score", *parts.values()]
    header.append("vs baseline")
    measured = any(row.measured for row in table)
    header += ["measured on"] if measured else []
    cells = [
        [
            row.label,
            *(shown(row.params[name]) if name in row.params else "" for name in names),
            row.scale.number(row.score),
            *(row.scale.number(row.accuracy[s]) if s in row.accuracy else "" for s in parts),
            "" if row.difference is None else row.scale.number(row.difference, sign=True),
            *([row.measured] if measured else []),
        ]
        for row in table
    ]
    return header, cells


def parts_of(table: Sequence[Row], nouns: Nouns, known: Sequence[str]) -> Parts:
    """The parts that any row has a score for, in order; ``known`` are those of the study."""
    found = nouns.in_order((part for row in table for part in row.accuracy), known)
    return {part: nouns.label(part) for part in nouns.columns(found)}


def _first_use(table: Sequence[Row]) -> Any:
    order = [name for row in table for name in row.params]
    return order.index


def markdown(table: Sequence[Row], parts: Parts) -> str:
    """A ranking as a Markdown table; ``parts`` as for `table_cells`."""
    header, cells = table_cells(table, parts)
    lines = [header, ["---"] * len(header), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
