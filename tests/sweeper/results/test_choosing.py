import numpy as np
import pytest
from fakes.evidence_rows import answers, evidence, row

from sweeper.results.assessment import Assessment, assess
from sweeper.results.choosing import choices, choose, mildness, tie
from sweeper.results.evidence import Evidence


def never(_: Evidence) -> Assessment:
    raise AssertionError("this rule needs no tests")


@pytest.mark.parametrize(
    ("milder", "bolder"),
    [
        ({"length": 2, "what": "none", "step": 1e-2}, {"length": 3, "what": "projections"}),
        ({"what": "projections"}, {"what": "backbone"}),
        ({"what": "backbone", "step": 1e-2}, {"what": "head_then_all:2"}),
        ({"what": "head_then_all:2"}, {"what": "none"}),
        ({"step": 1e-4, "pull": 0.01}, {"step": 1e-3, "pull": 0.3}),
        ({"pull": 0.3}, {"pull": 0.2}),
    ],
)
def test_milder_is_fewer_epochs_then_fewer_tensors_a_smaller_step_a_stronger_pull(
    milder: dict[str, object], bolder: dict[str, object]
) -> None:
    """Each pair differs in its deciding criterion; later ones that speak against it are idle."""
    assert mildness(row(9, None, **milder)) < mildness(row(1, None, **bolder))


def test_of_equally_mild_settings_the_lower_number_comes_first_a_part_before_its_whole() -> None:
    names = ["10", 2, "2@1", "2@3", 11]
    ordered = sorted((row(name, None) for name in names), key=mildness)
    assert [found.label.split()[1] for found in ordered] == ["2@1", "2@3", "2", "10", "11"]


HIGHEST = row(1, answers(30), length=6)


def test_highest_takes_the_first_of_the_ranking_without_asking_for_tests() -> None:
    found = choose("highest", evidence([HIGHEST, row(2, answers(30), length=1)]), never)
    assert found is not None
    assert (found.row, found.reason, found.text()) == (HIGHEST, "highest", "")
    assert choose("highest", evidence([row("start", answers(9), kind="control")]), never) is None


def test_one_standard_error_takes_the_mildest_whose_distance_is_within_its_own_error() -> None:
    # One answer behind: 1/40, and the error of one difference in 40 is just as much.
    near = row(2, answers(29), length=2)
    # Three behind: 3/40 = 0.075, and the error is sqrt(3/40 * 37/40 / 39) = 0.042.
    far = row(3, answers(27), length=1)
    found = choose("one_standard_error", evidence([HIGHEST, near, far]), never)
    assert found is not None
    assert (found.row, found.reason, found.among) == (near, "mildest", 2)
    assert found.text() == (
        "trial 2 is the mildest of 2 settings within one standard error of trial 1, the best"
    )


def test_the_error_is_that_of_the_paired_difference_not_of_the_scores() -> None:
    # As far behind as the one above, but 13 answers lost and 10 won: 0.075, and the error is 0.121.
    other = row(2, answers(27)[::-1], length=1)
    assert HIGHEST.score - other.score == pytest.approx(3 / 40)
    found = choose("one_standard_error", evidence([HIGHEST, other]), never)
    assert found is not None
    assert found.row is other


def test_only_settings_that_answered_the_same_questions_are_rivals() -> None:
    fewer = row(2, answers(15, of=20), length=1)
    unknown = row(3, None, length=1)
    holes = row(4, np.where(answers(1) > 0, np.nan, answers(30)), length=1)
    searched = row(5, answers(30), length=1)
    final = row(1, answers(30), length=6, final=True)
    found = choose("one_standard_error", evidence([final, fewer, unknown, holes, searched]), never)
    assert found is not None
    assert (found.row, found.among) == (final, 1)
    assert found.text().endswith("of 1 settings within one standard error of that one itself")


def test_a_setting_that_was_tried_twice_counts_once() -> None:
    found = choose("one_standard_error", evidence([HIGHEST, row(7, answers(29), length=6)]), never)
    assert found is not None
    assert found.among == 1


@pytest.mark.parametrize("rule", ["one_standard_error", "significant"])
def test_without_scores_by_question_the_highest_is_taken_and_that_is_said(rule: str) -> None:
    best = row(1, None, length=6)
    found = choose(rule, evidence([best, row(2, None)]), never)  # type: ignore[arg-type]
    assert found is not None
    assert (found.row, found.reason) == (best, "unknown")
    assert found.text() == f"trial 1 has the best score; {rule} needs scores by question"


def test_significant_stays_with_the_baseline_where_nothing_is_proven_better() -> None:
    baseline = row(0, answers(28), kind="baseline", length=5)
    shown = evidence([HIGHEST, row(2, answers(29), length=1), baseline])
    found = choose("significant", shown, assess)
    assert found is not None
    assert (found.row, found.reason) == (baseline, "baseline")
    assert found.text() == "trial 0 stays: no setting is proven better than the baseline"


def test_significant_takes_the_mildest_that_is_proven_better_and_may_be_the_best() -> None:
    baseline = row(0, answers(10), kind="baseline", length=1)
    good = row(2, answers(29), length=2)
    proven_but_worse = row(3, answers(20), length=1, what="backbone")
    shown = evidence([HIGHEST, good, proven_but_worse, baseline])
    found = choose("significant", shown, assess)
    assert found is not None
    assert (found.row, found.among) == (good, 2)
    assert found.text() == (
        "trial 2 is the mildest of 2 settings that cannot be told from trial 1, the best"
    )


def test_significant_leaves_out_what_may_be_no_better_than_the_baseline() -> None:
    baseline = row(0, answers(15), kind="baseline", step=1e-5)
    unproven = row(2, answers(27)[::-1], length=1)  # 25 answers won, 13 lost: p = 0.07
    shown = evidence([HIGHEST, unproven, baseline])
    assert [entry.may_be_best for entry in assess(shown).rows[:2]] == [True, True]
    found = choose("significant", shown, assess)
    assert found is not None
    assert (found.row, found.among) == (HIGHEST, 1)


def test_a_baseline_whose_setting_was_luckier_with_another_seed_is_still_to_be_beaten() -> None:
    baseline = row(0, answers(28), kind="baseline", length=6)
    found = choose("significant", evidence([HIGHEST, baseline]), assess)
    assert found is not None
    assert (found.row, found.reason) == (baseline, "baseline")


def test_significant_without_a_baseline_asks_only_who_may_be_the_best() -> None:
    mild, worse = row(2, answers(29), length=1), row(3, answers(10), length=1, step=1e-4)
    found = choose("significant", evidence([HIGHEST, mild, worse]), assess)
    assert found is not None
    assert (found.row, found.reason, found.among) == (mild, "mildest", 2)


def test_what_each_rule_would_take_comes_from_one_assessment() -> None:
    baseline = row(0, answers(27), kind="baseline", length=1)
    shown = evidence([HIGHEST, row(2, answers(29), length=2), baseline])
    found = choices(shown, assess(shown))
    assert {rule: choice.row.label for rule, choice in found.items()} == {
        "highest": "trial 1",
        "one_standard_error": "trial 2",
        "significant": "trial 0",
    }
    nothing = evidence([])
    assert choices(nothing, assess(nothing)) == {}


def test_a_tie_counts_settings_that_may_be_the_best_the_best_included() -> None:
    rows = [HIGHEST, row(2, answers(29)), row(3, answers(5), step=1e-4)]
    found = tie(evidence(rows))
    assert found is not None
    assert (found.count, found.settings, found.questions) == (2, 3, 40)
    assert found.text() == "2 of 3 settings cannot be told from the best on 40 questions"
    alone = tie(evidence([HIGHEST, rows[2]]))
    assert alone is not None
    assert alone.text() == "the best of 2 settings can be told from all others on 40 questions"
    assert tie(evidence([row(1, None)])) is None
