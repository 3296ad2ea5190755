import subprocess
import sys

import pytest
from fakes.postgres import skip_without_psycopg

from trainer.answers.server import AnswerServer
from trainer.errors import AnswersError


@pytest.fixture
def psycopg() -> None:
    skip_without_psycopg()


@pytest.mark.usefixtures("psycopg")
def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(AnswersError) as refused:
        AnswerServer("postgresql://me:hunter2@127.0.0.1:1/answers")
    message = str(refused.value)
    assert message.startswith("postgresql://me@127.0.0.1:1/answers: the answer store: ")
    assert "see that it runs and takes this user" in message
    assert "hunter2" not in message


@pytest.mark.usefixtures("psycopg")
@pytest.mark.parametrize(
    "url", ["postgresql://me:hunter2/x@host/db", "postgresql://me@host:hunter2/db", "x=y hunter2"]
)
def test_a_url_that_cannot_be_read_is_not_quoted(url: str) -> None:
    with pytest.raises(AnswersError, match="cannot be read; write postgresql://user@host") as bad:
        AnswerServer(url)
    assert "hunter2" not in str(bad.value)
    assert bad.value.__context__ is None  # nor in a traceback


def test_without_psycopg_the_message_says_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from trainer.answers.server import AnswerServer\n"
        "AnswerServer('postgresql://me@host/db')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AnswersError: " in done.stderr
    assert "pip install 'sweeper[postgres]'" in done.stderr
