"""Pools of the evaluation questions: read from a file, or drawn from the training rows.

Shape legend: Q questions, K candidates.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainer.errors import InputError
from trainer.tasks.files.entries import MAX_POOL
from trainer.tasks.files.stream import entries


def read_pools(path: Path, *, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Read `{"<query id>": [ids], ...}`: for each evaluation query its candidates, in order.

    Args:
        path: JSON.
        rows: of the training embeddings, which the candidates are.

    Returns:
        Query ids ascending, Shape: ``(Q,)``; pools padded with 0, Shape: ``(Q, K)``; their sizes,
        Shape: ``(Q,)``. All int64.

    Raises:
        InputError: where the file or a pool of it cannot be used.
    """
    pools: dict[int, list[int]] = {}
    for key, ids in entries(path):
        if not (key.isascii() and key.isdecimal() and len(key) < 19):
            raise InputError(f"{path}: query {key!r}: the key must be the query's id")
        reason = _wrong(ids, rows)
        if reason or int(key) in pools:
            raise InputError(f"{path}: query {key}: {reason or 'stands in the file twice'}")
        pools[int(key)] = ids
    if not pools:
        raise InputError(f"{path}: holds no pool")
    order = sorted(pools)
    sizes = torch.tensor([len(pools[query]) for query in order])
    table = torch.zeros(len(order), int(sizes.max()), dtype=torch.int64)
    for row, query in zip(table, order, strict=True):
        row[: len(pools[query])] = torch.tensor(pools[query])
    return torch.tensor(order), table, sizes


def _wrong(ids: object, rows: int) -> str | None:
    if not isinstance(ids, list) or not ids:
        return f"a pool must be a list of ids, but is {ids!r}"
    bad = [i for i in ids if type(i) is not int or not 0 <= i < rows]
    if bad:
        return f"{bad[0]!r} is none of the {rows} rows of embeddings.train"
    if len(set(ids)) < len(ids):
        return "its pool names a candidate twice"
    return (
        f"its pool has {len(ids)} candidates; {MAX_POOL} at most" if len(ids) > MAX_POOL else None
    )


def make_pools(questions: int, *, candidates: int, size: int, seed: int) -> Tensor:
    """Draw a pool of distinct training rows for each question. Shape: ``(questions, size)``."""
    generator = np.random.default_rng(seed)
    drawn = [generator.choice(candidates, size, replace=False) for _ in range(questions)]
    return torch.from_numpy(np.stack(drawn).astype(np.int64))


def pools_digest(pools: Tensor) -> str:
    """Hash shape and ids: 32 hexadecimal digits."""
    hasher = hashlib.sha256(str(tuple(pools.shape)).encode())
    hasher.update(pools.contiguous().numpy().data)
    return hasher.hexdigest()[:32]
