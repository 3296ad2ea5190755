import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.trainers.command.results.pointers import (
    Match,
    matches,
    number_of,
    whats_there,
    whole_number_of,
)

CONTENT = {
    "eval": {"accuracy": 0.5, "acc,none": 0.25},
    "runs": [{"score": 1}, {"score": 2}],
    "a/b": {"~": 3},
    "2026-01-01-questions=200": {"shot": 4},
    "*": 5,
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/eval/accuracy", [((), 0.5)]),
        ("/eval/acc,none", [((), 0.25)]),
        ("/runs/1/score", [((), 2)]),
        ("/runs/*/score", [(("0",), 1), (("1",), 2)]),
        ("/runs/2/score", []),
        ("/a~1b/~0", [((), 3)]),
        ("a/b", [((), {"~": 3})]),
        ("/*=200/shot", [(("2026-01-01-questions=200",), 4)]),
        ("/*", [((), 5)]),
        ("/eval/accuracy/further", []),
        ("loss", []),
    ],
)
def test_a_key_or_pointer_leads_to_values(text: str, found: list[tuple[object, object]]) -> None:
    assert matches(CONTENT, text) == found


@given(st.dictionaries(st.text(), st.integers(), min_size=1))
def test_every_key_has_a_pointer(content: dict[str, int]) -> None:
    for key, value in content.items():
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        assert Match((), value) in matches(content, pointer)


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("/eval/acuracy", "below '/eval' there are accuracy, acc,none; did you mean 'accuracy'?"),
        ("/runs/9", "below '/runs' there are 0 to 1"),
        ("/eval/accuracy/x", "below '/eval/accuracy' there is 0.5"),
        ("evel", "there are eval, runs, a/b, 2026-01-01-questions=200, *; did you mean 'eval'?"),
    ],
)
def test_a_way_that_leads_nowhere_tells_what_is_there(text: str, there: str) -> None:
    assert whats_there(CONTENT, text) == there


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (True, 1.0),
        ("-1.5e-3", -0.0015),
        (" +.5 ", 0.5),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        (10**400, math.inf),
        ("1_000", None),
        ("0.5,", None),
        (None, None),
        ([1], None),
    ],
)
def test_numbers_are_told_from_what_is_none(value: object, number: float | None) -> None:
    assert number_of(value) == number


def test_nan_is_a_number_and_no_whole_one() -> None:
    assert math.isnan(number_of("nan") or 0)
    assert [whole_number_of(value) for value in ("3.0", 4, "nan", 0.5)] == [3, 4, None, None]
