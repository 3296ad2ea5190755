import pytest

from sweeper.trainers.command.macros import MacroError, Macros, is_macro

MACROS = Macros(
    params={"lr": 1e-4, "note": "a ${lr} $$ 'b c' é", "freeze": "backbone", "amp": True},
    own={"trial.dir": "/a b/0003", "seed": "7"},
    environment={"HOME": "/home/me"},
    cases={"freeze": {"backbone": ["--freeze_backbone", "--lr=${lr}"], "none": []}},
)


def test_everything_is_replaced_once_and_stays_one_argument() -> None:
    written = ["train.py", "--out=${trial.dir}/x", "${note}", "${ seed }", 3, 0.5, "$$${lr}$${lr}"]
    assert MACROS.arguments(written) == [
        "train.py",
        "--out=/a b/0003/x",
        "a ${lr} $$ 'b c' é",
        "7",
        "3",
        "0.5",
        "$0.0001${lr}",
    ]


def test_all_arguments_stand_for_every_parameter_and_cases_for_theirs() -> None:
    assert MACROS.arguments(["${args}"]) == [
        *("--lr", "0.0001", "--note", "a ${lr} $$ 'b c' é"),
        *("--freeze_backbone", "--lr=0.0001", "--amp", "true"),
    ]
    assert MACROS.arguments(["${args_equals}"])[:1] == ["lr=0.0001"]
    assert MACROS.arguments(["a", "${freeze}", "b"]) == [
        "a",
        "--freeze_backbone",
        "--lr=0.0001",
        "b",
    ]
    without = Macros(
        params={"freeze": "none"}, own={}, environment={}, cases={"freeze": {"none": []}}
    )
    assert without.arguments(["a", "${args}", "${freeze}"]) == ["a"]


def test_a_parameter_alone_keeps_its_type_in_a_config_file() -> None:
    told = MACROS.value({"a": ["${lr}", "at ${lr}"], "b": {"c": "${amp}"}, "d": None})
    assert told == {"a": [1e-4, "at 0.0001"], "b": {"c": True}, "d": None}


def test_the_environment_of_the_driver_is_there() -> None:
    assert MACROS.text("${env:HOME}/x") == "/home/me/x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--all=${args}", "let it stand alone"),
        ("${env:NOWHERE}", "the environment has no NOWHERE"),
        ("${kl}", "stands for nothing in this trial"),
    ],
)
def test_what_stands_for_nothing_is_an_error(text: str, words: str) -> None:
    with pytest.raises(MacroError, match=words):
        MACROS.arguments([text])


def test_a_parameter_outweighs_a_macro_of_its_name() -> None:
    named = Macros(params={"seed": 3, "args": "x"}, own={"seed": "7"}, environment={})
    assert named.arguments(["${seed}", "${args}"]) == ["3", "x"]


def test_names_that_are_macros_are_known() -> None:
    assert all(map(is_macro, ("trial.dir", "gpu", "args", "env:HOME")))
    assert not is_macro("lr")
