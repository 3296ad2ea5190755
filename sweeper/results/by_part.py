"""A study as one number of shots sees it: its evidence, narrowed to one column of scores. Pure.

Whatever weighs, ranks or chooses works on it unchanged, with the same corrections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweeper.errors import UsageError
from sweeper.outcomes import Epoch
from sweeper.ranking import in_order
from sweeper.results.evidence import Evidence, Scored, held_out
from sweeper.words import PARTS, part_key

_NAME = part_key("")


def by_part(evidence: Evidence, name: str) -> Evidence:
    """Narrow a study to one number of shots.

    Every row's score is its accuracy with that many shots, its only one, and trials stand in the
    order of these, equal ones as before, finalists as in any ranking. Rows without that number are
    left out.

    Args:
        evidence: Of the study.
        name: "shot_2", as the columns are called.

    Raises:
        UsageError: where no trial has that number of shots; it lists those there are.
    """
    parts = name.removeprefix(_NAME)
    listed = evidence.trials or list(evidence.imported)
    known = list(dict.fromkeys(s for row in listed for s in row.accuracy))
    if not name.startswith(_NAME) or parts not in known:
        there = ", ".join(f"{_NAME}{s}" for s in known) or f"none: a loss has no number of {PARTS}"
        raise UsageError(f"--by {name}: study {evidence.config.name!r} has {there}")
    controls = [row for row in evidence.rows if row.kind == "control"]
    trials = in_order(
        _narrowed(evidence.trials, parts),
        own=lambda row: -row.searched.get(parts, row.score),
        final=lambda row: -row.score if row.final else None,
    )
    best = trials[0].label if trials else ""
    return replace(
        evidence,
        rows=[*_narrowed(controls, parts), *trials],
        imported=sorted(_narrowed(evidence.imported, parts), key=lambda row: -row.score),
        confirmed=held_out(_narrowed(_each_once(evidence.confirmed), parts), best),
    )


def _each_once(rows: Mapping[str, Scored]) -> list[Scored]:
    """Rows that may stand under several names, such as a baseline that is the best."""
    return list({row.label: row for row in rows.values()}.values())


def _narrowed(rows: Sequence[Scored], parts: str) -> list[Scored]:
    return [_row(row, parts) for row in rows if parts in row.accuracy]


def _row(row: Scored, parts: str) -> Scored:
    column = list(row.accuracy).index(parts)
    return replace(
        row,
        score=row.accuracy[parts],
        accuracy={parts: row.accuracy[parts]},
        scores=None if row.scores is None else row.scores[:, [column]],
        choices=None if row.choices is None else row.choices[:, : int(parts)],
        seed_scores=None if row.seed_scores is None else row.seed_scores[:, :, [column]],
        epochs=[_epoch(epoch, parts) for epoch in row.epochs],
    )


def _epoch(epoch: Epoch, parts: str) -> Epoch:
    """An epoch whose score is the accuracy with that many shots."""
    if "score" not in epoch.metrics:
        return epoch
    metrics = {**epoch.metrics, "score": epoch.accuracy.get(parts)}
    return epoch.model_copy(update={"metrics": metrics})
