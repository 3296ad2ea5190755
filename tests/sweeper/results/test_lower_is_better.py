"""Scores of any range, of which less is better, question by question: a perplexity."""

from dataclasses import replace

import numpy as np
import pytest
from fakes.epochs import epoch_of
from fakes.evidence_rows import evidence, losses, perplexity

from sweeper.findings import findings
from sweeper.findings.texts import texts
from sweeper.report.page import page, verdict
from sweeper.report.rendering import markdown
from sweeper.results.assessment import assess
from sweeper.results.by_part import by_part
from sweeper.results.choosing import choose, tie
from sweeper.results.comparison import compare, comparison_text

BEST = losses(1, 10.0, 30.0)  # means 11 and 31, so 21 in all
BOOKS = losses(2, 30.0, 20.0, step=1e-4, length=1)
BASE = losses(0, 40.0, 60.0, step=1e-5, kind="baseline")
STUDY = evidence([BEST, BOOKS, BASE], config=perplexity())


def test_less_is_better_than_the_baseline_and_it_is_said_so() -> None:
    found = assess(STUDY)
    assert found.outcome == "better"
    told = verdict(STUDY, found, [], "en")
    assert ") is better than the baseline: 21, -30 from it ([" in told[0]
    assert not any("point" in sentence or "%" in sentence for sentence in told)


def test_the_lowest_of_many_flatters_itself_by_being_too_low() -> None:
    rng = np.random.default_rng(0)
    rows = [
        replace(losses(n, 10.0, 10.0, step=1e-4 * n), scores=10.0 + rng.normal(size=(40, 2)))
        for n in range(1, 9)
    ]
    rows = [replace(row, score=float(row.scores.mean())) for row in rows if row.scores is not None]
    known = evidence(sorted(rows, key=lambda row: row.score), config=perplexity())
    found = assess(known)
    assert found.expected is not None
    assert found.expected > known.trials[0].score
    assert verdict(known, found, [], "en")[1].startswith("As the lowest of many")


def test_the_best_by_a_part_is_the_lowest() -> None:
    found = assess(STUDY)
    assert {part: winner.entry.row.label for part, winner in found.winners.items()} == {
        "web": "trial 1",
        "books": "trial 2",
    }
    assert [row.label for row in by_part(STUDY, "books").trials] == [
        "trial 2",
        "trial 1",
        "trial 0",
    ]
    by_kind = {finding.kind: finding for finding in findings(STUDY, found)}
    other = by_kind["another_winner_by_part"]
    assert other.facts["winners"] == "books: trial 2"
    assert "`--by books` chooses by it" in texts(other, "en", STUDY.config)[2]


def test_rules_of_choice_take_what_is_not_far_above_the_lowest() -> None:
    near = losses(3, 10.01, 30.01, length=1)  # always a little more: no setting beats it by error
    scores = np.array(near.scores)
    scores[0] -= 5.0
    mild = replace(near, scores=scores)
    far = losses(4, 15.0, 35.0, length=1, step=1e-5)  # the mildest of all, and worse
    known = evidence([BEST, mild, far, BASE], config=perplexity())
    choice = choose("one_standard_error", known, assess)
    assert choice is not None
    assert choice.row.label == "trial 3"
    tied = tie(known)
    assert tied is not None
    assert tied.count == 2


def test_a_lead_of_epochs_is_seen_where_less_is_better() -> None:
    best, base = losses(1, 10.0, 10.0, length=5), losses(0, 40.0, 40.0, length=1, kind="baseline")
    worse = losses(2, 41.5, 41.5, length=1, step=1e-2)
    known = evidence([best, base, worse], config=perplexity())
    found = {finding.kind: finding for finding in findings(known, assess(known))}
    seen = texts(found["lead_of_epochs"], "en", known.config)[1]
    assert seen.endswith("none beats the baseline (trial 2 is 1.5 behind).")


@pytest.mark.parametrize(("spread", "told"), [(1.0, False), (80.0, True)])
def test_seeds_are_unstable_by_the_lead_alone_where_there_are_no_points(
    spread: float, told: bool
) -> None:
    by_seed = np.stack([BEST.scores - spread / 2, BEST.scores + spread / 2])  # type: ignore[operator]
    known = replace(STUDY, rows=[replace(BEST, seed_scores=by_seed), BASE])
    assert ("unstable_seeds" in {f.kind for f in findings(known, assess(known))}) is told


def test_questions_without_choices_are_compared_by_their_scores() -> None:
    told = comparison_text(compare(STUDY, "0", "1"), STUDY.config, shown_flips=1)
    assert "trial 1 is -30 from trial 0: 95 % interval [-30, -30]" in told
    assert "40 questions gained, 0 lost" in told
    assert "  question 0: 50 -> 20\n" in f"{told}\n"


def test_a_report_has_columns_by_name_and_says_which_way_is_up() -> None:
    rows = [
        replace(row, epochs=[epoch_of(1, score=30.0), epoch_of(2, score=21.0)])
        for row in (BEST, BOOKS, BASE)
    ]
    known = replace(STUDY, rows=rows)
    weighed = assess(known)
    laid = page(known, weighed, [], next_study="", language="en")
    text = markdown(laid)
    assert "| setting | web | books | mean | from the baseline | p | cannot be told from" in text
    assert "perplexity: less is better. Intervals hold 95 %" in text
    assert "![Score by metric](figures/parts.svg)" in text
    assert "smaller lr" not in text, "the mildest is what this trainer calls so"
