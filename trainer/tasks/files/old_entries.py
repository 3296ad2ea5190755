"""Entries of older RL data files: lists of global ids with a score each.

    {"id_list": [[id, ..., query id], ...], "score_list": [score, ...]}

The last id is the query itself; the pool of every query is all ids that the file names. Whether a
high score is good changed with the files' age: the file tells it in `_meta`, or the user does.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from trainer.tasks.files.entries import MAX_POOL, BadEntry, Counts, Entry

Sense = Literal["higher_is_better", "lower_is_better"]


def is_old(value: Any) -> bool:
    """Whether an entry has the older form."""
    return isinstance(value, dict) and "id_list" in value and "pointer_candidates" not in value


def sense_of(meta: Mapping[str, Any]) -> Sense | None:
    """What `_meta` says of the scores: `"scores": "higher_is_better"`; None where it is silent."""
    told = meta.get("scores")
    if told == "higher_is_better":
        return "higher_is_better"
    return "lower_is_better" if told == "lower_is_better" else None


def read_old(
    old: Mapping[int, Any], counts: Counts, *, lower_is_better: bool
) -> tuple[dict[int, Entry], list[str]]:
    """Turn all entries into arrays, with the reward in the column of `soft`; and what is wrong."""
    lists: dict[int, tuple[list[list[int]], list[float]]] = {}
    problems: list[str] = []
    for query, entry in old.items():
        try:
            lists[query] = _checked(query, entry)
        except BadEntry as problem:
            problems.append(f"query {query}: {problem}")
    named = {shot for shots, _ in lists.values() for row in shots for shot in row}
    pool = np.array(sorted(named), dtype=np.int64)
    if len(pool) > MAX_POOL:
        problems.append(
            f"query {next(iter(lists))}: the file names {len(pool)} ids; {MAX_POOL} at most"
        )
        return {}, problems
    good = {}
    for query, (shots, scores) in lists.items():
        if len(shots) < 2:
            counts.dropped["queries with fewer than two rollouts"] += 1
            continue
        reward = np.array(scores, dtype=np.float32) * (-1 if lower_is_better else 1)
        fields = np.zeros((len(shots), 4), dtype=np.float32)
        fields[:, 1] = reward
        good[query] = Entry(pool, np.searchsorted(pool, np.array(shots)), fields)
        counts.kinds["id_list"] += 1
    return good, problems


def _checked(query: int, entry: Mapping[str, Any]) -> tuple[list[list[int]], list[float]]:
    ids, scores = entry.get("id_list"), entry.get("score_list")
    if not isinstance(ids, list) or not isinstance(scores, list) or len(ids) != len(scores):
        raise BadEntry("`id_list` and `score_list` must be lists of one length")
    shots = []
    for number, (row, score) in enumerate(zip(ids, scores, strict=True), start=1):
        if (
            not isinstance(row, list)
            or len(row) < 2
            or any(type(shot) is not int or not 0 <= shot < 2**62 for shot in row)
        ):
            raise BadEntry(
                f"rollout {number}: needs ids of shots, then the query's, but is {row!r}"
            )
        if row[-1] != query:
            raise BadEntry(f"rollout {number}: its last id {row[-1]} is not the query's")
        if len(set(row[:-1])) < len(row) - 1:
            raise BadEntry(f"rollout {number}: {row[:-1]} names a shot twice")
        if len(row) != len(ids[0]):
            raise BadEntry(
                f"rollout {number}: has {len(row) - 1} shots, rollout 1 {len(ids[0]) - 1}"
            )
        if type(score) not in (int, float) or not np.isfinite(score):
            raise BadEntry(f"rollout {number}: the score must be a finite number, but is {score!r}")
        shots.append(row[:-1])
    return shots, scores
