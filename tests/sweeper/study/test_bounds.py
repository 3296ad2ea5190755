from pathlib import Path

import pytest

from sweeper.errors import ConfigError
from sweeper.study.bounds import parse_bound
from sweeper.study.config import parse_study

STUDY = """\
name: bounds
trainer: {phases: [{grpo: {lr: "${lr}"}}]}
parameters: {lr: {values: [1e-3, 1e-2]}}
"""


@pytest.mark.parametrize(
    ("text", "below", "at", "above"),
    [
        ("> 5", False, False, True),
        (">=5.0", False, True, True),
        (" < 5e0 ", True, False, False),
        ("<= +5", True, True, False),
    ],
)
def test_a_bound_is_an_operator_and_a_number(text: str, below: bool, at: bool, above: bool) -> None:
    bound = parse_bound("kl", text)
    assert [bound.is_crossed({"kl": kl}) for kl in (4.9, 5.0, 5.1)] == [below, at, above]


def test_an_epoch_without_the_metric_or_without_a_finite_one_crosses_no_bound() -> None:
    bound = parse_bound("kl", "> -1")
    assert not bound.is_crossed({"loss": 3.0})
    assert not bound.is_crossed({"kl": None})
    assert str(parse_bound("kl", ">1e-3")) == "kl > 0.001"


@pytest.mark.parametrize("text", ["5", "== 5", "=> 5", "!= 5", "above 5", ""])
def test_an_unknown_operator_is_told_with_those_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="must begin with one of >, >=, <, <="):
        parse_bound("kl", text)


@pytest.mark.parametrize("text", ["> five", ">", "> 5 nats", "> nan", "> 1 and < 2", "> 1_0"])
def test_what_follows_the_operator_must_be_a_number(text: str) -> None:
    with pytest.raises(ValueError, match="must be an operator and a number"):
        parse_bound("kl", text)


def test_bad_bounds_are_problems_of_the_file_each_at_its_line() -> None:
    rest = 'stop: {no_gain: 0}\nstop_if:\n  kl: "5"\n  loss: 3\n'
    with pytest.raises(ConfigError) as caught:
        parse_study(STUDY + rest, Path("bounds.yaml"))
    assert [str(problem).partition(": ")[2] for problem in caught.value.problems] == [
        "stop.no_gain: must be >= 1, but got 0",
        "stop_if.kl: must begin with one of >, >=, <, <=, but got '5'",
        "stop_if.loss: must be text, but got 3; put it in quotes",
    ]
    config = parse_study(STUDY + 'stop_if: {kl: "> 5"}', Path("bounds.yaml"))
    assert [str(bound) for bound in config.bounds] == ["kl > 5"]
