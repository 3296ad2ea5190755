"""Small files in the lab's forms: RL data of every index convention, and embeddings."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

Form = Literal["pointer_global", "pointer_pos", "pointer", "id_list"]
SCORES = (0.0, 0.3, 0.6, 0.9, 1.0)


def write_rl_data(
    path: Path,
    *,
    queries: int = 6,
    rollouts: tuple[int, int] = (3, 6),
    pool: int = 8,
    shots: int = 2,
    rows: int = 40,
    seed: int = 0,
    form: Form = "pointer_global",
) -> dict[str, Any]:
    """Write RL data of queries 0, 3, 6, ... in descending order; return what was written.

    Every query has a right and a wrong rollout; ``rollouts`` are the fewest and most of one.
    """
    generator = np.random.default_rng(seed)
    pools = [generator.choice(rows, pool, replace=False) for _ in range(queries)]
    ids = [3 * place for place in reversed(range(queries))]
    data: dict[str, Any] = {"_meta": {"scores": "higher_is_better"}}
    for query, named in zip(ids, pools, strict=True):
        count = int(generator.integers(*rollouts, endpoint=True))
        local = generator.random((count, pool)).argsort(axis=1)[:, :shots]
        scores = [0.0, 0.9, *generator.choice(SCORES, count).tolist()][:count]
        if form == "id_list":  # one pool for the whole file
            data[str(query)] = _old_entry(query, pools[0][local].tolist(), scores)
        else:
            data[str(query)] = _entry(query, named, local, scores, form)
    write_json(path, data)
    return data


def write_json(path: Path, data: Any) -> Path:
    """Write ``data`` as it is; NaN stands in it as Python writes it."""
    path.write_text(json.dumps(data))
    return path


def write_embeddings(path: Path, rows: int = 40, width: int = 12, seed: int = 0) -> np.ndarray:
    """Write a matrix of unit rows as `.npy`, or as `.pt` by the path's suffix; return it."""
    matrix = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    if path.suffix == ".npy":
        np.save(path, matrix)
    else:
        import torch

        torch.save(torch.from_numpy(matrix.copy()), path)
    return matrix


def _old_entry(query: int, shots: list[list[int]], scores: list[float]) -> dict[str, Any]:
    return {"id_list": [[*row, query] for row in shots], "score_list": scores}


def _entry(
    query: int, pool: np.ndarray, local: np.ndarray, scores: list[float], form: Form
) -> dict[str, Any]:
    entry: dict[str, Any] = {"query": {"query_id": query, "question": "what is it?"}}
    if form == "pointer_global":
        entry["candidate_pool_ids"] = pool.tolist()
    entry["pointer_candidates"] = [
        _pointers(pool, row, form)
        | {
            "gen_method": "beam",
            "vqa_correct": int(score > 0),
            "vqa_acc_score": score,
            "vqa_gt_prob": 1e-7 * number,
            "vqa_rel_score": 0.25,
            "vqa_eval_mode": "vqaEval",
        }
        for number, (row, score) in enumerate(zip(local, scores, strict=True))
    ]
    return entry


def _pointers(pool: np.ndarray, local: np.ndarray, form: Form) -> dict[str, list[int]]:
    named = pool[local].tolist()
    if form == "pointer_global":
        return {"pointer": local.tolist(), "pointer_global": named}
    if form == "pointer_pos":
        return {"pointer": local.tolist(), "pointer_pos": named}
    return {"pointer": named}


def write_metrics(path: Path, *shots: float, questions: int = 200, day: int = 11) -> Path:
    """Add an evaluation to a metrics file, as the lab's code does: read, modify, write."""
    content = json.loads(path.read_text()) if path.exists() else {}
    key = f"2025-12-{day} 10:00:00-test_data_num={questions}-LeverLMRetriever"
    content[key] = {f"shot_num={count}": value for count, value in enumerate(shots, start=1)}
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_json(path, content)
