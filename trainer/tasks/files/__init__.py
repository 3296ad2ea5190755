"""The lab's own files as a task: recorded rollouts, embeddings, and pools of evaluation questions.

Rows of the embedding matrix are the training questions, by global id, and behind them those of
`embeddings.evaluate`. Training and validation queries are the file's, sorted by id, parted by
`split` or by a file of their own. What scores without a reader of its own, the loss or what was
recorded, uses the validation queries; a command brings its questions along, and what is selected
for those in `embeddings.evaluate` only shows how far a policy has moved.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.contract import FilesSpec
from trainer.errors import InputError
from trainer.readers import Reader
from trainer.tasks import QuestionSet, RecordedRollouts
from trainer.tasks.files.embeddings import load_matrix, matrix_digest
from trainer.tasks.files.pools import make_pools, pools_digest, read_pools
from trainer.tasks.files.rl_data import RolloutFile, RolloutOptions, check_ids, read_rollouts

TOLD = ("reader", "decoder", "prompt")  # keys of `_meta` that say how the rollouts were answered


class FilesTask:
    """The task `files`; see `Task`.

    Args:
        spec: The files.

    Raises:
        InputError: where a file cannot be used, or the files contradict each other.
    """

    rollouts_are_files = True

    def __init__(self, spec: FilesSpec) -> None:
        rows = load_matrix(Path(spec.embeddings.train))
        files = _read_all(spec, rows=len(rows))
        self._recorded = _parted(files, spec)
        self.embeddings, self._questions, pools = _evaluation(spec, rows, self._recorded)
        self.training_queries = self._recorded["train"].queries
        embeddings = matrix_digest(self.embeddings)
        digests = {split: rollouts_digest(part) for split, part in self._recorded.items()}
        self.known_digest = digests["validate"]
        self.training_digest = _joined(embeddings, *digests.values())
        self.data_digest, self.selection_digest = (
            _joined(embeddings if spec.embeddings.evaluate else judged, pools, judged)
            for judged in (self.known_digest, "")
        )
        self.facts: Mapping[str, Any] = _facts(spec, files[0], evaluated=pools != "")

    def questions(self, split: str) -> QuestionSet:
        """The questions of "select": of the evaluation file, or the validation queries."""
        if split != "select":
            raise InputError(
                "task files holds no questions back; a command with {split} among its arguments "
                "can confirm on questions of its own"
            )
        return self._questions

    def draw_pools(self, queries: Tensor, generator: torch.Generator) -> Tensor:
        """Refuse: recorded rollouts have the pools that they were recorded with."""
        raise InputError("task files has no reader that could reward shots from fresh pools")

    @property
    def known(self) -> RecordedRollouts:
        """The rollouts that may answer for an evaluation: those of the validation queries."""
        return self._recorded["validate"]

    def record_rollouts(self, split: str, reader: Reader) -> RecordedRollouts:
        """The rollouts of "train" or "validate", as the files have them; nobody is asked."""
        return self._recorded[split]


def _read_all(spec: FilesSpec, *, rows: int) -> list[RolloutFile]:
    """The file of rollouts, and that of validation rollouts where there is one."""
    options = RolloutOptions(
        on_bad=spec.on_bad,
        skip_fallback=spec.skip_fallback,
        require_positive=spec.require_positive,
        old_scores=spec.old_scores,
    )
    paths = [spec.rollouts] if spec.validation is None else [spec.rollouts, spec.validation]
    files = [read_rollouts(Path(path), options=options) for path in paths]
    for file in files:
        check_ids(file, rows, spec.rollouts)
    return files


def _parted(files: list[RolloutFile], spec: FilesSpec) -> dict[str, RecordedRollouts]:
    if len(files) == 2:
        return {"train": _whole(files[0]), "validate": _whole(files[1])}
    whole = _whole(files[0])
    trained = int(len(whole.queries) * spec.split)
    if not 0 < trained < len(whole.queries):
        raise InputError(
            f"{spec.rollouts}: split {spec.split} of {len(whole.queries)} queries leaves none to "
            "train on or none to validate with; give more queries or a file of `validation:`"
        )
    return {
        "train": _part(whole, 0, trained),
        "validate": _part(whole, trained, len(whole.queries)),
    }


def _whole(file: RolloutFile) -> RecordedRollouts:
    return RecordedRollouts(
        queries=file.queries,
        pools=file.pools,
        pool_sizes=file.pool_sizes,
        offsets=file.offsets,
        pointers=file.pointers,
        hard=file.hard,
        soft=file.soft,
        gt_prob=file.gt_prob,
        rel=file.rel,
        score=file.score,
    )


def _part(whole: RecordedRollouts, begin: int, end: int) -> RecordedRollouts:
    """The queries ``begin`` to ``end``; views, nothing is copied but offsets."""
    first, last = int(whole.offsets[begin]), int(whole.offsets[end])
    return RecordedRollouts(
        queries=whole.queries[begin:end],
        pools=whole.pools[begin:end],
        pool_sizes=whole.pool_sizes[begin:end],
        offsets=whole.offsets[begin : end + 1] - first,
        pointers=whole.pointers[first:last],
        hard=whole.hard[first:last],
        soft=whole.soft[first:last],
        gt_prob=whole.gt_prob[first:last],
        rel=whole.rel[first:last],
        score=None if whole.score is None else whole.score[first:last],
    )


def _evaluation(
    spec: FilesSpec, rows: Tensor, recorded: Mapping[str, RecordedRollouts]
) -> tuple[Tensor, QuestionSet, str]:
    """Embeddings of all rows, the questions that select, and the digest of pools of their own."""
    if spec.embeddings.evaluate is None:
        questions = recorded["validate"].questions
        return rows, questions[_order(len(questions.queries))], ""
    asked = load_matrix(Path(spec.embeddings.evaluate))
    if asked.shape[1] != rows.shape[1]:
        raise InputError(
            f"{spec.embeddings.evaluate} is {asked.shape[1]} wide, {spec.embeddings.train} is "
            f"{rows.shape[1]} wide; both must come from one encoder"
        )
    if isinstance(spec.pools, str):
        queries, pools, sizes = read_pools(Path(spec.pools), rows=len(rows))
        _check_questions(queries, len(asked), spec.pools)
    else:
        size = min(spec.pools.size, len(rows))
        queries = torch.arange(len(asked))
        pools = make_pools(len(asked), candidates=len(rows), size=size, seed=spec.pools.seed)
        sizes = torch.full((len(asked),), size)
    questions = QuestionSet(queries=queries + len(rows), pools=pools, pool_sizes=sizes)
    return torch.cat([rows, asked]), questions[_order(len(queries))], pools_digest(pools)


def _order(count: int) -> Tensor:
    """The random order of the questions, the same for all studies: a prefix is a sample."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def _check_questions(queries: Tensor, rows: int, path: str) -> None:
    beyond = queries[queries >= rows]
    if len(beyond):
        raise InputError(
            f"{path}: query {int(beyond[0])} lies beyond the {rows} rows of embeddings.evaluate; "
            "a query's id is its row there"
        )


def _facts(spec: FilesSpec, file: RolloutFile, *, evaluated: bool) -> dict[str, Any]:
    """What reading found, and what the file tells about how its answers were given."""
    own = "a file of its own" if spec.validation else f"the last {100 * (1 - spec.split):.0f} %"
    return {
        "kinds": dict(file.kinds),
        "methods": dict(file.methods),
        "dropped": {reason: count for reason, count in file.dropped.items() if count},
        "missing": {field: count for field, count in file.missing.items() if count},
        "contradictions": file.contradictions,
        "training_split": "all of the file" if spec.validation else f"the first {spec.split:.0%}",
        "evaluation_split": "the rows of embeddings.evaluate" if evaluated else own,
        **{f"recorded_{key}": str(file.meta[key]) for key in TOLD if key in file.meta},
    }


def rollouts_digest(rollouts: RecordedRollouts) -> str:
    """Hash all that the rollouts hold: 32 hexadecimal digits."""
    hasher = hashlib.sha256()
    for name, tensor in rollouts.tensors().items():
        hasher.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        hasher.update(tensor.contiguous().numpy().data)
    return hasher.hexdigest()[:32]


def _joined(*digests: str) -> str:
    return hashlib.sha256("/".join(digests).encode()).hexdigest()[:32]
