"""The study to run next: the same file with what the findings ask for. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from sweeper.config import StudyConfig
from sweeper.findings import Finding
from sweeper.findings.texts import texts

_LEFT_OUT = ("title", "resources", "mlflow", "metric")  # defaults, or the old study's own


def next_study(config: StudyConfig, source: str, found: Sequence[Finding]) -> str:
    """Write the suggested study file.

    Args:
        config: Of the study that was run.
        source: Its study file.
        found: Findings; those with a change are worked in, each with its reason as a comment.
    """
    content = dict(yaml.safe_load(source))
    reasons = []
    for finding in found:
        if finding.change:
            reasons.append(f"# - {texts(finding, 'en')[0]}")
        for key, value in finding.change.items():
            content = _with(content, key.split("."), value)
    content = {key: value for key, value in content.items() if key not in _LEFT_OUT}
    content["name"] = f"{config.name}_next"
    if set(content.get("controls", [])) != {"random", "start", "nearest"}:
        content["controls"] = ["random", "start", "nearest"]
    header = [f"# Question: does what {config.name} found hold?"]
    header += ["# Changed, because of:", *dict.fromkeys(reasons)] if reasons else []
    order = ["name", "controls", *(key for key in content if key not in ("name", "controls"))]
    text = yaml.safe_dump(
        {key: content[key] for key in order}, sort_keys=False, allow_unicode=True, width=100
    )
    return "\n".join(header) + "\n" + text


def _with(content: Mapping[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    """The same with one dotted key set."""
    if len(keys) == 1:
        return {**content, keys[0]: value}
    below = content.get(keys[0])
    inner = below if isinstance(below, Mapping) else {}
    return {**content, keys[0]: _with(inner, keys[1:], value)}
