"""The page on results is held against the models and the client."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from sweeper import client
from sweeper.trainers.command.results import Results, Source, Sources
from sweeper.trainers.command.results.spec import KINDS

PAGE = (Path(__file__).parents[5] / "docs" / "results.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
SOURCES: TypeAdapter[tuple[Source, ...]] = TypeAdapter(Sources)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_accepted(example: str) -> None:
    assert SOURCES.validate_python(yaml.safe_load(example)["results"])


def test_every_source_has_an_example() -> None:
    found = [SOURCES.validate_python(yaml.safe_load(example)["results"]) for example in EXAMPLES]
    kinds = {kind for sources in found for source in sources for kind in source.kinds}
    assert kinds == set(KINDS)
    assert any(Results(sources).by_question for sources in found)


def test_the_program_of_the_page_uses_what_there_is() -> None:
    [program] = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    compile(program, "train.py", "exec")
    [names] = re.findall(r"from sweeper\.client import (.*)", program)
    assert set(names.split(", ")) <= set(client.__all__)
