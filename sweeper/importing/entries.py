"""Rows of results, held against the study that they are for. Pure: cells in, entries out.

A number outside its range is taken, with a warning: it was measured, whatever the study asks for.
It cannot teach the sampler, which knows nothing out there. A choice that the study does not list,
another type, a value of a parameter that is not active: errors, since they are mostly mistakes.
Scores by question come in JSON only: a column of CSV that names a file was not worth its rules.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, cast

from sweeper.importing.table import Row
from sweeper.scales import PER_CENT
from sweeper.space import Parameter, Space, Value, canonical, check_setting
from sweeper.study.config import StudyConfig
from sweeper.trainers import Capabilities


class Entry(TypedDict, total=False):
    """A result from elsewhere, as the study's database holds it."""

    params: dict[str, Value]
    accuracy: dict[str, float]  # by part of the score
    questions: int
    source: str
    evaluation: str  # what it was measured on; absent: the study's own questions and reader
    scores: list[list[float]]  # by question and part
    mismatch: dict[str, dict[str, object]]  # parameters whose label is not in the checkpoint
    same_evaluation: bool  # whether the user says that it is the study's own evaluation


NUMBER = re.compile(r"[1-9]\d*")  # of a part that is a number of choices
OWN = ("questions", "source", "evaluation", "scores")
SAME: Final = "same_evaluation"  # of an entry: whether it was measured as the study's trials are
ROUNDING = 5.1e-4  # tables have three decimals


@dataclass(slots=True)
class Checked:
    """What became of the rows; the entries mean something where there are no problems."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)  # values outside the study's ranges


def check_rows(rows: Sequence[Row], config: StudyConfig) -> Checked:
    """Hold every row against the study."""
    checked = Checked()
    can = config.can
    if not can.parts:
        checked.problems.append(
            f"study {config.name!r} is scored by its {can.nouns.score or can.metric}; results by "
            f"{_listed(can)} say nothing about it"
        )
    names = [p.name for p in config.space.parameters if p.name in OWN or part_of(p.name, can)]
    checked.problems += [
        f"the parameter {name!r} is called as a column of results" for name in names
    ]
    for row in rows:
        _Reading(row, config.space, can, checked).take_in()
    checked.problems += other_parts([row.place for row in rows], checked.entries, can)
    return checked


def evaluation_of(entry: Entry) -> str:
    """The set of questions that an entry was measured on; rows of two sets are never compared.

    Empty for that of the study itself.
    """
    if entry.get(SAME):
        return ""
    named = f"{entry['evaluation']}, " if "evaluation" in entry else ""
    return f"{named}{entry['questions']} questions"


class _Reading:
    """Reads one row; every problem goes where those of the others are."""

    def __init__(self, row: Row, space: Space, can: Capabilities, checked: Checked) -> None:
        self._row = row
        self._space = space
        self._can = can
        self._checked = checked

    def take_in(self) -> None:
        """Add the entry, or its problems and an entry without meaning."""
        cells = self._row.cells
        nouns = self._can.nouns
        parts = {part: name for name in cells if (part := part_of(name, self._can))}
        known = {*self._space.names, *OWN, *parts.values()}
        for name in cells:
            if name not in known:
                self._problem(f"unknown column {name!r}; {self._near(name)}")
        accuracy = {
            part: self._measured(parts[part], cells[parts[part]])
            for part in nouns.in_order(parts, self._can.parts)
        }
        if not accuracy:
            as_what = " as fractions" if self._can.scale == PER_CENT else ""
            self._problem(f"no {nouns.score or 'scores'}; give columns {self._first} ...{as_what}")
        entry: Entry = {"params": self._params(), "accuracy": accuracy}
        entry["questions"] = self._questions(cells)
        if "source" in cells:
            entry["source"] = self._label("source")
        if "evaluation" in cells:
            entry["evaluation"] = self._label("evaluation")
        if "scores" in cells:
            entry |= self._scores(cells["scores"], accuracy, entry["questions"])
        self._checked.entries.append(entry | cast("Entry", self._row.extra))

    def _problem(self, text: str) -> None:
        self._checked.problems.append(f"{self._row.place}: {text}")

    def _near(self, name: str) -> str:
        columns = [*self._space.names, *OWN, self._first]
        near = difflib.get_close_matches(name, columns, n=1)
        return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(columns)} ..."

    def _params(self) -> dict[str, Value]:
        """The setting: values of the active parameters, as trials have them."""
        told = {p.name: p for p in self._space.parameters if p.name in self._row.cells}
        read = {name: self._value(p, self._row.cells[name]) for name, p in told.items()}
        values = {name: value for name, value in read.items() if value is not None}
        active = {p.name for p in self._space.active(values)}
        idle = [n for n in values if n not in active and told[n].fixed is None]
        for name in idle if len(values) == len(told) else ():  # else a gate may be what is wrong
            if values[name] != told[name].otherwise:
                self._problem(
                    f"{name}: is not active in this setting (see its `when`); leave it out, but "
                    f"got {values[name]!r}"
                )
        for name in self._space.names:
            if name in active and name not in told:
                self._problem(f"no value for the parameter {name!r}; {_advice(name)}")
        setting = {name: value for name, value in values.items() if name in active}
        if len(setting) < len(active):
            return setting
        outside = check_setting(self._space, setting)
        self._checked.outside += [f"{self._row.place}: {text}" for text in outside]
        kept = {n: v for n, v in setting.items() if any(t.startswith(f"`{n}`") for t in outside)}
        return {**canonical(self._space, setting), **kept}

    def _value(self, parameter: Parameter, cell: Any) -> Value | None:
        """The cell as a value of the parameter's type; None where it is none, and that was said."""
        allowed = parameter.choices or (() if parameter.fixed is None else (parameter.fixed,))
        if allowed:
            for choice in allowed:
                if any(_same(choice, reading) for reading in _readings(cell)):
                    return choice
            wanted = (
                f"one of {list(allowed)}" if parameter.choices else f"{parameter.fixed!r}, fixed"
            )
            self._problem(f"{parameter.name}: must be {wanted}, but got {cell!r}")
            return None
        number = _number(cell)
        if number is None or (parameter.integer and not number.is_integer()):
            kind = "a whole number" if parameter.integer else "a number"
            self._problem(f"{parameter.name}: must be {kind}, but got {cell!r}{_comma(cell)}")
            return None
        return int(number) if parameter.integer else number

    @property
    def _first(self) -> str:
        """The column of the first part, as an example."""
        can = self._can
        return can.nouns.key("1" if can.nouns.counts else next(iter(can.parts), "NAME"))

    def _measured(self, name: str, cell: Any) -> float:
        """A part of the score: a fraction, or where the study's scores are none any number."""
        number = _number(cell)
        if self._can.scale != PER_CENT:
            if number is None:
                self._problem(f"{name}: must be a number, but got {cell!r}{_comma(cell)}")
        elif number is None and isinstance(cell, str) and cell.endswith("%"):
            number = _number(cell[:-1].strip())
            wanted = "" if number is None else f": {number / 100:.6g}"
            self._problem(f"{name}: is {cell}; fractions are wanted{wanted}")
        elif number is not None and 1.0 < number <= 100.0:
            self._problem(f"{name}: is {cell}; fractions are wanted: {number / 100:.6g}")
        elif number is None or not 0.0 <= number <= 1.0:
            self._problem(f"{name}: must be a fraction in [0, 1], but got {cell!r}{_comma(cell)}")
        return math.nan if number is None else number

    def _questions(self, cells: Mapping[str, object]) -> int:
        if "questions" not in cells:
            scores = cells.get("scores")
            if isinstance(scores, list):
                return len(scores)
            self._problem(f"no number of questions to compare by; {_advice('questions')}")
            return 0
        number = _number(cells["questions"])
        if number is None or number < 1 or not number.is_integer():
            got = f"{cells['questions']!r}{_comma(cells['questions'])}"
            self._problem(f"questions: must be a whole number >= 1, but got {got}")
            return 0
        return int(number)

    def _label(self, name: str) -> str:
        cell = self._row.cells[name]
        if not isinstance(cell, str) or cell.encode(errors="ignore").decode() != cell:
            self._problem(f"{name}: must be text, but got {cell!r}")
        return str(cell)

    def _scores(self, scores: Any, accuracy: Mapping[str, float], questions: int) -> Entry:
        """Scores by question with the means that they have; those of the columns are rounded."""
        if isinstance(scores, str):
            self._problem("scores: scores by question do not fit into a cell; write JSON")
            return {}
        if not isinstance(scores, list) or not scores:
            self._problem(f"scores: must be a list of {len(accuracy)} numbers for each question")
            return {}
        fractions = self._can.scale == PER_CENT
        bad = [
            i
            for i, row in enumerate(scores, start=1)
            if not _is_scores(row, len(accuracy), fractions=fractions)
        ]
        if bad:
            self._problem(
                f"scores: question {bad[0]} must have {len(accuracy)} "
                f"{'fractions in [0, 1]' if fractions else 'numbers'}, one for "
                f"each {self._can.nouns.sentences['en']['parts']}, but got "
                f"{scores[bad[0] - 1]!r} ({len(bad)} such)"
            )
            return {}
        if len(scores) != questions:
            self._problem(f"scores: are of {len(scores)} questions, but questions is {questions}")
        columns = zip(*scores, strict=True)
        means = {s: math.fsum(c) / len(c) for s, c in zip(accuracy, columns, strict=True)}
        for parts, mean in means.items():
            if abs(mean - accuracy[parts]) > ROUNDING:
                self._problem(
                    f"scores: their mean for {self._can.nouns.label(parts)} is {mean:.4f}, but "
                    f"{self._can.nouns.key(parts)} is {accuracy[parts]:g}"
                )
        return {"scores": scores, "accuracy": means}


def part_of(name: str, can: Capabilities) -> str | None:
    """The part of the score that a column names; None where it names none."""
    part = can.nouns.part(name)
    if part is None or not (NUMBER.fullmatch(part) if can.nouns.counts else part in can.parts):
        return None
    return part


def _listed(can: Capabilities) -> str:
    return can.nouns.sentences["en"]["list"]


def other_parts(places: Sequence[str], entries: Sequence[Entry], can: Capabilities) -> list[str]:
    """Rows of one evaluation whose score is a mean over other parts than that of the first.

    Args:
        places: Where each entry stands, for messages.
        entries: In order.
        can: Of the study's trainer.
    """
    first: dict[str, tuple[str, list[str]]] = {}
    problems = []
    for place, entry in zip(places, entries, strict=True):
        parts = list(entry["accuracy"])
        where, wanted = first.setdefault(evaluation_of(entry), (place, parts))
        if parts and wanted and parts != wanted:
            problems.append(
                f"{place}: has the {_listed(can)} {', '.join(parts)}, {where} has "
                f"{', '.join(wanted)}: their means cannot be compared; fill them in, or name "
                "another `evaluation`"
            )
    return problems


def _advice(name: str) -> str:
    return f"`--set {name}=VALUE` gives it to every row"


def _is_scores(row: Any, width: int, *, fractions: bool) -> bool:
    return (
        isinstance(row, list)
        and len(row) == width
        and all(type(s) in (int, float) and math.isfinite(s) for s in row)
        and (not fractions or all(0.0 <= s <= 1.0 for s in row))
    )


def _readings(cell: Any) -> list[Any]:
    """What a cell may mean: itself, and where it is text, the number or truth that it writes."""
    if not isinstance(cell, str):
        return [cell]
    truths = {"true": True, "false": False}
    number = _number(cell)
    return [
        cell,
        *([] if number is None else [number]),
        *([truths[cell.lower()]] if cell.lower() in truths else []),
    ]


def _same(choice: Value, reading: Any) -> bool:
    return bool(choice == reading) and isinstance(choice, bool) == isinstance(reading, bool)


def _number(cell: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and "_" not in str(cell) else None


def _comma(cell: Any) -> str:
    """A hint where a decimal comma was written."""
    is_comma = isinstance(cell, str) and _number(cell.replace(",", ".", 1)) is not None
    return "; write the decimal point as `.`" if is_comma and "," in str(cell) else ""
