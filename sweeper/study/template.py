"""The study file that `sweeper init` writes: every section once, with a comment that says why."""

from importlib.resources import files

from sweeper.study.checks import study_name
from sweeper.study.yaml_text import yaml_value


def study_template(name: str, file: str) -> str:
    """Return the text of a new study file, which loads as it is.

    Args:
        name: What the study is to be called; characters that a name cannot have become `_`.
        file: What the file will be called, for the commands in its comments.
    """
    text = files("sweeper.study").joinpath("template.yaml").read_text(encoding="utf-8")
    text = text.replace("{file}", " ".join(file.split()))
    return text.replace("{name}", yaml_value(study_name(name)))
