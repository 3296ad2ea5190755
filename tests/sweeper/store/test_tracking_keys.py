import math

import pytest
from fakes.epochs import epoch_of
from hypothesis import given
from hypothesis import strategies as st

from sweeper.store.tracking.keys import (
    MAX_KEY,
    curve_points,
    finite_or_nan,
    metric_key,
    phase_groups,
    text,
)

EPOCH = epoch_of(
    3,
    **{
        "loss": 0.5,
        "kl": None,
        "accuracy/shot_1": 0.75,
        "drift/cross_attn.in_proj_weight/relative_norm": 0.125,
        "drift/cross_attn.in_proj_weight/max_abs": 0.5,
    },
)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("loss", "loss"),
        ("accuracy/shot_1", "accuracy/shot_1"),
        ("学习率 é", "学习率 é"),
        ("top-5%@1", "top-5__1"),
        ("/a//b/", "a/b"),
        ("../x", "x"),
        ("", "_"),
    ],
)
def test_a_key_keeps_what_mlflow_takes_and_replaces_the_rest(name: str, key: str) -> None:
    assert metric_key(name) == key


@given(st.text(max_size=600))
def test_a_key_is_short_enough_and_stays_itself(name: str) -> None:
    key = metric_key(name)
    assert 1 <= len(key) <= MAX_KEY
    assert metric_key(key) == key


def test_long_names_that_begin_alike_get_different_keys() -> None:
    assert metric_key("a" * 300 + "1") != metric_key("a" * 300 + "2")


def test_curves_are_grouped_by_phase_with_the_epoch_as_step_and_its_time() -> None:
    points = {point.key: point for point in curve_points(EPOCH)}
    assert list(points) == [
        "grpo/loss",
        "grpo/kl",
        "grpo/accuracy/shot_1",
        "grpo/drift relative_norm/cross_attn.in_proj_weight",
    ]
    assert points["grpo/loss"] == ("grpo/loss", 0.5, 1003000, 3)
    assert math.isnan(points["grpo/kl"].value)


def test_a_second_phase_of_a_kind_gets_curves_of_its_own() -> None:
    groups = phase_groups(["grpo", "grpo", "rce"])
    assert groups == ("grpo", "grpo 2", "rce")
    assert curve_points(EPOCH, groups)[0].key == "grpo 2/loss"


@pytest.mark.parametrize("value", [None, math.inf, -math.inf, math.nan])
def test_numbers_that_are_not_finite_become_nan(value: float | None) -> None:
    assert math.isnan(finite_or_nan(value))


@pytest.mark.parametrize("value", [0.1, 1e-05, 1 / 3, 1e22])
def test_a_float_is_written_so_that_it_reads_back_exactly(value: float) -> None:
    assert float(text(value, 100)) == value


def test_a_long_text_is_cut_to_the_limit_and_says_so() -> None:
    cut = text("x" * 9000, 6000)
    assert len(cut) == 6000
    assert cut.endswith("x [... cut, 9000 characters]")
    assert text("x" * 6000, 6000) == "x" * 6000
