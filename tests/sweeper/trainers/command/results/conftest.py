"""Files that a program leaves, each with its time, and reading them."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.trainers.command.results import Outcome, Results, read_results
from sweeper.trainers.command.results.spec import Source

START = 1_000_000.0  # when the trial began


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file so many seconds after the trial's start; what is no text becomes JSON."""

    def written(name: str, content: object, *, after: float = 1.0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        os.utime(path, (START + after, START + after))
        return path

    return written


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Outcome]:
    """Reads one source of a program that ran in the folder."""

    def outcome(**source: object) -> Outcome:
        results = Results((Source.model_validate(source),))
        return read_results(results, cwd=tmp_path, since=START)

    return outcome
