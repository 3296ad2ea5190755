import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.trainers.command.results import Follower, Point, Results, ResultsError
from sweeper.trainers.command.results.following import LONGEST
from sweeper.trainers.command.results.patterns import line_pattern
from sweeper.trainers.command.results.spec import Source

EPOCH = r"epoch (?P<epoch>\d+): loss=(?P<loss>)"


def follower(*patterns: str, step: str | None = "epoch") -> Follower:
    return Follower(Results((Source(stdout=list(patterns), step=step),)))


def test_named_groups_are_metrics_by_step() -> None:
    found = follower(EPOCH)
    points = found.feed(b"start\nepoch 1: loss=0.5 ok\n\nepoch 2: loss=-.25\n")
    assert points == [Point(1, {"loss": 0.5}), Point(2, {"loss": -0.25})]
    assert found.metrics == {"loss": -0.25}
    assert found.outcome().curve == tuple(points)
    assert found.warnings == ()


OUTPUT = b"epoch 1: loss=0.5\nnothing\r\nepoch 2: loss=1e-3\r 50 %\repoch 3: loss=nan\nepoch 4: lo"


@given(st.lists(st.integers(0, len(OUTPUT)), max_size=8))
def test_output_may_be_cut_anywhere(places: list[int]) -> None:
    found = follower(EPOCH)
    cuts = [0, *sorted(places), len(OUTPUT)]
    points = [
        point for begin, end in itertools.pairwise(cuts) for point in found.feed(OUTPUT[begin:end])
    ]
    assert str(points) == str(
        [Point(1, {"loss": 0.5}), Point(2, {"loss": 0.001}), Point(3, {"loss": math.nan})]
    )


def test_a_last_line_without_an_end_is_read_at_the_end() -> None:
    found = follower(EPOCH)
    assert found.feed(b"epoch 1: loss=0.25") == []
    assert found.close() == [Point(1, {"loss": 0.25})]
    assert found.close() == []


def test_a_step_holds_for_the_lines_below_it() -> None:
    found = follower(r"^Epoch (?P<epoch>\d+)/", "accuracy (?P<accuracy>)", "kl (?P<kl>)")
    points = found.feed(b"accuracy 0\nEpoch 1/2\naccuracy .5\nEpoch 2/2\nkl 3\naccuracy .75\n")
    assert points == [
        Point(1, {"accuracy": 0.5}),
        Point(2, {"kl": 3.0}),
        Point(2, {"accuracy": 0.75}),
    ]
    assert found.outcome().curve[1] == Point(2, {"kl": 3.0, "accuracy": 0.75})


def test_without_a_step_the_last_number_counts_and_there_is_no_curve() -> None:
    found = follower("score: (?P<score>)", step=None)
    assert found.feed(b"score: 1\nscore: 2\n") == []
    assert found.outcome().metrics == {"score": 2.0}


@pytest.mark.parametrize(
    ("text", "number"),
    [("-3.5E+2", -350.0), ("+.5", 0.5), ("7", 7.0), ("inf", math.inf), ("-Inf", -math.inf)],
)
def test_an_empty_group_takes_every_number(text: str, number: float) -> None:
    found = follower("loss=(?P<loss>)", step=None)
    found.feed(f"loss={text}, kl=2\n".encode())
    assert found.metrics == {"loss": number}


def test_rows_that_a_pattern_is_too_narrow_for_are_a_warning() -> None:
    found = follower(r"loss=(?P<loss>[0-9.]+)", step=None)
    found.feed(b"loss=loss\nloss=0.5\nloss=-0.5\nloss=nan\nloss is low\n")
    assert found.metrics == {"loss": 0.5}
    assert found.warnings == (
        "stdout: pattern 'loss=(?P<loss>[0-9.]+)' took 1 line, and 2 rows that look like it are "
        "unreadable, the first 'loss=-0.5'; an empty group, (?P<name>), takes any number",
    )


@pytest.mark.parametrize(
    ("line", "is_missed"),
    [
        ("epoch 1 loss=-1", True),
        ("epoch 1 loss=nan", True),
        ("epoch one loss=-1", False),
        ("epoch 1 loss is -1", False),
        ("epoch 1 loss=-1" + " and so on" * 50, False),  # too long to be looked at again
    ],
)
def test_a_row_is_missed_where_all_groups_have_numbers(line: str, is_missed: bool) -> None:
    assert line_pattern(r"epoch (?P<epoch>\d+) loss=(?P<loss>[0-9.]+)").misses(line) is is_missed


def test_a_table_whose_rows_a_pattern_misses_is_named_by_its_first_row() -> None:
    found = follower(r"^ *(?P<epoch>\d+) +(?P<loss>[0-9.]+)$")
    found.feed(b"epoch  loss\n    1  -0.5\n    2  -0.75\n")
    with pytest.raises(ResultsError, match=r"'loss' was not printed.* 2 rows .* first '1  -0\.5'"):
        found.outcome()


def test_a_group_that_takes_no_number_is_a_warning() -> None:
    found = follower(r"loss=(?P<loss>\S+)", step=None)
    found.feed(b"loss=0.5\nloss=0.25,\n")
    assert found.metrics == {"loss": 0.5}
    assert "took 2 lines, and 1 row that look like it are unreadable" in found.warnings[0]


def test_a_pattern_that_no_line_matches_is_named_with_the_last_line() -> None:
    found = follower("accuracy=(?P<accuracy>)", step=None)
    found.feed(b"acc=0.5\nbye\n")
    with pytest.raises(
        ResultsError,
        match=r"no new result: metric 'accuracy' was not printed: no line matches "
        r"'accuracy=\(\?P<accuracy>\)'; the last one was 'bye'",
    ):
        found.outcome()


def test_colours_are_no_part_of_a_line() -> None:
    found = follower("loss=(?P<loss>)", step=None)
    found.feed(b"\x1b[33mloss\x1b[0m=\x1b[1;36m0.5\x1b[0m\n")
    assert found.metrics == {"loss": 0.5}


def test_endless_lines_are_cut_and_the_next_one_is_read() -> None:
    found = follower("loss=(?P<loss>)", step=None)
    found.feed(b"loss=1 ")
    for _ in range(40):
        found.feed(b"x" * 1000)
    held = found._rest
    found.feed(b"loss=2\nloss=3\nlos")
    assert len(held) <= LONGEST + 1000
    assert found.metrics == {"loss": 3.0}
    found.feed(b"s=4\n")
    assert found.metrics == {"loss": 4.0}
    assert found.warnings == (f"stdout: 1 line of more than {LONGEST} bytes, read no further",)


def test_sources_count_their_own_steps() -> None:
    found = Follower(
        Results(
            (
                Source(stdout=["step (?P<step>) loss (?P<loss>)"], step="step"),
                Source(stdout=["score (?P<score>)"]),
            )
        )
    )
    assert found.feed(b"step 7 loss 1\nscore 2\n") == [Point(7, {"loss": 1.0})]
    assert found.metrics == {"loss": 1.0, "score": 2.0}


def test_without_patterns_nothing_is_held() -> None:
    found = Follower(Results((Source(reported=True),)))
    assert found.feed(b"x" * 10) == []
    assert found._rest == b""


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"epoch (?P<epoch>\d+): loss=(?P<loss>)", ": loss="),
        (r"^\[INFO\] (?P<a>x)$", "[INFO] "),
        (r"abc?(?P<a>)d*e", "ab"),
        (r"ab{2}(?P<a>)", "a"),
        (r"ab+cde(?P<a>)", "cde"),
        (r"a|bcd(?P<a>)", ""),
        (r"(?i)loss=(?P<a>)", ""),
        (r"[)(]xy\x41z\.ß(?P<a>(?:(?=q)|r))", "z.ß"),
    ],
)
def test_every_line_that_matches_has_the_patterns_text(pattern: str, literal: str) -> None:
    assert line_pattern(pattern).literal == literal
