import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.study.file import parse_document
from sweeper.study.yaml_text import yaml_value

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | text
    | st.sampled_from(["null", "True", "~", "1e-4", "${lr}", "a: b", "- a", "#", "<<", "on", ""])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
)


@given(values)
def test_what_is_written_is_read_back(value: object) -> None:
    document = parse_document(f"a: {yaml_value(value)}\n", Path("x.yaml"))
    assert (document.values["a"], document.problems) == (value, ())


@given(values)
def test_a_value_stays_on_one_line(value: object) -> None:
    assert len(yaml_value(value).splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"lr": "${lr}", "n": [1, 2.0]}, '{lr: "${lr}", n: [1, 2.0]}'),
        ("none", "none"),
        (1e-5, "1e-05"),
        (-math.inf, "-.inf"),
        (math.nan, ".nan"),
    ],
)
def test_plain_words_need_no_quotes(value: object, written: str) -> None:
    assert yaml_value(value) == written
