"""What differs between the study on disk and the study file of today, and whether that matters.

Pure: two configs as JSON in, a list out. Harmless is what leaves every finished trial and every
proposal to come as it was; anything else would make one study out of two.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sweeper.errors import StudyChangedError
from sweeper.outcomes import FORMAT
from sweeper.problems import shown

_HARMLESS = (  # change no number
    *("title", "description", "trials", "controls", "finalists"),
    *("best", "limits", "retry", "stop", "keep", "resources", "mlflow"),
    *("trainer.evaluate.remember", "trainer.evaluate.timeout", "trainer.evaluate.folder"),
)
_ABSENT = object()  # of a key that one of the two does not have


class Change(NamedTuple):
    """One difference."""

    key: str  # dotted, as in messages about the study file
    old: Any  # JSON; None where there was nothing
    new: Any
    harmless: bool

    def __str__(self) -> str:
        return f"{self.key}: {shown(self.old)} -> {shown(self.new)}"


def differences(old: Mapping[str, object], new: Mapping[str, object]) -> list[Change]:
    """List every difference between two configs in the form of `StudyConfig.to_json`.

    Harmless are another number of trials or finalists, another rule for the best, other limits,
    retries, another end for want of progress, controls or resources, another place in MLflow,
    title, description, whether answers are kept, and how long a judge may take and where its files
    are.
    Another order of the parameters is a difference, because proposals depend on it; so is another
    `stop_if`, for it decides, as a pruner does, which trials have a score.
    """
    before, after = (_flat({k: v for k, v in each.items() if k != FORMAT}) for each in (old, new))
    return [
        Change(key, before.get(key), after.get(key), _is_harmless(key))
        for key in dict.fromkeys((*before, *after))
        if _text(before.get(key, _ABSENT)) != _text(after.get(key, _ABSENT))
    ]


def require_same_study(stored: Mapping[str, object] | None, config: Mapping[str, object]) -> None:
    """Refuse a study file that contradicts the study on disk.

    Args:
        stored: The study as it was stored; None where it was not yet.
        config: The study file, in the same form.

    Raises:
        StudyChangedError: lists what differs.
    """
    if stored is None:
        return
    harmful = [change for change in differences(stored, config) if not change.harmless]
    if harmful:
        lines = "\n".join(f"  {change}" for change in harmful)
        raise StudyChangedError(
            f"study {config['name']!r} was started with another study file:\n{lines}\n"
            f"Trials of both cannot be ranked together. Undo the change, or give the study another "
            f"`name:` (stages are shared, nothing is trained twice)."
        )


def _is_harmless(key: str) -> bool:
    return any(key == harmless or key.startswith(f"{harmless}.") for harmless in _HARMLESS)


def _flat(config: Mapping[str, Any]) -> dict[str, object]:
    """Return every leaf of the config by its dotted key; parameters by name, and their order."""
    entries = config["parameters"]
    by_name = {
        entry["name"]: {key: value for key, value in entry.items() if key != "name"}
        for entry in entries
    }
    flat = dict(_leaves({**config, "parameters": by_name}, ""))
    return flat | {"parameters": [entry["name"] for entry in entries]}


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield the values that hold no further keys; a list of plain values is one of them."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}".removeprefix("."))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{key}[{index}]")
    else:
        yield key, value


def _text(value: Any) -> str:
    """Make 1, 1.0 and true differ."""
    return "" if value is _ABSENT else json.dumps(value)
