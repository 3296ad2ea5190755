import pytest

from sweeper.trainers.command.line_search import LONGEST, LineSearch

OUTPUT = "step 1\rstep 2\nloss=nan é\nloss=nan again\n".encode()


@pytest.mark.parametrize("size", [1, 2, 7, len(OUTPUT)])
def test_the_first_line_is_found_however_the_output_is_cut(size: int) -> None:
    search = LineSearch(r"^loss=nan")
    pieces = [OUTPUT[at : at + size] for at in range(0, len(OUTPUT), size)]
    found = [line for piece in pieces if (line := search.feed(piece)) is not None]
    assert found[0] == "loss=nan é"


def test_a_line_is_looked_at_once_it_has_its_end() -> None:
    search = LineSearch(r"^loss=1$")
    assert search.feed(b"loss=1") is None
    assert search.feed(b"0\n") is None
    assert search.feed(b"loss=1") is None
    assert search.feed(b"\r") == "loss=1"


def test_of_a_long_line_the_beginning_is_looked_at() -> None:
    search = LineSearch("end")
    for _ in range(3):
        assert search.feed(b"x" * LONGEST) is None
    assert search.feed(b"end\n") is None
    assert search.feed(b"the end\n") == "the end"


def test_without_a_pattern_there_is_none() -> None:
    assert LineSearch(None).feed(b"loss=nan\n") is None
