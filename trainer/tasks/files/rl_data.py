"""RL data files: queries with their recorded rollouts, checked whole and kept in a mapped form.

A file is streamed once into arrays beside it, `<file>.mapped/<key>/`, from which later loads map
what they need. The key is a hash of the file's content, of the rules and of the form. A file whose
size and time of change are those that were noted is taken for unchanged without reading it: who
changes a file and puts its time back deceives this, as it would deceive make. Where nothing may be
written beside the file, the arrays stay in memory.

Shape legend: B queries, N rollouts of all of them, S shots, K candidates of the largest pool.
"""

import contextlib
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.errors import InputError
from trainer.tasks.files.entries import BadEntry, Counts, Entry, EntryRules, read_entry
from trainer.tasks.files.old_entries import is_old, read_old, sense_of
from trainer.tasks.files.stream import entries

FORM = 1  # of the mapped arrays; raise whenever they change
SHOWN = 20  # problems of a file that an error lists
ARRAYS = ("queries", "pools", "pool_sizes", "offsets", "pointers", "fields", "score")
SENSES = Literal["higher_is_better", "lower_is_better"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions:
    """How a file is read."""

    on_bad: Literal["error", "drop"] = "error"
    skip_fallback: bool = True
    require_positive: bool = False
    old_scores: SENSES | None = None  # of an `id_list` file that does not tell it itself


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFile:
    """What a file holds. Tensors on the CPU, mapped where that was possible."""

    queries: Tensor  # global ids, ascending. Shape: (B,), int64
    pools: Tensor  # global ids, 0 behind the end of a pool. Shape: (B, K), int64
    pool_sizes: Tensor  # Shape: (B,), int64
    offsets: Tensor  # query b owns the rollouts offsets[b] to offsets[b + 1]. Shape: (B + 1,)
    pointers: Tensor  # local indices, in the file's order. Shape: (N, S), int64
    hard: Tensor  # Shape: (N,), float32; as the next three
    soft: Tensor
    gt_prob: Tensor
    rel: Tensor
    score: Tensor | None  # older files: the reward, higher is better. Shape: (N,), float32
    meta: Mapping[str, Any]  # the file's `_meta`
    kinds: Mapping[str, int]  # index convention -> queries
    dropped: Mapping[str, int]  # reason -> rollouts or queries
    missing: Mapping[str, int]  # optional field -> rollouts without it
    methods: Mapping[str, int]  # gen_method -> rollouts
    contradictions: int  # rollouts that are marked correct against their own score


def read_rollouts(path: Path, *, options: RolloutOptions) -> RolloutFile:
    """Read an RL data file, from its mapped form where that is there.

    Raises:
        InputError: where the file cannot be read, holds no query of use or, unless `on_bad` is
            "drop", where entries contradict themselves; it lists them with query and rollout.
    """
    try:
        stamp = _stamp(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    home = path.with_name(f"{path.name}.mapped")
    known = _find(home, options, stamp=stamp) or _find(
        home, options, content=_content_hash(path, home)
    )
    if known is not None:
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError):  # damaged: made again
            return _load(known)
        shutil.rmtree(known, ignore_errors=True)
    arrays, facts = _parse(path, options)
    folder = _keep(home, arrays, {**facts, **_identity(path, options, stamp)})
    return _load(folder) if folder is not None else _file_of(arrays, facts)


def check_ids(file: RolloutFile, rows: int, path: str) -> None:
    """Refuse ids beyond the embedding matrix.

    Raises:
        InputError: with the first query or candidate that has no row.
    """
    widest = file.pools.shape[1]
    beyond = (file.pools >= rows) & (torch.arange(widest) < file.pool_sizes[:, None])
    for query, ids in (
        (file.queries[beyond.any(dim=1)], file.pools[beyond]),
        (file.queries[file.queries >= rows], file.queries[file.queries >= rows]),
    ):
        if len(query):
            raise InputError(
                f"{path}: query {int(query[0])}: id {int(ids[0])} lies beyond the {rows} rows of "
                "embeddings.train; the file belongs to other embeddings"
            )


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _identity(path: Path, options: RolloutOptions, stamp: list[int]) -> dict[str, Any]:
    return {
        "form": FORM,
        "options": asdict(options),
        "stamp": stamp,
        "content": _hash(path),
    }


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _content_hash(path: Path, home: Path) -> str | None:
    """The file's hash, if there is a mapped form that it could be compared with."""
    return _hash(path) if home.is_dir() and any(home.iterdir()) else None


def _find(home: Path, options: RolloutOptions, **wanted: Any) -> Path | None:
    """The mapped form with these options and this stamp or content."""
    if None in wanted.values() or not home.is_dir():
        return None
    wanted |= {"options": asdict(options), "form": FORM}
    for folder in sorted(home.iterdir()):
        with contextlib.suppress(OSError, ValueError):
            facts = json.loads((folder / "facts.json").read_text())
            if all(facts.get(key) == value for key, value in wanted.items()):
                return folder
    return None


def _keep(home: Path, arrays: Mapping[str, NDArray[Any]], facts: dict[str, Any]) -> Path | None:
    """Write the mapped form whole or not at all; None where it may not be written."""
    folder: Path = home / facts["content"]
    part = home / f".{secrets.token_hex(4)}.part"
    try:
        part.mkdir(parents=True)
        for name, array in arrays.items():
            np.save(part / f"{name}.npy", array)
        (part / "facts.json").write_text(json.dumps(facts, indent=1))
        while folder.exists():  # the same content read with other options, or a form outdated
            folder = folder.with_name(f"{folder.name}+")
        part.rename(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        return None
    return folder


def _load(folder: Path) -> RolloutFile:
    facts = json.loads((folder / "facts.json").read_text())
    arrays = {
        path.stem: np.load(path, mmap_mode="c")  # copy-on-write: torch wants it writable
        for path in folder.glob("*.npy")
    }
    return _file_of(arrays, facts)


def _file_of(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> RolloutFile:
    tensors = {name: torch.from_numpy(arrays[name]) for name in ARRAYS if name in arrays}
    hard, soft, gt_prob, rel = tensors["fields"].unbind()
    return RolloutFile(
        queries=tensors["queries"],
        pools=tensors["pools"],
        pool_sizes=tensors["pool_sizes"],
        offsets=tensors["offsets"],
        pointers=tensors["pointers"],
        hard=hard,
        soft=soft,
        gt_prob=gt_prob,
        rel=rel,
        score=tensors.get("score"),
        meta=facts["meta"],
        kinds=facts["kinds"],
        dropped=facts["dropped"],
        missing=facts["missing"],
        methods=facts["methods"],
        contradictions=facts["contradictions"],
    )


def _parse(path: Path, options: RolloutOptions) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Stream the file into arrays, and the facts about it."""
    counts, meta = Counts(), {}
    rules = EntryRules(
        skip_fallback=options.skip_fallback, require_positive=options.require_positive
    )
    good: dict[int, Entry] = {}
    old: dict[int, Any] = {}
    problems: list[str] = []
    seen: set[int] = set()
    for key, value in entries(path):
        if key == "_meta" and isinstance(value, dict):
            meta = value
        if not any(character.isdigit() for character in key) or key.startswith("_"):
            continue
        try:
            query = _query_id(key, seen)
            if is_old(value):
                old[query] = value
            elif (entry := read_entry(value, rules, counts)) is not None:
                good[query] = entry
        except BadEntry as problem:
            problems.append(f"query {key}: {problem}")
    if old:
        if good:
            raise InputError(f"{path}: mixes `id_list` entries with newer ones; split the file")
        sense = sense_of(meta) or options.old_scores
        if sense is None:
            raise InputError(
                f"{path}: an older file (`id_list`), whose scores mean more or less according to "
                "its age, and it does not tell which; set `old_scores: higher_is_better` or "
                "`lower_is_better`"
            )
        good, found = read_old(old, counts, lower_is_better=sense == "lower_is_better")
        problems += found
    problems += _lengths(good)
    if problems and options.on_bad == "error":
        raise _told(path, problems)
    counts.dropped["queries that contradict themselves"] += len(problems)
    good = _of_one_length(good)
    if not good:
        told = ", ".join(f"{count} {what}" for what, count in counts.dropped.items() if count)
        raise InputError(f"{path}: holds no query of use{f'; dropped: {told}' if told else ''}")
    facts = {
        "meta": meta,
        "kinds": dict(counts.kinds),
        "dropped": {what: count for what, count in counts.dropped.items() if count},
        "missing": dict(counts.missing),
        "methods": dict(counts.methods),
        "contradictions": counts.contradictions,
    }
    return _arrays(good, old=bool(old)), facts


def _query_id(key: str, seen: set[int]) -> int:
    if not key.isdecimal() or not key.isascii():
        raise BadEntry("a query's key must be its id, a whole number")
    query = int(key) if len(key) < 19 else -1
    if query < 0:
        raise BadEntry("the id is too large")
    if query in seen:
        raise BadEntry("stands in the file twice")
    seen.add(query)
    return query


def _told(path: Path, problems: list[str]) -> InputError:
    listed = "\n".join(f"  {problem}" for problem in problems[:SHOWN])
    more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return InputError(
        f"{path} has {len(problems)} bad entries:\n{listed}{more}\n"
        "Mend them, or write `on_bad: drop` to go on without these queries"
    )


def _usual_length(good: Mapping[int, Entry]) -> int:
    lengths = [entry.pointers.shape[1] for entry in good.values()]
    return max(set(lengths), key=lengths.count) if lengths else 0


def _lengths(good: Mapping[int, Entry]) -> Iterator[str]:
    """Complain of queries whose rollouts have another number of shots than the file's."""
    usual = _usual_length(good)
    for query, entry in good.items():
        if (shots := entry.pointers.shape[1]) != usual:
            yield f"query {query}: its rollouts have {shots} shots, those of the file {usual}"


def _of_one_length(good: Mapping[int, Entry]) -> dict[int, Entry]:
    usual = _usual_length(good)
    return {query: entry for query, entry in good.items() if entry.pointers.shape[1] == usual}


def _arrays(good: Mapping[int, Entry], *, old: bool) -> dict[str, NDArray[Any]]:
    """Lay the queries one behind the other, by id."""
    order = sorted(good)
    chosen = [good[query] for query in order]
    sizes = np.array([len(entry.pool) for entry in chosen], dtype=np.int64)
    pools = np.zeros((len(chosen), sizes.max()), dtype=np.int64)
    for row, entry in zip(pools, chosen, strict=True):
        row[: len(entry.pool)] = entry.pool
    groups = np.array([len(entry.pointers) for entry in chosen], dtype=np.int64)
    fields = np.concatenate([entry.fields for entry in chosen]).T
    arrays: dict[str, NDArray[Any]] = {
        "queries": np.array(order, dtype=np.int64),
        "pools": pools,
        "pool_sizes": sizes,
        "offsets": np.concatenate([[0], groups.cumsum()]).astype(np.int64),
        "pointers": np.concatenate([entry.pointers for entry in chosen]).astype(np.int64),
        "fields": np.ascontiguousarray(fields),
    }
    if old:  # their one column is the reward
        arrays |= {"score": fields[1].copy()}
    return arrays
