from dataclasses import replace

import numpy as np
import pytest
from fakes.epochs import epoch_of
from fakes.evidence_rows import answers, evidence, row

from sweeper.errors import UsageError
from sweeper.results.assessment import assess
from sweeper.results.by_part import by_part

EPOCHS = (
    epoch_of(1, **{"score": 0.5, "accuracy/shot_1": 0.4, "accuracy/shot_2": 0.6}),
    epoch_of(2, loss=1.0),
)
CHOSEN = np.arange(80).reshape(40, 2)
MEAN = row(1, answers(30, 10), epochs=EPOCHS, choices=CHOSEN)  # best on average
TWO = row(2, answers(5, 20), step=1e-4)  # best with two shots
BASE = row(0, answers(8, 8), step=1e-5, kind="baseline")
START = row("start", answers(4, 6), kind="control")
STUDY = evidence([START, MEAN, TWO, BASE], confirmed={"baseline": BASE, "best": MEAN})


def test_trials_stand_in_the_order_of_that_number_of_shots_below_the_controls() -> None:
    seen = by_part(STUDY, "shot_2")
    assert [found.label for found in seen.rows] == [
        "control start",
        "trial 2",
        "trial 1",
        "trial 0",
    ]
    assert [found.score for found in seen.rows] == [6 / 40, 20 / 40, 10 / 40, 8 / 40]
    assert by_part(STUDY, "shot_1").trials[0].label == "trial 1"


def test_all_numbers_of_a_row_are_those_of_its_column() -> None:
    seen = by_part(STUDY, "shot_2").trials[1]
    assert seen.accuracy == {"2": 10 / 40}
    assert seen.scores is not None
    assert np.array_equal(seen.scores, answers(10))
    assert [epoch.score for epoch in seen.epochs] == [0.6, None]
    first = by_part(STUDY, "shot_1").trials[0]
    assert first.choices is not None
    assert np.array_equal(first.choices, CHOSEN[:, :1])  # the second demonstration was not seen


def test_tests_and_corrections_work_on_it_unchanged() -> None:
    told = assess(by_part(STUDY, "shot_2"))
    assert told.leader is not None
    assert told.leader.row.label == "trial 2"
    assert told.leader.difference == pytest.approx(12 / 40)
    assert told.outcome == "better"
    assert [found.entry.row.label for found in told.winners.values()] == ["trial 2"]


def test_the_held_out_best_is_that_number_of_shots_own() -> None:
    assert list(by_part(STUDY, "shot_1").confirmed) == ["baseline", "best"]
    seen = by_part(STUDY, "shot_2").confirmed
    assert list(seen) == ["baseline", "trial 1"]  # trial 2 was never confirmed
    assert seen["baseline"].score == 8 / 40


def test_a_final_does_not_cost_a_trial_the_place_that_the_search_gave_it() -> None:
    final = row(3, answers(9, 9), final=True, searched={"1": 0.9, "2": 0.9})
    seen = by_part(evidence([final, MEAN]), "shot_1")
    assert [found.label for found in seen.rows] == ["trial 3", "trial 1"]
    behind = row(3, answers(39, 9), final=True, searched={"1": 0.1, "2": 0.1})
    seen = by_part(evidence([behind, MEAN]), "shot_1")
    assert [found.label for found in seen.rows] == ["trial 1", "trial 3"]


def test_rows_without_that_number_are_left_out() -> None:
    seen = by_part(evidence([MEAN, row(4, answers(39))]), "shot_2")
    assert [found.label for found in seen.rows] == ["trial 1"]


@pytest.mark.parametrize("name", ["shot_3", "2", "shots_2", "score"])
def test_a_name_that_is_no_number_of_shots_lists_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=f"^--by {name}: study 'rows' has shot_1, shot_2$"):
        by_part(STUDY, name)


def test_a_study_of_losses_has_none() -> None:
    loss = replace(row(1, None, score=4.0), accuracy={})
    with pytest.raises(UsageError, match="none: its score is the mean of no others"):
        by_part(evidence([loss]), "shot_1")
