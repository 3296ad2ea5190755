import json
from difflib import SequenceMatcher
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from sweeper.problems import Where
from sweeper.study.file import parse_document
from sweeper.trainers.command.yaml_edit import with_json_values, with_yaml_values, yaml_value

BASE = """\
# of the authors
seed: 0o17            # octal in YAML 1.2
half: no
day: 2024-01-02
card: 123456789012345678901234567890
rate: 1e-4
eleven: 1_1
time: 12:30:00
gone: ~
optimizer: &opt
    lr: 1.e-3   # tuned by hand
    betas: [0.9,  0.95]
    text: |
       two
       lines

again: *opt
data:
- name: "a"
- {name: b,share: .5}
empty:
"""


def difference(before: str, after: str) -> list[str]:
    """The lines that went, with `- `, and those that came, with `+ `."""
    old, new = before.splitlines(), after.splitlines()
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changes = [block for block in blocks if block[0] != "equal"]
    gone = [f"- {line}" for _, start, end, _, _ in changes for line in old[start:end]]
    return gone + [f"+ {line}" for _, _, _, start, end in changes for line in new[start:end]]


@pytest.mark.parametrize(
    ("where", "value", "lines"),
    [
        (
            ("optimizer", "lr"),
            1e-5,
            ["-     lr: 1.e-3   # tuned by hand", "+     lr: 1.0e-05   # tuned by hand"],
        ),
        (
            ("optimizer", "betas", 1),
            0.5,
            ["-     betas: [0.9,  0.95]", "+     betas: [0.9,  0.5]"],
        ),
        (("data", 1, "share"), 1, ["- - {name: b,share: .5}", "+ - {name: b,share: 1}"]),
        (("data", 0, "name"), "no", ['- - name: "a"', '+ - name: "no"']),
        (("data", 0), "x", ['- - name: "a"', "+ - x"]),
        (("day",), "2024-02-03", ["- day: 2024-01-02", '+ day: "2024-02-03"']),
        (("empty",), [1, "a b"], ["- empty:", '+ empty: [1, "a b"]']),
        (("again",), None, ["- again: *opt", "+ again: null"]),
        (("half",), True, ["- half: no", "+ half: true"]),
        (
            ("optimizer", "text"),
            "one\n",
            ["-     text: |", "-        two", "-        lines", '+     text: "one\\n"'],
        ),
        (("data",), [1], ['- - name: "a"', "- - {name: b,share: .5}", "+   [1]"]),
        (("new",), {"a": 1}, ["+ new: {a: 1}"]),
        (("optimizer", "new"), "x", ["+     new: x"]),
        (("data", 0, "new"), "x", ["+   new: x"]),
        (("empty", "deep", "er"), "x", ["- empty:", "+ empty: {deep: {er: x}}"]),
        (
            ("data", 1, "new"),
            1e22,
            ["- - {name: b,share: .5}", "+ - {name: b,share: .5, new: 1.0e+22}"],
        ),
    ],
)
def test_a_value_is_put_in_its_place_and_every_other_character_stays(
    where: Where, value: JsonValue, lines: list[str]
) -> None:
    assert difference(BASE, with_yaml_values(BASE, {where: value})) == lines


def test_an_anchor_stays_so_that_its_aliases_follow() -> None:
    text = "a: &rate 1\nb: *rate\n"
    assert with_yaml_values(text, {("a",): 2}) == "a: &rate 2\nb: *rate\n"


def test_of_a_key_that_stands_twice_the_last_is_set_as_readers_take_it() -> None:
    assert with_yaml_values("a: 1\na: 2\n", {("a",): 3}) == "a: 1\na: 3\n"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_keys_are_added_to_a_file_without_any(text: str) -> None:
    edited = with_yaml_values(text, {("a", "b"): 1, ("a", "c"): 2})
    assert edited.startswith(text.rstrip())
    assert yaml.safe_load(edited) == {"a": {"b": 1, "c": 2}}


def test_lines_that_end_as_on_windows_still_do() -> None:
    edited = with_yaml_values("a: 1 # one\r\nb: 2\r\n", {("a",): 3, ("c",): 4})
    assert edited == "a: 3 # one\r\nb: 2\r\nc: 4\r\n"


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("a: &x {b: 1}\nc: *x\n", ("a",), None),
        ("a: {b: &x 1}\nc: *x\n", ("a",), r"line 2: \*x leads nowhere"),
        ("a: 1\n--- \na: 2\n", ("a",), "line 2: a second document begins"),
        ("a: [\n", ("a",), "line 2, column 1: "),
        ("[a: 1]", (0, "b"), "b cannot be set without touching other values"),
        ("a: " + "[" * 101 + "]" * 101, ("a",), "line 1: values are nested more than 100 deep"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_the_reason(
    text: str, where: Where, reason: str | None
) -> None:
    if reason is None:
        assert with_yaml_values(text, {where: 1}) == "a: &x 1\nc: *x\n"
        return
    with pytest.raises(ValueError, match=reason):
        with_yaml_values(text, {where: 1})


JSON = """\
{
\t"lr": 1e-4, "big": 123456789012345678901234567890,
\t"model": {"layers": [1, 2.50]},
\t"text": "a\\tb \\u00e9"
}
"""


def test_json_keeps_its_form_its_tabs_and_its_numbers() -> None:
    values: dict[Where, JsonValue] = {
        ("lr",): 1e-5,
        ("model", "layers", 1): "no",
        ("model", "new"): None,
        ("new",): [True],
    }
    edited = with_json_values(JSON, values)
    assert difference(JSON, edited) == [
        '- \t"lr": 1e-4, "big": 123456789012345678901234567890,',
        '- \t"model": {"layers": [1, 2.50]},',
        '- \t"text": "a\\tb \\u00e9"',
        '+ \t"lr": 1e-05, "big": 123456789012345678901234567890,',
        '+ \t"model": {"layers": [1, "no"], "new": null},',
        '+ \t"text": "a\\tb \\u00e9",',
        '+ \t"new": [true]',
    ]
    json.loads(edited)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
    | st.sampled_from(
        ["no", "1e-4", "0o7", "1_0", "12:30", "2024-01-02", "~", "=", "<<", "- a", ""]
    )
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
)


@settings(deadline=None)
@given(values)
def test_readers_of_yaml_1_1_and_1_2_see_the_value_that_was_written(value: JsonValue) -> None:
    line = f"a: {yaml_value(value)}\n"
    assert yaml.safe_load(line) == {"a": value}
    document = parse_document(line, Path("x.yaml"))
    assert (document.values["a"], document.problems) == (value, ())


keys = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=9)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(keys, values, min_size=1, max_size=3), st.data())
def test_whatever_is_set_a_reader_sees_that_and_the_rest_as_before(
    before: dict[str, JsonValue], data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(before)) | keys)
    value = data.draw(values)
    flat = json.dumps(before, indent=data.draw(st.sampled_from([None, 2])))
    assert json.loads(with_json_values(flat, {(key,): value})) == {**before, key: value}
    block = yaml.safe_dump(before, allow_unicode=True, sort_keys=False)
    assume(yaml.safe_load(block) == before)  # PyYAML breaks lines of its own at U+0085
    try:
        edited = with_yaml_values(block, {(key,): value})
    except ValueError:
        assert "? " in block  # a key on a line of its own, as PyYAML writes long ones
    else:
        assert yaml.safe_load(edited) == {**before, key: value}
