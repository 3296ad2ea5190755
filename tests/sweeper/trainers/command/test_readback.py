"""What a program says that it has used."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sweeper.trainers.command.macros import Macros
from sweeper.trainers.command.readback import Effective, not_applied
from sweeper.trainers.command.results.files import Place
from sweeper.trainers.command.results.outcome import ResultsError

START = 1_000_000.0
STDOUT = r"using {}=(?P<v>\S+)"


class Program:
    """Its folder, and what it was given."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.prints("")

    def prints(self, text: str) -> None:
        (self.root / "log.txt").write_text(text)

    def writes(self, name: str, text: str, *, after: float = 1.0) -> None:
        (self.root / name).write_text(text)
        os.utime(self.root / name, (START + after, START + after))

    def wrong(self, params: dict[str, Any], **told: dict[str, str]) -> list[str]:
        effective = {name: Effective.model_validate(entry) for name, entry in told.items()}
        macros = Macros(params=params, own={}, environment={})
        place = Place(self.root, START)
        return list(not_applied(effective, macros, log=self.root / "log.txt", place=place))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.mark.parametrize(
    ("given", "used", "is_same"),
    [
        (1e-4, "0.0001", True),
        (1e-4, "1.00005e-04", True),  # programs print few digits
        (1e-4, "1.002e-04", False),
        (3, "3.0", True),
        (0.0, "0", True),
        (0.0, "1e-9", False),
        (True, "True", True),
        (True, "1", True),
        (False, "True", False),
        ("backbone", "Backbone", True),
        ("AdamW", "adamw", True),
        ("backbone", "none", False),
        (0.15, "nan", False),
    ],
)
def test_values_are_the_same_however_they_are_spelled(
    program: Program, given: Any, used: str, is_same: bool
) -> None:
    program.prints(f"using x={used}\n")
    assert (program.wrong({"x": given}, x={"stdout": STDOUT.format("x")}) == []) is is_same


def test_the_last_line_counts_and_all_that_differ_are_told(program: Program) -> None:
    program.prints("using lr=1\nusing kl=0.1\nusing lr=0.5\nthe end\n")
    lr, kl = ({"stdout": STDOUT.format(name)} for name in ("lr", "kl"))
    assert program.wrong({"lr": 0.5, "kl": 0.1}, lr=lr, kl=kl) == []
    assert program.wrong({"lr": 1, "kl": 0.15}, lr=lr, kl=kl) == [
        "lr: the program has used 0.5, and was given 1",
        "kl: the program has used 0.1, and was given 0.15",
    ]
    assert program.wrong({"lr": 0.5}, lr=lr, unused={"stdout": STDOUT.format("unused")}) == []


def test_a_value_in_a_file_is_read_from_the_newest(program: Program) -> None:
    told = {"json": "run*.json", "pointer": "/kl_beta"}
    program.writes("run2.json", '{"kl_beta": 0.15}', after=1)
    program.writes("run1.json", '{"kl_beta": 0.0}', after=2)
    assert program.wrong({"kl": 0.15}, kl=told) == [
        "kl: the program has used 0.0, and was given 0.15"
    ]


@pytest.mark.parametrize(
    ("content", "after", "words"),
    [
        ('{"kl_beta": 0.15}', -60.0, "older than the trial"),
        ('{"beta": 0.15}', 1.0, "has no single value at '/kl_beta'"),
        ('{"kl_beta": [0.15]}', 1.0, "has no single value at '/kl_beta'"),
        ('{"kl_beta": null}', 1.0, "has no single value at '/kl_beta'"),
    ],
)
def test_a_value_that_a_file_does_not_tell_is_an_error(
    program: Program, content: str, after: float, words: str
) -> None:
    program.writes("trained.json", content, after=after)
    with pytest.raises(ResultsError, match=words):
        program.wrong({"kl": 0.15}, kl={"json": "trained.json", "pointer": "/kl_beta"})


def test_a_value_that_was_not_printed_is_an_error(program: Program) -> None:
    program.prints("lr is a secret\n")
    with pytest.raises(ResultsError, match="effective: lr: no line that was printed has"):
        program.wrong({"lr": 0.5}, lr={"stdout": STDOUT.format("lr")})


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "needs `stdout`, or `json` with `pointer`"),
        ({"stdout": "(?P<v>a)", "json": "a.json", "pointer": "/a"}, "needs `stdout`, or"),
        ({"json": "a.json"}, "needs `stdout`, or"),
        ({"stdout": "(?P<v>a)", "pointer": "/a"}, "needs `stdout`, or"),
        ({"stdout": "lr=(?P<lr>a)"}, r"needs a group \(\?P<v>"),
    ],
)
def test_one_place_is_named_and_the_value_in_it(entry: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Effective.model_validate(entry)
