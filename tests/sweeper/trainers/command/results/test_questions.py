import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.trainers.command.results import Outcome, ResultsError

Write = Callable[..., Path]
Read = Callable[..., Outcome]


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_json_lines_are_read_by_id_score_and_group(write: Write, read: Read) -> None:
    write(
        "s.jsonl",
        lines(
            {"doc": {"id": 3}, "acc": True, "shots": 1},
            {"doc": {"id": 3}, "acc": 0.25, "shots": 2},
            {"doc": {"id": "b"}, "acc": 0, "shots": 2},
        ),
    )
    asked = {"file": "s.jsonl", "id": "/doc/id", "score": "acc", "group": "shots"}
    assert read(by_question=asked).questions == {"1": {"3": 1.0}, "2": {"3": 0.25, "b": 0.0}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.json", [{"id": 1, "score": 0.5}, {"id": 2.0, "score": 1}]),
        ("s.csv", "id,score\n1,0.5\n2,1\n"),
    ],
)
def test_lists_and_tables_have_scores_too(
    name: str, content: object, write: Write, read: Read
) -> None:
    write(name, content)
    found = read(by_question={"file": name, "id": "id", "score": "score"})
    assert found.questions == {"": {"1": 0.5, "2": 1.0}}


def test_several_keys_make_an_id(write: Write, read: Read) -> None:
    write("s.jsonl", lines({"a": 1, "b": 2, "s": 0}, {"a": 1, "b": 3, "s": 1}))
    found = read(by_question={"file": "s.jsonl", "id": ["a", "b"], "score": "s"})
    assert found.questions == {"": {"1/2": 0.0, "1/3": 1.0}}


def test_a_filter_of_lm_eval_is_part_of_the_id_in_any_file(write: Write, read: Read) -> None:
    rows = [{"doc_id": 1, "filter": name, "acc": 0} for name in ("none", "strict")]
    write("s.jsonl", lines(*rows))
    found = read(by_question={"file": "s.jsonl", "id": "doc_id", "score": "acc"})
    assert found.questions == {"": {"1": 0.0, "1/strict": 0.0}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": 1, "s": 0}, {"id": 1, "s": 1}], r"row 2: question '1' stands here again; `id`"),
        ([{"id": 1, "s": "C"}], r"row 1: 's' is 'C', no number"),
        ([{"id": 1, "s": None}], r"row 1: 's' is null, no number"),
        ([{"id": 1, "sc": 0}], r"row 1: 's' is not there: there are id, sc"),
        ([{"ids": 1, "s": 0}], r"row 1: 'id' is not there: there are ids, s; did you mean 'ids'"),
    ],
)
def test_a_question_without_one_score_is_told(
    rows: list[object], message: str, write: Write, read: Read
) -> None:
    write("s.jsonl", lines(*rows))
    with pytest.raises(ResultsError, match=message):
        read(by_question={"file": "s.jsonl", "id": "id", "score": "s"})


def test_a_pointer_to_several_scores_is_an_error(write: Write, read: Read) -> None:
    write("s.jsonl", lines({"id": 1, "s": [0, 1]}))
    with pytest.raises(ResultsError, match=r"row 1: '/s/\*' leads to 2 values; name one"):
        read(by_question={"file": "s.jsonl", "id": "id", "score": "/s/*"})


def test_a_torn_last_row_is_a_warning(write: Write, read: Read) -> None:
    write("s.jsonl", lines({"id": 1, "s": 0}) + '{"id": 2')
    found = read(by_question={"file": "s.jsonl", "id": "id", "score": "s"})
    assert found.questions == {"": {"1": 0.0}}
    assert "1 unreadable row, the first row 2" in found.warnings[0]


def test_scores_that_an_earlier_trial_left_are_no_result(write: Write, read: Read) -> None:
    write("s.jsonl", lines({"id": 1, "s": 0}), after=-10)
    with pytest.raises(ResultsError, match="10 s older than the trial"):
        read(by_question={"file": "s.jsonl", "id": "id", "score": "s"})


def test_scores_come_on_top_of_a_sources_metrics(write: Write, read: Read) -> None:
    write("m.json", {"acc": 0.5})
    write("s.csv", "id,s\n1,0\n")
    found = read(
        file="m.json", metrics=["acc"], by_question={"file": "s.csv", "id": "id", "score": "s"}
    )
    assert found == Outcome(metrics={"acc": 0.5}, questions={"": {"1": 0.0}})
