"""Scores by question, from any file of rows, from lm-eval's samples, from a log of Inspect."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sweeper.problems import listed, suggestion
from sweeper.trainers.command.results.files import Place
from sweeper.trainers.command.results.inspect_logs import question_scores, read_log
from sweeper.trainers.command.results.lm_eval import NO_FILTER, sample_files
from sweeper.trainers.command.results.outcome import Outcome, ResultsError
from sweeper.trainers.command.results.pointers import described, matches, number_of, whats_there
from sweeper.trainers.command.results.rows import RowFile, form_of
from sweeper.trainers.command.results.spec import ByQuestion, Source

Row = Mapping[str, object]


class _Keys(NamedTuple):
    """Where in a row things are."""

    id: Sequence[str]
    score: str
    group: str | None


def read_questions(place: Place, source: Source) -> Outcome:
    """Read the scores that a source promises; nothing where it promises none.

    Raises:
        ResultsError: where there is no new file, a score is no number, or a question has two.
    """
    asked = source.by_question
    if asked is None:
        return Outcome()
    if source.inspect is not None:
        path, log = read_log(place, source.inspect, newest=source.newest or asked.newest)
        return Outcome(questions={"": question_scores(path, log, asked.score)})
    if source.lm_eval is not None:
        return _lm_eval(place, source.lm_eval, asked)
    assert asked.file is not None
    assert asked.score is not None  # the spec has seen to both
    path = place.new_file(asked.file, newest=asked.newest)
    file = RowFile(path, form_of(path, asked.format))
    questions: dict[str, dict[str, float]] = {}
    _enter(path, file.rows(), _Keys(asked.id or (), asked.score, asked.group), questions)
    return Outcome(questions=questions, warnings=tuple(file.warnings))


def _lm_eval(place: Place, output: str, asked: ByQuestion) -> Outcome:
    """Every task's samples; the task is part of a question's id, unless it is the group."""
    metric, _, only = (asked.score or "").partition(",")
    own = asked.id or ["doc_id"]
    keys = _Keys(own if asked.group == "task" else ["task", *own], metric, asked.group)
    questions: dict[str, dict[str, float]] = {}
    warnings: list[str] = []
    filters: set[str] = set()
    for task, path in sample_files(place, output):
        file = RowFile(path, "jsonl")
        rows = [(number, {"task": task, **row}) for number, row in file.rows()]
        filters |= {str(row.get("filter")) for _, row in rows}
        kept = [row for row in rows if only in ("", row[1].get("filter"))]
        _enter(path, kept, keys, questions)
        warnings += file.warnings
    if not questions:
        there = f"there are {listed(sorted(filters))}{suggestion(only, filters)}"
        raise ResultsError(f"{output}: no sample has filter {only!r}; {there}")
    return Outcome(questions=questions, warnings=tuple(warnings))


def _enter(
    path: Path, rows: Iterable[tuple[int, Row]], keys: _Keys, into: dict[str, dict[str, float]]
) -> None:
    """Enter each row's score under its group and id."""
    for number, row in rows:
        place = f"{path}: row {number}"
        ids = [_text(_value(place, row, key)) for key in keys.id]
        answer = row.get("filter") if "doc_id" in row else None  # lm-eval has a line a filter
        if answer not in (None, NO_FILTER) and "filter" not in keys.id:
            ids.append(_text(answer))
        question = "/".join(ids)
        value = _value(place, row, keys.score)
        score = number_of(value)
        if score is None:
            raise ResultsError(f"{place}: {keys.score!r} is {described(value)}, no number")
        group = "" if keys.group is None else _text(_value(place, row, keys.group))
        scores = into.setdefault(group, {})
        if question in scores:
            raise ResultsError(
                f"{place}: question {question!r} stands here again; `id` must name all that tells "
                "questions apart, such as `id: [task, doc_id]`"
            )
        scores[question] = score


def _value(place: str, row: Row, key: str) -> object:
    found = matches(row, key)
    if not found:
        raise ResultsError(f"{place}: {key!r} is not there: {whats_there(row, key)}")
    if len(found) > 1:
        raise ResultsError(f"{place}: {key!r} leads to {len(found)} values; name one")
    return found[0].value


def _text(value: object) -> str:
    """An id or a group as text: 3, 3.0 and "3" are one."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
