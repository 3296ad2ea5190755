"""A study as one part of its score sees it: its evidence, narrowed to one column. Pure.

Whatever weighs, ranks or chooses works on it unchanged, with the same corrections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sweeper.errors import UsageError
from sweeper.outcomes import Epoch
from sweeper.ranking import in_order
from sweeper.records import told_parts
from sweeper.results.evidence import Evidence, Scored, held_out


def by_part(evidence: Evidence, name: str) -> Evidence:
    """Narrow a study to one part of its score.

    Every row's score is that part, its only one, and trials stand in the order of these, equal ones
    as before, finalists as in any ranking. Rows without that part are left out.

    Args:
        evidence: Of the study.
        name: "shot_2", as the columns are called.

    Raises:
        UsageError: where no trial has that part; it lists those there are.
    """
    nouns, sign = evidence.config.nouns, evidence.sign
    listed = evidence.trials or list(evidence.imported)
    known = list(dict.fromkeys(part for row in listed for part in row.accuracy))
    part = nouns.part(name)
    if part is None or part not in known:
        there = ", ".join(map(nouns.key, known)) or "none: its score is the mean of no others"
        raise UsageError(f"--by {name}: study {evidence.config.name!r} has {there}")
    narrow = _Narrowing(part, counts=nouns.counts)
    controls = [row for row in evidence.rows if row.kind == "control"]
    trials = in_order(
        narrow.rows(evidence.trials),
        own=lambda row: -sign * row.searched.get(part, row.score),
        final=lambda row: -sign * row.score if row.final else None,
    )
    best = trials[0].label if trials else ""
    return replace(
        evidence,
        rows=[*narrow.rows(controls), *trials],
        imported=sorted(narrow.rows(evidence.imported), key=lambda row: -sign * row.score),
        confirmed=held_out(narrow.rows(_each_once(evidence.confirmed)), best),
    )


def _each_once(rows: Mapping[str, Scored]) -> list[Scored]:
    """Rows that may stand under several names, such as a baseline that is the best."""
    return list({row.label: row for row in rows.values()}.values())


@dataclass(frozen=True, slots=True)
class _Narrowing:
    """One part, and whether it is a number of choices."""

    part: str
    counts: bool

    def rows(self, rows: Sequence[Scored]) -> list[Scored]:
        """Those that have the part, without the others."""
        return [self._row(row) for row in rows if self.part in row.accuracy]

    def _row(self, row: Scored) -> Scored:
        column, score = list(row.accuracy).index(self.part), row.accuracy[self.part]
        choices = row.choices
        return replace(
            row,
            score=score,
            accuracy={self.part: score},
            scores=None if row.scores is None else row.scores[:, [column]],
            choices=choices[:, : int(self.part)]
            if choices is not None and self.counts
            else choices,
            seed_scores=None if row.seed_scores is None else row.seed_scores[:, :, [column]],
            epochs=[self._epoch(epoch) for epoch in row.epochs],
        )

    def _epoch(self, epoch: Epoch) -> Epoch:
        """An epoch whose score is that part."""
        if "score" not in epoch.metrics:
            return epoch
        told = told_parts(epoch, [self.part]).get(self.part)
        return epoch.model_copy(update={"metrics": {**epoch.metrics, "score": told}})
