from sweeper.space import Parameter, Space
from sweeper.study.parameters import Complaint
from sweeper.study.space_checks import build_space, setting_complaints

FREEZE = Parameter(name="freeze", choices=("backbone", "none"))
EPOCHS = Parameter(name="epochs", low=1, high=6, integer=True)


def when(name: str, **conditions: tuple[str | int | float | bool, ...]) -> Parameter:
    return Parameter(name=name, choices=(1, 2), when=conditions)


def space_of(*parameters: Parameter) -> tuple[Space, list[Complaint]]:
    return build_space({parameter.name: parameter for parameter in parameters})


def texts(*parameters: Parameter) -> dict[str, str]:
    return {".".join(map(str, item.where)): item.text for item in space_of(*parameters)[1]}


def test_parents_come_first_and_all_else_keeps_its_order() -> None:
    child, grandchild = when("child", freeze=("none",)), when("grandchild", child=(1,), epochs=(2,))
    space, complaints = space_of(grandchild, child, EPOCHS, FREEZE)
    assert space.names == ("epochs", "freeze", "child", "grandchild")
    assert complaints == []


def test_a_condition_on_an_unknown_parameter_suggests_a_name() -> None:
    assert texts(FREEZE, when("a", freze=("none",))) == {
        "a.when.freze": "'freze' is not a parameter; did you mean 'freeze'?"
    }


def test_a_condition_that_can_never_hold_is_refused() -> None:
    found = texts(FREEZE, EPOCHS, when("a", freeze=("non", "none")), when("b", epochs=(7,)))
    assert found == {
        "a.when.freeze": "freeze is one of backbone, none, never 'non'; did you mean 'none'?",
        "b.when.epochs": "epochs is a whole number from 1 to 6, never 7",
    }


def test_true_is_not_one_in_a_condition() -> None:
    assert texts(when("switch"), when("a", switch=(True,)))["a.when.switch"].endswith("never true")


def test_a_condition_on_a_constant_may_only_name_its_value() -> None:
    constant = Parameter(name="c", fixed=3)
    assert texts(constant, when("a", c=(3,)), when("b", c=(4,))) == {
        "b.when.c": "c is always 3, never 4"
    }
    switch = Parameter(name="c", fixed=True)
    assert texts(switch, when("a", c=(1,))) == {"a.when.c": "c is always true, never 1"}


def test_a_circle_is_told_once_and_the_rest_remains() -> None:
    space, [complaint] = space_of(when("a", b=(1,)), when("b", a=(1,)), FREEZE)
    assert complaint.where[1] == "when"
    assert complaint.text in (
        "goes round in a circle: a -> b -> a",
        "goes round in a circle: b -> a -> b",
    )
    assert space.names == ("freeze",)


def test_what_depends_on_a_broken_parameter_is_left_out_in_silence() -> None:
    space, complaints = build_space(
        {"a": when("a", broken=(1,)), "freeze": FREEZE}, broken=["broken"]
    )
    assert (space.names, complaints) == (("freeze",), [])


def test_a_setting_names_every_active_parameter_and_no_other() -> None:
    space, _ = space_of(FREEZE, EPOCHS, when("a", freeze=("none",)), Parameter(name="c", fixed=3))
    assert setting_complaints(space, {"freeze": "none", "epochs": 2, "a": 1}) == []
    assert setting_complaints(space, {"freeze": "backbone", "epochs": 2}) == []
    assert [
        (item.where, item.text)
        for item in setting_complaints(
            space, {"freeze": "backbone", "a": 1, "c": 3, "freez": "none"}
        )
    ] == [
        (("a",), "is not active here (it needs freeze: none); leave it out"),
        (("c",), "is fixed to 3 under parameters; leave it out"),
        (("freez",), "unknown parameter; known: freeze, epochs, a, c; did you mean 'freeze'?"),
        ((), "epochs missing; a setting names them all"),
    ]


def test_the_value_of_a_broken_parameter_is_not_judged() -> None:
    space, _ = space_of(FREEZE)
    assert setting_complaints(space, {"freeze": "none", "x": 1}, broken=["x"]) == []
