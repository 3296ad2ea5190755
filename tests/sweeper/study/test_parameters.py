from typing import Any

import pytest

from sweeper.space import Parameter
from sweeper.study.parameters import build_parameter, log_uniform_hint
from sweeper.study.sections import ParameterEntry


def built(entry: dict[str, Any]) -> Parameter:
    parameter, complaints = build_parameter("x", ParameterEntry.model_validate(entry))
    assert not complaints
    return parameter


def only_complaint(entry: dict[str, Any]) -> tuple[str, str]:
    _, [found] = build_parameter("x", ParameterEntry.model_validate(entry))
    return ".".join(map(str, found.where)), found.text


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        ({"min": 1, "max": 6}, {"low": 1, "high": 6, "integer": True}),
        ({"min": 1, "max": 6.0}, {"low": 1.0, "high": 6.0}),
        ({"min": 1, "max": 64, "log": True}, {"low": 1, "high": 64, "log": True, "integer": True}),
        ({"min": 0, "max": 1, "step": 0.25}, {"low": 0.0, "high": 1.0, "step": 0.25}),
        ({"min": 0.0, "max": 0.3, "step": 0.1}, {"low": 0.0, "high": 0.3, "step": 0.1}),
        ({"min": 2, "max": 8, "step": 3}, {"low": 2, "high": 8, "step": 3, "integer": True}),
        (
            {"min": 1, "max": 6, "fidelity": True},
            {"low": 1, "high": 6, "integer": True, "fidelity": True},
        ),
        ({"values": [2, "a", True]}, {"choices": (2, "a", True)}),
        ({"values": [{"head_then_all": 2}]}, {"choices": ("head_then_all:2",)}),
        ({"value": 3}, {"fixed": 3}),
    ],
)
def test_an_entry_becomes_a_parameter(entry: dict[str, Any], fields: dict[str, Any]) -> None:
    found, expected = built(entry), Parameter(name="x", **fields)
    assert found == expected
    assert (type(found.low), type(found.step)) == (type(expected.low), type(expected.step))


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        (
            {"distribution": "log_uniform_values", "min": 1, "max": 10},
            {"low": 1.0, "high": 10.0, "log": True},
        ),
        ({"distribution": "uniform", "min": 0, "max": 1}, {"low": 0.0, "high": 1.0}),
        (
            {"distribution": "int_uniform", "min": 0, "max": 1},
            {"low": 0, "high": 1, "integer": True},
        ),
        (
            {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.5},
            {"low": 0.0, "high": 1.0, "step": 0.5},
        ),
        ({"distribution": "categorical", "values": ["a"]}, {"choices": ("a",)}),
        ({"distribution": "constant", "value": 1e-4}, {"fixed": 1e-4}),
    ],
)
def test_wandb_distributions_mean_what_they_mean_there(
    entry: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert built(entry) == Parameter(name="x", **fields)


@pytest.mark.parametrize(
    ("entry", "where", "text"),
    [
        ({}, "", "needs either `min` and `max`, or `values`, or `value`"),
        ({"min": 1, "max": 2, "value": 1}, "", "needs either `min` and `max`, or"),
        ({"min": 1}, "", "needs `max` too"),
        ({"max": 1, "log": True}, "", "needs `min` too"),
        ({"min": 2, "max": 2}, "max", "must be greater than min 2, but got 2; one value alone"),
        ({"min": 0.0, "max": 1.0, "log": True}, "min", "must be > 0 on a log scale, but got 0.0"),
        (
            {"min": 0.1, "max": 1.0, "log": True, "step": 0.1},
            "step",
            "does not go with a log scale; leave one out",
        ),
        (
            {"min": 0.0, "max": 1.0, "step": 0.3},
            "step",
            "must lead from min to max, but steps of 0.3 end at 0.9",
        ),
        (
            {"min": 0, "max": 4, "step": 3},
            "step",
            "must lead from min to max, but steps of 3 end at 3",
        ),
        ({"min": 0.0, "max": 1.0, "q": -1}, "q", "must be > 0, but got -1"),
        ({"min": 0, "max": 4, "step": 2.0}, "step", "must be written 2 between whole bounds"),
        ({"min": 0, "max": 4, "fidelity": True}, "fidelity", "is for a number of epochs"),
        ({"min": 1.0, "max": 4.0, "fidelity": True}, "fidelity", "is for a number of epochs"),
        ({"values": []}, "values", "needs at least one value"),
        ({"values": ["a", "b", "a"]}, "values.2", "'a' stands here twice"),
        ({"values": [1, True]}, "values.1", "true equals 1, which stands here too"),
        ({"values": ["a"], "log": True}, "log", "is for a range; leave it out beside `values`"),
        ({"value": 1, "otherwise": 2}, "otherwise", "has no effect without `when`"),
        ({"value": 1, "when": {}}, "when", "names no parameter"),
        ({"value": 1, "when": {"a": []}}, "when.a", "needs at least one value"),
        (
            {"distribution": "categorical", "min": 1, "max": 2},
            "distribution",
            "categorical needs `v",
        ),
        (
            {"distribution": "constant", "values": [1]},
            "distribution",
            "must be categorical for `val",
        ),
        (
            {"distribution": "int_uniform", "min": 1, "max": 2.5},
            "distribution",
            "int_uniform needs",
        ),
        ({"distribution": "q_uniform", "min": 1, "max": 2}, "distribution", "q_uniform needs `q`"),
        ({"min": 0, "max": 4, "step": 2, "q": 2}, "q", "is W&B's word for `step`; leave one out"),
    ],
)
def test_a_wrong_entry_is_told_at_the_key_that_is_wrong(
    entry: dict[str, Any], where: str, text: str
) -> None:
    found = only_complaint(entry)
    assert found[0] == where
    assert found[1].startswith(text)


@pytest.mark.parametrize("name", ["lr", "opt.lr", "学习率", "a-b_c"])
def test_a_name_is_a_word(name: str) -> None:
    assert build_parameter(name, ParameterEntry(value=1))[1] == []


@pytest.mark.parametrize("name", ["", "1a", "a b", "a}", "-x", "x" * 101])
def test_a_name_that_mlflow_or_a_reference_cannot_hold_is_refused(name: str) -> None:
    [found] = build_parameter(name, ParameterEntry(value=1))[1]
    assert found.text.startswith("a parameter's name is up to 100 letters")


@pytest.mark.parametrize(
    ("bounds", "offer"),
    [
        # e^-11.513 = 0.00001, e^-4.605 = 0.01
        (
            {"min": -11.513, "max": -4.605},
            ", {min: 1e-05, max: 0.01, log: true} for these exponents",
        ),
        # e^0.0001 = 1.0001, e^0.001 = 1.001
        (
            {"min": 1e-4, "max": 1e-3},
            ", {min: 1.0001, max: 1.001, log: true} for these exponents or "
            "{min: 0.0001, max: 0.001, log: true} if they are values",
        ),
        ({"min": 32, "max": 4096}, ", {min: 32, max: 4096, log: true} if they are values"),
        ({"min": "a", "max": 1}, ""),
        ({"min": 2, "max": 1}, ""),
    ],
)
def test_log_uniform_is_refused_with_both_ranges_that_may_be_meant(
    bounds: dict[str, Any], offer: str
) -> None:
    hint = log_uniform_hint({"distribution": "log_uniform", **bounds})
    assert hint is not None
    text = "log_uniform takes exponents of e for bounds; write values and `log: true`"
    assert hint == text + offer


def test_another_distribution_needs_no_hint() -> None:
    assert log_uniform_hint({"distribution": "uniform"}) is None


@pytest.mark.parametrize(
    ("given", "where", "text"),
    [
        ([0.5], "probabilities", "must be as many as `values`, 2, but got 1"),
        ([1, 0], "probabilities", "must be > 0, but got 0; leave out a value"),
        ([0.5, 0.6], "probabilities", "must add up to 1, but got 1.1"),
    ],
)
def test_probabilities_fit_the_values(given: list[float], where: str, text: str) -> None:
    found = only_complaint({"values": ["a", "b"], "probabilities": given})
    assert (found[0], found[1][: len(text)]) == (where, text)


def test_probabilities_without_values_are_refused() -> None:
    entry = {"min": 1, "max": 2, "probabilities": [1]}
    assert only_complaint(entry) == ("probabilities", "go with `values`")


def test_otherwise_has_the_type_of_a_float_parameter() -> None:
    found = built({"min": 0.1, "max": 0.5, "when": {"a": ["b"]}, "otherwise": 0})
    assert type(found.otherwise) is float
