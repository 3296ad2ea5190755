"""One query's entry of an RL data file, checked and turned into arrays.

The file's index conventions, recognised for each query and never guessed:

    pointer_global   shots are `pointer`, local, and must be where the pool has these ids
    pointer_pos      shots are global ids; the pool is the sorted ids that the rollouts name
    pointer          the same, of `pointer` alone
    id_list          older files: global ids, the last is the query; the pool is the whole file's

Knows no files; says what is wrong with an entry and where in it.

Shape legend: R rollouts of the query, S shots, K candidates of its pool.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_POOL = 64
KINDS = ("pointer_global", "pointer_pos", "pointer")  # the first that stands there decides
FIELDS = {  # of a rollout -> what becomes of it
    "vqa_correct": "hard",
    "vqa_acc_score": "soft",
    "vqa_gt_prob": "gt_prob",
    "vqa_rel_score": "rel",
}
REQUIRED = ("vqa_correct", "vqa_acc_score")


class BadEntry(ValueError):
    """What is wrong with an entry, from "rollout 3: ..." on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRules:
    """Which rollouts and queries of a file are of use."""

    skip_fallback: bool = True
    require_positive: bool = False


class Entry(NamedTuple):
    """One query with its rollouts."""

    pool: NDArray[np.int64]  # global ids. Shape: (K,)
    pointers: NDArray[np.int64]  # local. Shape: (R, S)
    fields: NDArray[np.float32]  # hard, soft, gt_prob, rel. Shape: (R, 4)


@dataclass(slots=True)
class Counts:
    """What was met in a file; a reader of it adds up."""

    kinds: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    contradictions: int = 0  # rollouts whose `vqa_correct` is not `vqa_acc_score > 0`


def read_entry(entry: Any, rules: EntryRules, counts: Counts) -> Entry | None:
    """Turn an entry into arrays; None where too little of it is of use, which is counted.

    Raises:
        BadEntry: where it contradicts itself.
    """
    if not isinstance(entry, dict):
        raise BadEntry(f"must be an object with `pointer_candidates`, but is {_shown(entry)}")
    if entry.get("_fix_failed"):
        raise BadEntry("is marked `_fix_failed`: its indices could not be mended")
    rollouts = entry.get("pointer_candidates")
    if not isinstance(rollouts, list) or not all(isinstance(r, dict) for r in rollouts):
        raise BadEntry(f"`pointer_candidates` must be a list of objects, but is {_shown(rollouts)}")
    kind = _kind(rollouts)
    numbered = [
        (number, rollout)
        for number, rollout in enumerate(rollouts, start=1)
        if not _is_dropped(rollout, rules, counts)
    ]
    if len(numbered) < 2:
        counts.dropped["queries with fewer than two rollouts"] += 1
        return None
    fields = _fields(numbered, counts)
    if rules.require_positive and not (fields[:, 0] > 0).any():
        counts.dropped["queries without a correct rollout"] += 1
        return None
    if kind == "pointer_global":
        pool = _pool(entry.get("candidate_pool_ids"))
        pointers = _local_shots(numbered, pool)
    else:
        shots = _shots(numbered, kind)
        pool = np.unique(shots)
        _check_size(len(pool))
        pointers = np.searchsorted(pool, shots)
    counts.kinds[kind] += 1
    counts.methods.update(str(r.get("gen_method", "not told")) for _, r in numbered)
    return Entry(pool, pointers, fields)


def _kind(rollouts: Sequence[Mapping[str, Any]]) -> str:
    """The convention that all rollouts of a query share."""
    found = [next((key for key in KINDS if r.get(key) is not None), None) for r in rollouts]
    if not found:
        return "pointer"
    if None in found:
        number = found.index(None) + 1
        raise BadEntry(f"rollout {number}: has none of {', '.join(KINDS)}")
    if len(set(found)) > 1:
        other = next(i for i, key in enumerate(found) if key != found[0])
        raise BadEntry(
            f"mixes index conventions: rollout 1 has {found[0]}, rollout {other + 1} {found[other]}"
        )
    assert found[0] is not None
    return found[0]


def _is_dropped(rollout: Mapping[str, Any], rules: EntryRules, counts: Counts) -> bool:
    mode = rollout.get("vqa_eval_mode")
    if rollout.get("eval_failed"):
        reason = "rollouts whose evaluation failed"
    elif mode == "error":
        reason = "rollouts with an error"
    elif mode == "fallback" and rules.skip_fallback:
        reason = "rollouts scored by the fallback"
    else:
        return False
    counts.dropped[reason] += 1
    return True


def _fields(
    numbered: Sequence[tuple[int, Mapping[str, Any]]], counts: Counts
) -> NDArray[np.float32]:
    """The recorded fields, 0 where an optional one is missing. Shape: (R, 4)."""
    columns = []
    for key, name in FIELDS.items():
        values = [rollout.get(key) for _, rollout in numbered]
        absent = sum(value is None for value in values)
        if absent and key in REQUIRED:
            number = next(n for n, rollout in numbered if rollout.get(key) is None)
            raise BadEntry(f"rollout {number}: has no `{key}`; rewards cannot be made without it")
        if absent:
            counts.missing[name] += absent
        columns.append([0.0 if value is None else value for value in values])
    if not all(type(v) in (int, float, bool) for column in columns for v in column):
        raise BadEntry(
            _first_bad(numbered, lambda v: type(v) not in (int, float, bool), "a number")
        )
    table = np.array(columns, dtype=np.float64).T
    if not np.isfinite(table).all():
        raise BadEntry(_first_bad(numbered, lambda v: not np.isfinite(v), "finite"))
    if ((table[:, :3] < 0) | (table[:, :3] > 1)).any():
        raise BadEntry(_first_bad(numbered, lambda v: not 0 <= v <= 1, "in [0, 1]"))
    counts.contradictions += int(((table[:, 0] > 0) != (table[:, 1] > 0)).sum())
    return table.astype(np.float32)


def _first_bad(numbered: Sequence[tuple[int, Mapping[str, Any]]], is_bad: Any, wanted: str) -> str:
    for number, rollout in numbered:
        for key in FIELDS:
            value = rollout.get(key)
            if value is not None and is_bad(value):
                return f"rollout {number}: `{key}` must be {wanted}, but is {_shown(value)}"
    raise AssertionError("one of the values is bad")


def _pool(ids: Any) -> NDArray[np.int64]:
    pool = np.array(_ids(ids, "`candidate_pool_ids`"), dtype=np.int64)
    _check_size(len(pool))
    if len(np.unique(pool)) < len(pool):
        twice = Counter(pool.tolist()).most_common(1)[0][0]
        raise BadEntry(f"`candidate_pool_ids` holds {twice} twice")
    return pool


def _check_size(size: int) -> None:
    if size > MAX_POOL:
        raise BadEntry(f"has a pool of {size} candidates; {MAX_POOL} at most")


def _ids(value: Any, what: str) -> list[int]:
    if not isinstance(value, list) or not value:
        raise BadEntry(f"{what} must be a list of ids, but is {_shown(value)}")
    for number in value:
        if type(number) is not int or not 0 <= number < 2**62:
            raise BadEntry(f"{what}: {_shown(number)} is no id: a whole number from 0 on")
    return value


def _shots(
    numbered: Sequence[tuple[int, Mapping[str, Any]]],
    key: Literal["pointer_global", "pointer_pos", "pointer"] | str,
) -> NDArray[np.int64]:
    """What ``key`` holds, as it is: all of one length, none twice in a rollout. Shape: (R, S)."""
    lists = [_ids(rollout.get(key), f"rollout {number}: `{key}`") for number, rollout in numbered]
    first, length = numbered[0][0], len(lists[0])
    for (number, _), shots in zip(numbered, lists, strict=True):
        if len(shots) != length:
            raise BadEntry(
                f"rollout {number}: `{key}` has {len(shots)} shots, rollout {first} has {length}"
            )
        if len(set(shots)) < length:
            raise BadEntry(f"rollout {number}: `{key}` {shots} names a shot twice")
    return np.array(lists, dtype=np.int64)


def _local_shots(
    numbered: Sequence[tuple[int, Mapping[str, Any]]], pool: NDArray[np.int64]
) -> NDArray[np.int64]:
    """`pointer`, which must be where the pool has the ids of `pointer_global`."""
    pointers, named = _shots(numbered, "pointer"), _shots(numbered, "pointer_global")
    if pointers.shape != named.shape:
        raise BadEntry(
            f"`pointer` has {pointers.shape[1]} shots, `pointer_global` has {named.shape[1]}"
        )
    if pointers.max() >= len(pool):
        row, place = np.argwhere(pointers >= len(pool))[0]
        raise BadEntry(
            f"rollout {numbered[row][0]}: `pointer` {pointers[row, place]} lies outside its pool "
            f"of {len(pool)} candidates"
        )
    wrong = np.argwhere(pool[pointers] != named)
    if len(wrong):
        row, place = wrong[0]
        raise BadEntry(
            f"rollout {numbered[row][0]}: `pointer_global` {named[row, place]} contradicts the "
            f"pool, which has {pool[pointers[row, place]]} at `pointer` {pointers[row, place]}"
        )
    return pointers


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
