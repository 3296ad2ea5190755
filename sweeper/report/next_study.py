"""The study to run next: the same file with what the findings ask for. Pure."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from sweeper.errors import ConfigError
from sweeper.findings import Finding
from sweeper.findings.texts import texts
from sweeper.space import Value
from sweeper.study.config import StudyConfig, parse_study
from sweeper.study.file import parse_document

_LEFT_OUT = ("title", "description", "resources", "mlflow", "metric")  # defaults, or the old one's
_FIRST = ("name", "controls")


def next_study(
    config: StudyConfig,
    source: str,
    found: Sequence[Finding],
    *,
    best: dict[str, Value] | None = None,
) -> str:
    """Write the suggested study file; it is valid, whatever the findings ask for.

    Args:
        config: Of the study that was run.
        source: Its study file.
        found: Findings, the weightiest first; of two changes to one key the first is made, and
            one that the study file cannot hold is left out.
        best: The setting to try first, where one is known.
    """
    name = f"{config.name}_next"
    given = parse_document(source, config.path).values
    kept = {key: value for key, value in given.items() if key not in (*_LEFT_OUT, *_FIRST)}
    controls = {"controls": list(config.can.controls)} if config.can.controls else {}
    content: dict[str, Any] = {"name": name, **controls, **kept}
    if best is not None:  # what was listed has been tried
        content.pop("enqueue", None)
    reasons: list[str] = []
    changed: set[str] = set()
    for finding in found:
        new = {key: value for key, value in finding.change.items() if key not in changed}
        altered: Any = content
        for key, value in new.items():
            altered = _with(altered, key.split("."), value)
        if new and _is_valid(altered, config.path):
            content = altered
            changed |= set(new)
            reasons.append(f"# - {texts(finding, 'en', config)[0]}: {', '.join(_told(new))}")
    if best is not None and best != content.get("baseline"):
        free = {k: v for k, v in best.items() if "value" not in content["parameters"][k]}
        tried = {**content, "enqueue": [free]}
        content = tried if _is_valid(tried, config.path) else content
    header = [f"# Question: does what {config.name} found hold?"]
    header += ["#", "# Changed, because of:", *reasons] if reasons else []
    return "\n".join(header) + "\n" + _written(content)


def _written(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return text


def _is_valid(content: dict[str, object], path: Path) -> bool:
    try:
        parse_study(_written(content), path)
    except ConfigError:
        return False
    return True


def _told(change: dict[str, object]) -> Iterator[str]:
    for key, value in change.items():
        written = yaml.safe_dump(value, default_flow_style=True, width=1000).split("\n")[0]
        yield f"no {key}" if value is None else f"{key} {written}"


def _with(content: Any, keys: Sequence[str], value: Any) -> Any:
    """The same with one dotted key set, or removed where ``value`` is None."""
    key, *rest = keys
    if isinstance(content, list):
        place = int(key)
        return [_with(v, rest, value) if i == place else v for i, v in enumerate(content)]
    known = content if isinstance(content, dict) else {}
    if rest:
        return {**known, key: _with(known.get(key), rest, value)}
    others = {name: entry for name, entry in known.items() if name != key}
    return others if value is None else {**known, key: value}
