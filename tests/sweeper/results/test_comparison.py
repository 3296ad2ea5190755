from dataclasses import replace

import numpy as np
import pytest
from fakes.evidence_rows import answers, evidence, row, study

from sweeper.errors import UsageError
from sweeper.results.comparison import compare, comparison_text


def shots(first: int) -> np.ndarray:
    return np.stack([np.arange(40) + first, np.arange(40) + 100], axis=1)


STUDY = evidence(
    [
        row("start", answers(20), kind="control"),
        replace(row(1, answers(24), length=5), choices=shots(0)),
        replace(row("1@2", answers(22), length=2), choices=shots(1)),
        row(0, answers(20), kind="baseline"),
    ],
    data={"facts": {"asked_queries": [1000 + place for place in range(40)]}},
)


def test_questions_that_flipped_are_named_with_their_shots() -> None:
    found = compare(STUDY, "1@2", "1")
    assert found.difference == pytest.approx(2 / 40)
    assert found.p == pytest.approx(0.5)  # two questions, both one way: 2 / 4
    assert [flip.question for flip in found.flips] == [1022, 1023]
    assert found.flips[0].scores == (0.0, 1.0)
    assert found.flips[0].choices == ([23, 122], [22, 122])
    assert found.other_choices == 1.0
    text = comparison_text(found, STUDY.config, shown_flips=1)
    assert "length                                           2               5  *" in text
    assert "trial 1 is +5.000 points from trial 1@2" in text
    assert "2 questions gained, 0 lost" in text
    assert "question 1022: 0.00 with 23 122 -> 1.00 with 22 122" in text
    assert "question 1023" not in text


def test_rows_have_the_names_that_people_use() -> None:
    labels = [compare(STUDY, name, "1@2").rows[0].label for name in ("best", "baseline", "start")]
    assert labels == ["trial 1", "trial 0", "control start"]


def test_the_best_is_what_the_rule_takes_and_the_highest_has_the_highest_score() -> None:
    rows = [row(1, answers(21), length=6), row(2, answers(20), length=1)]
    study_ = evidence(rows, config=study("best: {rule: one_standard_error}\n"))
    assert compare(study_, "best", "highest").rows[0].label == "trial 2"
    assert compare(study_, "highest", "best").rows[0].label == "trial 1"


def test_an_unknown_row_and_a_row_with_itself_are_told() -> None:
    with pytest.raises(UsageError, match="no complete row '9'; it has start, 1, 1@2, 0"):
        compare(STUDY, "9", "1")
    with pytest.raises(UsageError, match="best and 1 are both trial 1; name two rows"):
        compare(STUDY, "best", "1")


def test_without_scores_by_question_no_test_is_claimed() -> None:
    study = evidence([row(1, None, score=0.6), row(0, answers(20), kind="baseline")])
    text = comparison_text(compare(study, "1", "0"), study.config, shown_flips=3)
    assert "no test can tell" in text
