from dataclasses import replace

import pytest

from sweeper.records import TrialRecord, TrialState
from sweeper.search import Goal, Search, gains_no_more, propose, ready
from sweeper.space import Parameter, Space

SEARCH = Search(
    space=Space((Parameter(name="lr", low=0.0, high=1.0),)),
    sampler_name="random",
    lag=1,
    no_gain=3,
)


def complete(scores: list[float | None]) -> list[TrialRecord]:
    """Trials with these scores; None is one that was pruned."""
    return [
        TrialRecord(
            number=number,
            params={"lr": 0.5},
            state=TrialState.PRUNED if score is None else TrialState.COMPLETE,
            score=score,
        )
        for number, score in enumerate(scores)
    ]


def ends(search: Search, scores: list[float | None]) -> int | None:
    """Before which trial the search ends."""
    rows = complete(scores)
    numbers = (n for n in range(len(rows) + 1) if gains_no_more(search, n, rows[:n]))
    return next(numbers, None)


def test_the_search_ends_after_so_many_complete_trials_without_a_better_score() -> None:
    assert ends(SEARCH, [0.5, 0.4, 0.4, 0.3]) == 4
    assert ends(SEARCH, [0.5, 0.4, 0.6, 0.3, 0.2, 0.1]) == 6
    assert ends(SEARCH, [0.5, 0.5, 0.5, 0.5]) == 4  # as good is no better
    assert ends(SEARCH, [0.5, 0.4, 0.3]) is None
    assert ends(SEARCH, [0.1, 0.2, 0.3, 0.4, 0.5]) is None
    assert ends(replace(SEARCH, no_gain=None), [0.5] * 9) is None


def test_trials_without_a_score_count_neither_way() -> None:
    assert ends(SEARCH, [None, 0.5, None, 0.4, 0.4, None, 0.3]) == 7
    assert ends(SEARCH, [None] * 9) is None


def test_a_low_score_is_the_better_one_where_it_is_minimized() -> None:
    down = replace(SEARCH, goal="minimize")
    assert ends(down, [0.5, 0.6, 0.6, 0.7]) == 4
    assert ends(down, [0.5, 0.4, 0.3, 0.2]) is None


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_the_end_goes_by_numbers_and_not_by_what_happens_to_be_known(goal: Goal) -> None:
    search = replace(SEARCH, lag=3, goal=goal)
    rows = complete([0.5] * 6)
    opened = [replace(row, state=TrialState.RUNNING, score=None) for row in rows]
    better = [replace(row, score=0.9 if goal == "maximize" else 0.1) for row in rows]
    for later in (rows, opened, better):  # trial 6 knows trials 0 to 3
        assert gains_no_more(search, 6, list(reversed([*rows[:4], *later[4:]])))
    assert not gains_no_more(search, 5, rows)


def test_proposals_wait_for_what_the_end_depends_on_and_stay_as_they_are() -> None:
    rows = complete([0.5] * 3)
    opened = [replace(rows[0], state=TrialState.RUNNING, score=None), *rows[1:]]
    free = replace(SEARCH, no_gain=None)
    assert ready(free, 3, opened)
    assert not ready(SEARCH, 3, opened)
    assert propose(SEARCH, 3, rows) == propose(free, 3, rows)
