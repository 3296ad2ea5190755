import io

import pytest

from sweeper.cli.output import Output
from sweeper.words import LONGEST, plain


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_what_cannot_be_written_is_dropped_and_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output(Broken())
    assert output.write("one") == 3
    output.write("two")
    output.flush()
    assert capsys.readouterr().err.count("Broken pipe") == 1


def test_a_letter_that_the_stream_does_not_know_is_escaped() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Output(stream).write("lr=µ")
    stream.seek(0)
    assert stream.read() == "lr=\\xb5"


def test_text_from_elsewhere_moves_no_cursor_and_has_an_end() -> None:
    assert plain("a\x1b[31mred\x1b[0m\x1b]0;title\x07\r\n\tb\x9b é中") == "ared\n\tb é中"
    assert plain("\x1b[2J" + "x" * 3 * LONGEST) == "x" * LONGEST + " ..."
