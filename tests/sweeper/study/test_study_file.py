import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import ConfigError
from sweeper.problems import Position
from sweeper.study.file import Document, parse_document, read_document

PATH = Path("study.yaml")


def parse(text: str) -> Document:
    return parse_document(text, PATH)


def only_problem(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, PATH)
    [problem] = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        (".5e3", 500.0),
        ("5.", 5.0),
        ("-.25", -0.25),
        ("+3", 3),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
    ],
)
@pytest.mark.parametrize("form", ["a: {}", "a: [{}]", "a: {{b: {}}}", "a:\n  - {}\n"])
def test_numbers_are_numbers_in_every_place(form: str, text: str, value: float) -> None:
    found = parse(form.format(text)).values["a"]
    found = found[0] if isinstance(found, list) else found
    found = found["b"] if isinstance(found, dict) else found
    assert (found, type(found)) == (value, type(value))


def test_nan_is_read_as_nan() -> None:
    assert math.isnan(parse("a: .nan").values["a"])


@pytest.mark.parametrize(
    "text", ["on", "off", "yes", "no", "none", "y", "1_000", "1:30", "2026-11-22", "1e", ".", "0b1"]
)
def test_words_that_other_readers_turn_into_values_stay_text(text: str) -> None:
    assert parse(f"a: {text}").values == {"a": text}


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("True", True)])
def test_only_true_and_false_are_booleans(text: str, value: bool) -> None:
    assert parse(f"a: {text}").values["a"] is value


@pytest.mark.parametrize("text", ["null", "~", "", "Null"])
def test_null_and_nothing_are_none(text: str) -> None:
    assert parse(f"a: {text}").values == {"a": None}


@pytest.mark.parametrize("text", ['"1e-4"', "'true'", '"null"'])
def test_quotes_make_text(text: str) -> None:
    assert parse(f"a: {text}").values == {"a": text[1:-1]}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse("1: a\ntrue: b\non: c").values == {"1": "a", "true": "b", "on": "c"}


def test_every_key_and_value_has_its_line_and_column() -> None:
    document = parse("# comment\ntop:\n  - {key: 1, other: [2,  3]}\nlast: text\n")
    assert document.keys["top", 0, "other"] == Position(3, 14)
    assert document.position(("top", 0, "other", 1)) == Position(3, 26)
    assert document.position(("last",)) == Position(4, 7)
    assert document.key_position(("last",)) == Position(4, 1)


def test_a_block_stands_where_its_key_stands() -> None:
    assert parse("a:\n  b:\n    c: 1\n").position(("a", "b")) == Position(2, 3)


def test_a_missing_value_is_looked_for_around_it() -> None:
    assert parse("a: {b: 1}").position(("a", "missing", "deep")) == Position(1, 4)


def test_columns_count_characters_not_bytes() -> None:
    assert parse("{ä: 学, b: 1}").keys["b",] == Position(1, 8)


def test_an_alias_repeats_the_value_and_points_to_it() -> None:
    document = parse("a: &x [1, 2]\nb: *x\n")
    assert document.values == {"a": [1, 2], "b": [1, 2]}
    assert document.position(("b", 1)) == Position(1, 11)


def test_a_duplicate_key_names_both_places_and_keeps_the_first() -> None:
    document = parse("a: 1\nb: {c: 2, c: 3}\n")
    [problem] = document.problems
    assert problem.render(PATH) == ("study.yaml:2:11: b.c: duplicate key; it stands already at 2:5")
    assert document.values == {"a": 1, "b": {"c": 2}}


def test_all_problems_that_leave_the_text_readable_are_told_together() -> None:
    document = parse(
        "a: !!int 3\n<<: {b: 1}\n? [x]\n: 1\nc: 1e999\nd: 1\nd: 99999999999999999999\n"
    )
    assert [
        (problem.position.line, problem.text.split(";")[0]) for problem in document.problems
    ] == [
        (1, "tags like `tag:yaml.org,2002:int` are not read"),
        (2, "merge keys (`<<`) are not read"),
        (3, "a key must be text, not a list or a mapping"),
        (5, "is too large for a number"),
        (7, "duplicate key"),
    ]


def test_a_reference_in_braces_without_quotes_gets_its_own_hint() -> None:
    assert only_problem("a:\n  - {lr: ${lr}, b: 1}\n") == (
        'study.yaml:2:10: within {} or [] a reference needs quotes: "${lr}"'
    )


def test_a_reference_outside_braces_needs_no_quotes() -> None:
    assert parse("a: ${lr}").values == {"a": "${lr}"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "study.yaml:1:1: the file is empty"),
        ("# nothing\n", "study.yaml:1:1: the file is empty"),
        ("- a\n", "study.yaml:1:1: must be a mapping, lines of `key: value`"),
        ("a:\n\t- b\n", "study.yaml:2:1: a tab stands where YAML wants spaces; indent with spaces"),
        (b"a: \xe4\n", "study.yaml:1:4: byte 0xe4 is not UTF-8; save the file as UTF-8"),
        (b"a: 1\nb: \xff\n", "study.yaml:2:4: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a: 1\nb: \x00", "study.yaml:2:4: the character U+0000 may not stand in YAML"),
        (
            "a: 1\n---\nb: 1",
            "study.yaml:2:1: a second document begins here; one file holds one study",
        ),
        ("a: b: c", "study.yaml:1:5: is not YAML: mapping values are not allowed here"),
        ("[" * 100 + "]" * 100, "study.yaml:1:41: values are nested more than 40 deep"),
        ("a: *b", "study.yaml:1:4: is not YAML: found undefined alias 'b'"),
    ],
)
def test_what_cannot_be_read_is_one_clear_problem(text: str | bytes, message: str) -> None:
    assert only_problem(text) == message


def test_a_value_that_contains_itself_is_refused() -> None:
    [problem] = parse("a: &x [1, *x]").problems
    assert problem.text == "an alias may not stand for what contains it"


def test_aliases_that_stand_for_billions_are_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "too large or too deep" in parse("\n".join(lines)).problems[0].text


def test_the_head_comment_is_kept_and_a_byte_order_mark_is_not() -> None:
    document = parse_document("\ufeff# one\n#  two\n\n# three\na: 1\n".encode(), PATH)
    assert document.comment == ("one", "two")
    assert document.values == {"a": 1}


def test_a_file_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file"):
        read_document(tmp_path / "none.yaml")


yaml_like = st.text(
    st.sampled_from(list("ab1${}[]:,-?&*!|>'\"%@`#\\ \n\t.~\x00\u2028\ufeffUux<")), max_size=60
)


@given(yaml_like | st.text(max_size=60) | st.binary(max_size=60))
def test_any_content_is_read_or_refused_with_a_place(content: str | bytes) -> None:
    problems: Sequence[str]
    try:
        found = parse_document(content, PATH)
        problems = [problem.render(PATH) for problem in found.problems]
    except ConfigError as error:
        problems = error.problems
    place = re.compile(r"study\.yaml:[1-9]\d*:[1-9]\d*: ")
    assert all(place.match(problem) for problem in problems)


def test_half_a_character_from_an_escape_is_refused() -> None:
    [problem] = parse('a: "\\ud800"').problems
    assert problem.text.startswith("half a character")


def test_values_keep_their_nesting() -> None:
    value: Any = parse("a:\n- b: [1, {c: x}]\n- - 2\n").values
    assert value == {"a": [{"b": [1, {"c": "x"}]}, [2]]}
