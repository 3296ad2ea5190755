from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sweeper.cli import cli


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command in an empty folder that is the workspace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWEEPER_HOME", raising=False)

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return run
