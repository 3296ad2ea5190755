from pathlib import Path

import pytest

from sweeper.study.config import parse_study
from sweeper.study.template import study_template


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kl_lr", "kl_lr"),
        ("学习率", "学习率"),
        ("a/b:c", "a_b_c"),
        ("true", "true"),
        ("12", "12"),
        ("Answers.db", "study_Answers.db"),
    ],
)
def test_the_template_loads_under_any_name(name: str, expected: str) -> None:
    text = study_template(name, f"{name}.yaml")
    assert parse_study(text, Path("study.yaml")).name == expected


def test_the_template_names_its_own_file_in_the_commands() -> None:
    assert "#   sweeper run studies/x.yaml " in study_template("x", "studies/x.yaml")


def test_every_line_of_the_template_that_is_commented_out_can_be_used() -> None:
    text = study_template("x", "x.yaml")
    for line in ("# lag: auto", "# order: fixed", "# enqueue:", "#   - {lr: 1e-3", "# mlflow:  {"):
        assert line in text
        text = text.replace(line, line.removeprefix("# "))
    config = parse_study(text, Path("x.yaml"))
    assert len(config.enqueue) == 1
    assert config.tracking_uri == "http://127.0.0.1:5000"
