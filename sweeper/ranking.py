"""Who is ahead: the order of the trials, and the tables that people read. Values in, text out.

Controls come first, then the baseline, then the trials from best to worst: a score means nothing
without those that nobody searched for. Fractions inside, per cent in the tables.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sweeper.records import TrialRecord, TrialState
from sweeper.space import Value

_FINAL = "final"  # note of a finalist

SAVED_BY = (  # cause of a call that was not made, in a result -> its name for people
    ("stage", "stages"),
    ("store", "the store"),
    ("equal", "equal shots"),
)


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


def ranking(records: Sequence[TrialRecord], *, goal: str) -> list[TrialRecord]:
    """Complete trials, the best first; equal scores in order of their numbers.

    A shorter training that was scored on the way of a trial stands for itself, unless its setting
    has a trial of its own. Finalists come first, by their final scores: of more seeds or questions,
    they are not to be compared with the scores of the search.
    """
    complete = [record for record in records if record.state is TrialState.COMPLETE]
    own = {frozenset(record.params.items()) for record in complete if record.prefix is None}
    listed = [r for r in complete if r.prefix is None or frozenset(r.params.items()) not in own]
    sign = -1.0 if goal == "maximize" else 1.0
    return sorted(
        listed,
        key=lambda r: (_FINAL not in r.notes, sign * told_score(r), r.order),
    )


def told_score(record: TrialRecord) -> float:
    """The score of a complete trial: that of its final, where it has one."""
    score: float = record.notes[_FINAL]["score"] if _FINAL in record.notes else record.score or 0.0
    return score


def finalists(records: Sequence[TrialRecord], *, goal: str, count: int) -> list[TrialRecord]:
    """The ``count`` best settings by the scores of the search, and the baseline."""
    plain = [
        replace(r, notes={key: note for key, note in r.notes.items() if key != _FINAL})
        for r in records
    ]
    chosen: dict[frozenset[tuple[str, Value]], TrialRecord] = {}
    for record in ranking(plain, goal=goal):
        chosen.setdefault(frozenset(record.params.items()), record)
    best = list(chosen.values())[:count]
    baseline = baseline_of(plain)
    return best if baseline is None or baseline in best else [*best, baseline]


def baseline_of(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The complete baseline trial, if the study has one."""
    return next(
        (
            record
            for record in records
            if record.notes.get("proposed") == "baseline" and record.state is TrialState.COMPLETE
        ),
        None,
    )


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


def shown(value: Value) -> str:
    """A parameter's value for people: four digits of a float, everything else whole."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def per_cent(fraction: float) -> str:
    """A fraction as per cent with one decimal."""
    return f"{100 * fraction:.1f}"


def score_number(score: float, goal: str) -> str:
    """A score without its unit: accuracies in per cent, losses, which are minimized, in nats."""
    return per_cent(score) if goal == "maximize" else f"{score:.4f}"


def score_text(score: float, goal: str) -> str:
    """A score with its unit."""
    return f"{score_number(score, goal)} {'%' if goal == 'maximize' else 'nats'}"


def _difference(difference: float, goal: str) -> str:
    return f"{100 * difference:+.1f}" if goal == "maximize" else f"{difference:+.4f}"


def markdown(table: Sequence[Row]) -> str:
    """A ranking as a Markdown table."""
    header, cells = table_cells(table)
    lines = [header, ["---"] * len(header), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def trials_csv(records: Sequence[TrialRecord], names: Sequence[str]) -> str:
    """Every trial of any state, one a line, each after the shorter trainings that it has scored;
    fractions in full precision.
    """
    shots = sorted({s for record in records for s in record.notes.get("accuracy", {})}, key=int)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    finals = any(_FINAL in record.notes for record in records)
    header = ["trial", "origin", "state", *names, "score", *(f"shot_{s}" for s in shots)]
    header += ["final_score", "final_spread"] if finals else []
    writer.writerow(header)
    for record in sorted(records, key=lambda record: record.order):
        values = _values(record)
        accuracy = record.notes.get("accuracy", {})
        writer.writerow(
            [
                record.name,
                record.notes.get("origin", ""),
                record.state.value,
                *(values.get(name, "") for name in names),
                "" if record.state is not TrialState.COMPLETE else repr(record.score),
                *(repr(accuracy[s]) if s in accuracy else "" for s in shots),
                *(_final_cells(record) if finals else []),
            ]
        )
    return text.getvalue()


def _final_cells(record: TrialRecord) -> list[str]:
    final = record.notes.get(_FINAL, {})
    return [repr(final[key]) if final.get(key) is not None else "" for key in ("score", "spread")]


def counts_line(state: Mapping[str, Any]) -> str:
    """The state of a study in one line."""
    counts = state["counts"]
    words = [f"{counts[name]} {name}" for name in ("complete", "failed", "pruned") if counts[name]]
    best = state["best"]
    tail = ""
    if best is not None:
        score = score_text(best["score"], state.get("goal", "maximize"))
        tail = f"; best: trial {best['trial']}, {score}"
    shorter = state.get("shared_prefix", 0)
    also = f" and {shorter} shorter trainings on their way" if shorter else ""
    return (
        f"{state['study']}: {', '.join(words) or '0 complete'} of {state['trials']} trials{also}, "
        f"{counts['running']} running{tail}"
    )


def calls_text(calls: Mapping[str, int]) -> str:
    """Reader calls of a trial or a study: what was asked, and what was saved by which means."""
    causes = ", ".join(f"{calls[cause]:,} by {name}" for cause, name in SAVED_BY if calls[cause])
    asked = f"{calls['asked']:,} of {calls['needed']:,} asked"
    return f"{asked}, saved {causes}" if causes else asked


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters in one line."""
    return " ".join(f"{name}={shown(value)}" for name, value in params.items())
