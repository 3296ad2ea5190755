from sweeper.references import names_below, references, substitute, unfinished

SECTION = {"a": ["${x}", {"b": "v ${y} and ${ x }"}], "c": 3, "d": "plain"}


def test_references_are_found_with_their_places() -> None:
    assert list(references(SECTION)) == [
        (("a", 0), "x"),
        (("a", 1, "b"), "y"),
        (("a", 1, "b"), "x"),
    ]


def test_a_lone_reference_keeps_the_type_and_one_in_a_text_is_written_out() -> None:
    found = substitute(SECTION, {"x": 1e-5, "y": True})
    assert found == {"a": [1e-5, {"b": "v true and 1e-05"}], "c": 3, "d": "plain"}


def test_unknown_references_stay() -> None:
    assert substitute(SECTION, {}) == SECTION


def test_a_value_that_looks_like_a_reference_is_not_replaced_again() -> None:
    assert substitute(["${x}", "-${x}"], {"x": "${y}", "y": "z"}) == ["${y}", "-${y}"]


def test_names_below_a_place_are_those_of_all_it_contains() -> None:
    assert names_below(SECTION, ("a", 1)) == {"x", "y"}
    assert names_below(SECTION, ("a", 0, "deeper", 3)) == {"x"}
    assert names_below(SECTION, ("c",)) == set()


def test_a_reference_without_its_brace_is_found_and_resolvable_by_nobody() -> None:
    section = {"a": "${x", "b": "${y}"}
    assert list(unfinished(section)) == [("a",)]
    assert names_below(section, ("a",)) == {""}
