"""Scores by question of a program: columns, their mean, and where they are kept."""

import math
from pathlib import Path

import pytest

from sweeper.trainers.command.evaluations import columns, disagreement, keep, scores

A, B = {"q2": 0.0, "q1": 1.0}, {"q1": 0.5, "q2": 0.25}


def test_groups_of_the_same_questions_are_columns_of_them() -> None:
    found = columns({"math": B, "code": A}, metric="accuracy")
    assert found == {"code": {"q1": 1.0, "q2": 0.0}, "math": {"q1": 0.5, "q2": 0.25}}
    assert [list(column) for column in found.values()] == [["q1", "q2"]] * 2
    assert list(found) == ["code", "math"]
    assert columns({"": A}, metric="accuracy") == {"accuracy": {"q1": 1.0, "q2": 0.0}}


def test_groups_of_other_questions_are_one_column() -> None:
    found = columns({"math": {"q1": 1.0}, "code": A}, metric="accuracy")
    assert found == {"accuracy": {"code/q1": 1.0, "code/q2": 0.0, "math/q1": 1.0}}
    assert columns({}, metric="accuracy") == {}


@pytest.mark.parametrize(
    ("score", "parts", "words"),
    [
        (0.4375, {}, None),  # (0.5 + 0.375) / 2
        (0.4375, {"code": 0.5, "math": 0.375}, None),
        (0.44, {}, "the mean of the scores by question is 0.4375, and the score is 0.44"),
        (0.4375, {"code": 0.375, "math": 0.5}, "the groups of the scores by question are other"),
        (0.4375, {"code": 0.5, "maths": 0.375}, "other ones than the score's: code 0.5, maths"),
    ],
)
def test_scores_by_question_are_those_of_the_score_or_it_is_told_why_not(
    score: float, parts: dict[str, float], words: str | None
) -> None:
    told = disagreement(columns({"code": A, "math": B}, metric="m"), score, parts)
    if words is None:
        assert told is None
    else:
        assert words in (told or "")


def test_a_score_that_is_no_number_is_told() -> None:
    found = columns({"": {"q1": math.nan, "q2": 1.0}}, metric="m")
    assert disagreement(found, 1.0, {}) == "not all scores by question are numbers"


def test_what_is_kept_is_found_by_its_key_questions_in_rows(tmp_path: Path) -> None:
    found = columns({"code": A, "math": B}, metric="m")
    key = keep(tmp_path / "stages", found)
    assert keep(tmp_path / "stages", dict(reversed(list(found.items())))) == key
    assert keep(tmp_path / "stages", columns({"": A}, metric="m")) != key
    arrays = scores(tmp_path / "stages", key)
    assert arrays is not None
    assert arrays[0].tolist() == [[1.0, 0.5], [0.0, 0.25]]
    assert arrays[1].shape == (2, 0)
    assert scores(tmp_path / "stages", "of nobody") is None
    assert scores(tmp_path / "stages", None) is None
