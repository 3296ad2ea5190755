"""Generated data of the lab's size, as the lab's files: RL data JSON and an embedding matrix.

    python benchmarks/lab_data.py FOLDER [--queries 800] [--rollouts 11 40] [--rows 9009]

The best rollouts of a query are those whose shots lie close to it, so that there is something to
learn. The JSON is written query by query.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

POOL, SHOTS = 64, 2
SCORES = (0.3, 0.6, 0.9, 1.0)  # of a right answer
RIGHT = 0.533  # share of the rollouts, as in the lab's file
METHODS = ("beam", "sample", "random", "global_search")


def write_lab_data(
    folder: Path,
    *,
    queries: int = 800,
    rollouts: tuple[int, int] = (11, 40),
    rows: int = 9009,
    width: int = 512,
    padding: int = 0,
    seed: int = 0,
) -> tuple[Path, Path]:
    """Write `rl_data.json` and `embeddings.npy`; return their paths.

    Args:
        folder: Is made where it is missing.
        queries: Queries with rollouts; the first rows of the matrix.
        rollouts: Fewest and most of a query.
        rows: Of the embedding matrix.
        width: Of an embedding.
        padding: Characters of raw text in each rollout, to reach a file size.
        seed: Of pools and rollouts; the matrix of one size is always the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    matrix = np.random.default_rng(0).standard_normal((rows, width), dtype=np.float32)
    generator = np.random.default_rng(seed)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    np.save(folder / "embeddings.npy", matrix)
    path = folder / "rl_data.json"
    with path.open("w") as file:
        file.write('{"_meta": {"reader": "generated"}')
        for query in range(queries):
            entry = _entry(query, matrix, generator, rollouts, padding)
            file.write(f',\n"{query}": {json.dumps(entry)}')
        file.write("}\n")
    return path, folder / "embeddings.npy"


def _entry(
    query: int,
    matrix: np.ndarray,
    generator: np.random.Generator,
    rollouts: tuple[int, int],
    padding: int,
) -> dict[str, Any]:
    pool = generator.choice(len(matrix), POOL, replace=False)
    near = matrix[pool] @ matrix[query]
    made = list(_rollouts(pool, near, generator, generator.integers(*rollouts, endpoint=True)))
    if padding:
        made = [{**rollout, "vqa_raw_generation": "x" * padding} for rollout in made]
    return {
        "query": {"query_id": query, "question": "what is it?"},
        "candidate_pool_ids": pool.tolist(),
        "pointer_candidates": made,
    }


def _rollouts(
    pool: np.ndarray, near: np.ndarray, generator: np.random.Generator, count: int
) -> Iterator[dict[str, Any]]:
    pointers = generator.random((count, POOL)).argsort(axis=1)[:, :SHOTS]
    closeness = near[pointers].mean(axis=1) + 0.05 * generator.standard_normal(count)
    right = closeness >= np.quantile(closeness, 1.0 - RIGHT)
    scores = np.where(right, generator.choice(SCORES, count), 0.0)
    for pointer, score in zip(pointers, scores, strict=True):
        yield {
            "pointer": pointer.tolist(),
            "pointer_global": pool[pointer].tolist(),
            "gen_method": str(generator.choice(METHODS)),
            "vqa_correct": int(score > 0),
            "vqa_acc_score": float(score),
            "vqa_gt_prob": float(generator.random() * 1e-6),
            "vqa_eval_mode": "vqaEval",
        }


def main() -> None:
    """Write the files where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--queries", type=int, default=800)
    parser.add_argument("--rollouts", type=int, nargs=2, default=(11, 40))
    parser.add_argument("--rows", type=int, default=9009)
    parser.add_argument("--width", type=int, default=512)
    options = parser.parse_args()
    for path in write_lab_data(
        options.folder,
        queries=options.queries,
        rollouts=tuple(options.rollouts),
        rows=options.rows,
        width=options.width,
    ):
        print(path)


if __name__ == "__main__":
    main()
