import pytest

from sweeper.nouns import METRICS
from sweeper.scales import NATS, PER_CENT, PLAIN, told_scale
from sweeper.trainers.builtin.nouns import SHOTS


def test_a_score_stands_in_the_unit_of_its_scale() -> None:
    assert PER_CENT.text(0.5585) == "55.9 %"
    assert NATS.text(4.81234) == "4.8123 nats"
    assert PLAIN.text(-18.015776) == "-18.02"


def test_per_cent_have_the_decimals_that_are_asked_for_and_other_numbers_their_own() -> None:
    assert [scale.number(0.12345, places=3) for scale in (PER_CENT, NATS, PLAIN)] == [
        "12.345",
        "0.1235",
        "0.1235",
    ]
    assert [PER_CENT.exact(x) for x in (0.5585, 0.56125, 0.558)] == ["55.85", "56.125", "55.80"]
    assert PLAIN.exact(0.1) == "0.1"
    assert NATS.exact(0.1) == "0.1000"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (31.07, "31.07"),
        (12345.6, "12346"),
        (-3e8, "-300000000"),
        (2.5e12, "2.5e+12"),
        (2e-7, "2e-07"),
    ],
)
def test_plain_numbers_have_four_digits_and_no_exponent_where_people_write_none(
    value: float, shown: str
) -> None:
    assert PLAIN.number(value) == shown


def test_a_difference_has_its_sign_and_a_unit_of_its_own() -> None:
    assert PER_CENT.number(0.05, sign=True) + PER_CENT.apart("en") == "+5.0 points"
    assert PER_CENT.number(-0.05, sign=True) + PER_CENT.apart("zh") == "-5.0 个百分点"
    assert NATS.number(0.05, sign=True) + NATS.apart("en") == "+0.0500 nats"
    assert PLAIN.number(0.05, sign=True) + PLAIN.apart("en") == "+0.05"


def test_a_file_from_before_scales_means_per_cent_or_nats() -> None:
    assert told_scale(None, "maximize") == PER_CENT
    assert told_scale(None, "minimize") == NATS
    assert told_scale("plain", "minimize") == PLAIN
    assert told_scale("of a later version", "maximize") == PLAIN


def test_numbers_of_shots_have_names_of_their_own() -> None:
    assert [SHOTS.key("2"), SHOTS.label("1"), SHOTS.label("2")] == ["shot_2", "1 shot", "2 shots"]
    assert SHOTS.label("2", "zh") == "Shot 2"
    assert SHOTS.part("shot_2") == "2"
    assert SHOTS.part("gsm8k") is None


def test_metrics_are_called_by_their_names() -> None:
    assert [METRICS.key("gsm8k"), METRICS.label("gsm8k"), METRICS.part("gsm8k")] == ["gsm8k"] * 3


def test_numbers_are_in_order_by_size_and_names_as_the_trainer_has_them() -> None:
    assert SHOTS.in_order(["10", "2", "2"], ("2", "10")) == ["2", "10"]
    found = METRICS.in_order(["a", "gsm8k", "math", "a"], ("math", "gsm8k"))
    assert found == ["math", "gsm8k", "a"]
