"""What differs between the study on disk and the study file of today, and whether that matters.

Pure: two configs as JSON in, a list out. Harmless is what leaves every finished trial and every
proposal to come as it was; anything else would make one study out of two.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sweeper.errors import StudyChangedError
from sweeper.outcomes import FORMAT
from sweeper.problems import shown

ENQUEUED_AT = "enqueued_at"  # of the stored study: no key of a file, but what became of one
_HARMLESS = (  # change no number
    *("title", "description", "trials", "controls", "finalists"),
    *("best", "limits", "retry", "stop", "keep", "resources", "mlflow", "notify"),
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

    Harmless are another number of trials or finalists, settings that follow the enqueued ones,
    another rule for the best, other limits, retries, another end for want of progress, controls or
    resources, another place in MLflow, who is notified, title, description, whether answers are
    kept, and how long a judge may take and where its files are.
    Another order of the parameters is a difference, because proposals depend on it; so is another
    `stop_if`, for it decides, as a pruner does, which trials have a score.
    """
    apart = (FORMAT, ENQUEUED_AT)
    before, after = (
        _flat({k: v for k, v in each.items() if k not in apart}) for each in (old, new)
    )
    enqueued = len(before_entries) if isinstance(before_entries := old.get("enqueue"), list) else 0
    return [
        Change(key, before.get(key), after.get(key), _is_harmless(key, enqueued))
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
        enqueued = any(change.key.startswith("enqueue") for change in harmful)
        hint = " Further settings go to the end of `enqueue`." if enqueued else ""
        lines = "\n".join(f"  {change}" for change in harmful)
        raise StudyChangedError(
            f"study {config['name']!r} was started with another study file:\n{lines}\n"
            f"Trials of both cannot be ranked together. Undo the change, or give the study another "
            f"`name:` (stages are shared, nothing is trained twice).{hint}"
        )


def enqueued_at(stored: Mapping[str, Any] | None, entries: int, *, number: int) -> tuple[int, ...]:
    """For each of the ``entries`` of `enqueue`: the trial before which it was added.

    Args:
        stored: The study as it was stored; None where it was not yet.
        entries: Of the study file, the stored ones first.
        number: Of the next trial: those that are not stored come before it.
    """
    if stored is None:
        return (0,) * entries
    known = stored.get(ENQUEUED_AT) or [0] * len(stored.get("enqueue", ()))
    return (*known, *[number] * (entries - len(known)))


def _is_harmless(key: str, enqueued: int) -> bool:
    """Whether a key may change; of `enqueue` what follows the first entries, so many."""
    if entry := re.match(r"enqueue\[(\d+)\]", key):
        return int(entry[1]) >= enqueued
    if key == "enqueue":  # an empty list is a leaf of its own
        return enqueued == 0
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
