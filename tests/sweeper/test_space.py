import itertools
import math
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from sweeper.space import (
    Parameter,
    Space,
    Value,
    canonical,
    check_setting,
    complete_values,
    is_finite,
    setting_at,
    setting_number,
    settings,
    size,
)

LR = Parameter(name="lr", low=1e-5, high=1e-2, log=True)
EPOCHS = Parameter(name="epochs", low=1, high=6, integer=True, fidelity=True)
BETA = Parameter(name="beta", low=0.1, high=0.4, step=0.1)
FREEZE = Parameter(name="freeze", choices=("none", "backbone", "head_then_all"))
AFTER = Parameter(
    name="after",
    low=1,
    high=3,
    integer=True,
    when={"freeze": ("head_then_all",)},
    otherwise=0,
)
LATE = Parameter(name="late", choices=(True, False), when={"after": (2, 3)}, otherwise=False)
TASK = Parameter(name="task", fixed="easy_vqa")
NESTED = Space((TASK, FREEZE, AFTER, LATE, BETA))
MIXED = Space((LR, EPOCHS, FREEZE, AFTER, LATE, TASK))


@st.composite
def finite_spaces(draw: st.DrawFn) -> Space:
    """Up to five small parameters, each perhaps conditional on earlier ones."""
    parameters: list[Parameter] = []
    for number in range(draw(st.integers(0, 5))):
        when: dict[str, tuple[Value, ...]] = {}
        for gate in parameters:
            conditional = draw(st.booleans())
            if gate.choices and conditional:
                allowed: set[Value] = draw(st.sets(st.sampled_from(gate.choices), min_size=1))
                when[gate.name] = tuple(allowed)
        name = f"p{number}"
        form: Mapping[str, object] = draw(
            st.sampled_from(
                [
                    {"choices": ("a", "b")},
                    {"choices": (1, 2, 3)},
                    {"low": 0, "high": 4, "integer": True, "step": 2},
                    {"low": 0.1, "high": 0.5, "step": 0.2},
                    {"fixed": "constant"},
                ]
            )
        )
        parameters.append(Parameter(name=name, when=when, **form))  # type: ignore[arg-type]
    return Space(tuple(parameters))


def test_conditions_are_followed_through_gates_that_are_inactive_themselves() -> None:
    names = [p.name for p in NESTED.active({"freeze": "none", "after": 2, "beta": 0.1})]
    assert names == ["freeze", "beta"]  # `late` asks for `after`, which is not active
    names = [p.name for p in NESTED.active({"freeze": "head_then_all", "after": 2})]
    assert names == ["freeze", "after", "late", "beta"]


def test_a_condition_can_name_a_fixed_parameter() -> None:
    gated = Parameter(name="x", low=0.0, high=1.0, when={"task": ("files",)})
    assert Space((TASK, gated)).active({}) == ()
    assert Space((Parameter(name="task", fixed="files"), gated)).active({}) == (gated,)


def test_one_is_not_true_in_a_condition() -> None:
    flag = Parameter(name="flag", choices=(True, False))
    gated = Parameter(name="x", choices=("a",), when={"flag": (1,)})
    assert Space((flag, gated)).active({"flag": True}) == (flag,)


def test_complete_values_adds_the_fixed_and_what_stands_otherwise() -> None:
    values = complete_values(NESTED, {"freeze": "none", "beta": 0.2})
    assert values == {
        "task": "easy_vqa",
        "freeze": "none",
        "after": 0,
        "late": False,
        "beta": 0.2,
    }
    assert list(values) == list(NESTED.names)


def test_complete_values_leaves_out_what_has_no_value_and_refuses_a_gap() -> None:
    gated = Parameter(name="x", choices=("a",), when={"freeze": ("none",)})
    assert complete_values(Space((FREEZE, gated)), {"freeze": "backbone"}) == {"freeze": "backbone"}
    with pytest.raises(KeyError, match="beta"):
        complete_values(NESTED, {"freeze": "none"})


def test_size_counts_inactive_parameters_once() -> None:
    # beta has 4 values; freeze none and backbone: 1 each; head_then_all: after 1 -> 1, 2 and 3 -> 2
    assert size(NESTED) == 4 * (1 + 1 + (1 + 2 + 2))


def test_a_parameter_without_step_makes_the_space_infinite() -> None:
    assert is_finite(NESTED)
    assert not is_finite(MIXED)
    with pytest.raises(ValueError, match="lr have no step"):
        size(MIXED)


def test_settings_come_in_order_with_decimal_values_and_without_what_is_inactive() -> None:
    found = list(settings(NESTED))
    assert found[:5] == [
        {"freeze": "none", "beta": 0.1},
        {"freeze": "none", "beta": 0.2},
        {"freeze": "none", "beta": 0.3},  # and not 0.30000000000000004
        {"freeze": "none", "beta": 0.4},
        {"freeze": "backbone", "beta": 0.1},
    ]


def test_a_large_space_is_entered_at_any_place_without_listing_it() -> None:
    wide = Space(tuple(Parameter(name=f"p{n}", low=0, high=9, integer=True) for n in range(12)))
    assert size(wide) == 10**12
    assert "".join(str(v) for v in setting_number(wide, 314159265358).values()) == "314159265358"


def test_a_place_beyond_the_end_is_refused() -> None:
    with pytest.raises(IndexError, match="28 settings"):
        setting_number(NESTED, 28)


@effort(max_examples=150, deadline=None)
@given(finite_spaces())
def test_a_finite_space_is_enumerated_exactly(space: Space) -> None:
    """Compare with the plain way: every combination of values, without what is inactive."""
    values = {p.name: _all_values(p) for p in space.searched}
    expected = set()
    for combination in itertools.product(*values.values()):
        setting = dict(zip(values, combination, strict=True))
        active = [p.name for p in space.active(setting)]
        expected.add(tuple((name, setting[name]) for name in active))
    found = [tuple(setting.items()) for setting in settings(space)]
    assert set(found) == expected
    assert len(found) == len(expected) == size(space)
    assert [tuple(setting_number(space, i).items()) for i in range(len(found))] == found


@effort(max_examples=150, deadline=None)
@given(finite_spaces())
def test_every_setting_of_a_space_passes_its_check_and_is_canonical(space: Space) -> None:
    for setting in itertools.islice(settings(space), 50):
        assert check_setting(space, setting) == []
        assert canonical(space, setting) == setting


@effort(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_every_point_of_the_unit_cube_gives_a_setting_of_the_space(point: list[float]) -> None:
    setting = setting_at(MIXED, point)
    assert check_setting(MIXED, setting) == []
    assert [p.name for p in MIXED.active(setting)] == list(setting)


def test_the_middle_of_the_cube_is_the_middle_of_every_range() -> None:
    # sqrt(1e-5 * 1e-2) = 3.1623e-4; six whole numbers: int(0.5 * 6) = 3 steps from 1
    setting = setting_at(MIXED, [0.5, 0.5, 0.5, 0.5, 0.5])
    assert setting["lr"] == pytest.approx(math.sqrt(1e-7), rel=1e-9)
    assert setting["epochs"] == 4
    assert setting["freeze"] == "backbone"


def test_the_corners_of_the_cube_are_the_ends_of_every_range() -> None:
    space = Space((LR, EPOCHS, BETA, Parameter(name="n", low=1, high=64, integer=True, log=True)))
    assert setting_at(space, [0.0] * 4) == {"lr": 1e-5, "epochs": 1, "beta": 0.1, "n": 1}
    assert setting_at(space, [1.0] * 4) == {"lr": 1e-2, "epochs": 6, "beta": 0.4, "n": 64}


def test_equal_parts_of_the_cube_go_to_every_value() -> None:
    points = [(2 * n + 1) / 240 for n in range(120)]
    whole = Counter(setting_at(Space((EPOCHS,)), [u])["epochs"] for u in points)
    assert whole == dict.fromkeys(range(1, 7), 20)
    log = Parameter(name="n", low=1, high=2, integer=True, log=True)
    share = Counter(setting_at(Space((log,)), [u])["n"] for u in points)
    # [0.5, 1.5) of [0.5, 2.5): log 3 / log 5 = 0.683 of the logarithm
    assert share[1] == round(120 * math.log(3) / math.log(5))


def test_a_point_needs_one_coordinate_a_parameter() -> None:
    with pytest.raises(ValueError, match="zip"):
        setting_at(MIXED, [0.5] * 4)


def test_check_lists_every_problem_at_once() -> None:
    setting: dict[str, Value] = {
        "lrr": 1e-3,
        "epochs": 2.5,
        "freeze": "None",
        "after": 2,
        "task": "files",
    }
    assert check_setting(MIXED, setting) == [
        "`lrr` is not a parameter; did you mean `lr`?",
        "`epochs` must be a whole number from 1 to 6, but got 2.5",
        "`freeze` must be one of ['none', 'backbone', 'head_then_all'], but got 'None'",
        "`after` is not active in this setting (see its `when`); leave it out",
        "`task` is fixed to 'easy_vqa'; leave it out",
        "`lr` is missing; give it a value",
    ]


@pytest.mark.parametrize("value", [0.0, 1.0, math.nan, math.inf, True, "1e-3"])
def test_check_refuses_what_is_out_of_range_or_no_number(value: Value) -> None:
    [problem] = check_setting(Space((LR,)), {"lr": value})
    assert problem == f"`lr` must be a number from 1e-05 to 0.01, but got {value!r}"


def test_steps_are_tolerant_of_rounding_and_of_nothing_else() -> None:
    space = Space((BETA,))
    assert check_setting(space, {"beta": 0.1 + 0.2}) == []
    assert canonical(space, {"beta": 0.1 + 0.2}) == {"beta": 0.3}
    [problem] = check_setting(space, {"beta": 0.25})
    assert problem == "`beta` must be a number from 0.1 to 0.4 in steps of 0.1, but got 0.25"


def test_a_range_that_no_step_ends_on_is_cut() -> None:
    uneven = Parameter(name="x", low=0.0, high=1.0, step=0.3)
    assert uneven.bounds == (0.0, 0.9)
    assert [s["x"] for s in settings(Space((uneven,)))] == [0.0, 0.3, 0.6, 0.9]


def test_canonical_gives_every_value_the_type_of_its_parameter() -> None:
    space = Space((LR, EPOCHS, Parameter(name="c", choices=(1.0, True, "a"))))
    found = canonical(space, {"lr": 1e-3, "epochs": 3.0, "c": 1})
    assert found == {"lr": 1e-3, "epochs": 3, "c": 1.0}
    assert [type(value) for value in found.values()] == [float, int, float]


def _all_values(parameter: Parameter) -> list[Value]:
    if parameter.choices:
        return list(parameter.choices)
    return [0, 2, 4] if parameter.integer else [0.1, 0.3, 0.5]


def test_choices_with_probabilities_are_drawn_as_often_as_these_say() -> None:
    weighted = Parameter(name="x", choices=("a", "b", "c"), probabilities=(0.7, 0.2, 0.1))
    drawn = [setting_at(Space((weighted,)), [(n + 0.5) / 10])["x"] for n in range(10)]
    assert drawn == ["a"] * 7 + ["b"] * 2 + ["c"]
    assert setting_at(Space((weighted,)), [1.0]) == {"x": "c"}
