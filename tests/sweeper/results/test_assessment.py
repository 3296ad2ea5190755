from dataclasses import replace

import numpy as np
import pytest
from fakes.evidence_rows import answers, evidence, row

from sweeper.results.assessment import assess


def test_a_lead_that_most_questions_share_is_better_than_the_baseline() -> None:
    best, baseline = row(1, answers(36)), row(0, answers(20), kind="baseline")
    found = assess(evidence([best, baseline]))
    assert found.outcome == "better"
    assert found.leader is not None
    assert found.leader.difference == pytest.approx(0.4)
    # sixteen questions, all one way: 2 / 2^16
    assert found.leader.p == pytest.approx(2.0**-15)


def test_a_lead_of_one_question_cannot_be_told_from_the_baseline() -> None:
    found = assess(evidence([row(1, answers(21)), row(0, answers(20), kind="baseline")]))
    assert found.outcome == "untold"
    assert found.needed is not None
    assert found.questions is not None
    assert found.needed > found.questions


def test_equal_answers_are_identical_and_grouped() -> None:
    rows = [row(1, answers(20), step=2e-3), row(0, answers(20), kind="baseline")]
    found = assess(evidence(rows))
    assert found.outcome == "identical"
    assert found.identical == [["trial 1", "trial 0"]]


def test_seeds_that_disagree_take_the_claim_back() -> None:
    # mean over two seeds: 36 and 20 of 40 right, hence better by questions alone
    first, second = answers(40)[None], answers(16)[None]
    by_seed = np.concatenate([first, second])
    best = replace(row(1, by_seed.mean(axis=0)), seed_scores=by_seed)
    base = replace(
        row(0, answers(14), kind="baseline"), seed_scores=np.stack([answers(14), answers(14)])
    )
    found = assess(evidence([best, base]))
    assert found.leader is not None
    assert found.leader.p_max_t is not None
    assert found.leader.p_max_t < 0.05
    assert found.outcome == "untold"


def test_rows_that_answered_other_questions_are_not_tested() -> None:
    found = assess(evidence([row(1, answers(36)), row(0, answers(20, of=41), kind="baseline")]))
    assert found.leader is not None
    assert found.leader.p is None
    assert found.outcome == "unknown"


def test_imported_rows_of_another_evaluation_stand_apart() -> None:
    rows = [
        replace(row(n, answers(20 + n)), evaluation=name, origin="imported")
        for n, name in ((3, "vqav2"), (2, "okvqa"), (1, "okvqa"))
    ]
    found = assess(evidence([], imported=rows))
    assert [entry.row.label for entry in found.rows] == ["trial 2", "trial 1"]
    assert [other.label for other in found.apart] == ["trial 3"]


def test_the_winner_of_each_number_of_shots_is_tested_with_it() -> None:
    mean_best = row(1, answers(30, 30))
    one_shot = row(2, answers(40, 10), step=2e-3)
    base = row(0, answers(10, 12), kind="baseline")
    found = assess(evidence([mean_best, one_shot, base]))
    assert found.winners["1"].entry.row is one_shot
    assert found.winners["2"].entry.row is mean_best
    assert found.winners["1"].difference == pytest.approx(0.75)
    assert found.winners["1"].p is not None
    assert found.winners["1"].p < 0.01
    assert found.winners["1"].p_best is not None  # ten questions, all one way
    assert found.winners["1"].p_best == pytest.approx(2.0**-9)


def test_the_held_out_difference_is_one_test_of_two_rows() -> None:
    trials = [row(1, answers(36)), row(0, answers(20), kind="baseline")]
    held = {"best": row(1, answers(30)), "baseline": row(0, answers(25), kind="baseline")}
    found = assess(evidence(trials, confirmed=held))
    assert found.held_out is not None
    assert found.held_out.p == pytest.approx(2.0**-4)  # five questions, all one way


def test_a_study_without_trials_says_nothing() -> None:
    assert assess(evidence([])).outcome == "nothing"
