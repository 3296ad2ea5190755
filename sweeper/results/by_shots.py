"""A study as one number of shots sees it: its evidence, narrowed to one column of scores. Pure.

Whatever weighs, ranks or chooses works on it unchanged, with the same corrections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeper.errors import UsageError
from sweeper.results.evidence import Evidence, Scored, held_out

_NAME = "shot_"


def by_shots(evidence: Evidence, name: str) -> Evidence:
    """Narrow a study to one number of shots.

    Every row's score is its accuracy with that many shots, its only one, and trials stand in the
    order of these, equal ones as before; finalists, who answered other questions, come first as in
    any ranking. Rows without that number are left out.

    Args:
        evidence: Of the study.
        name: "shot_2", as the columns are called.

    Raises:
        UsageError: where no trial has that number of shots; it lists those there are.
    """
    shots = name.removeprefix(_NAME)
    listed = evidence.trials or list(evidence.imported)
    known = list(dict.fromkeys(s for row in listed for s in row.accuracy))
    if not name.startswith(_NAME) or shots not in known:
        there = ", ".join(f"{_NAME}{s}" for s in known) or "none: a loss has no number of shots"
        raise UsageError(f"--by {name}: study {evidence.config.name!r} has {there}")
    controls = [row for row in evidence.rows if row.kind == "control"]
    trials = _ranked(_narrowed(evidence.trials, shots))
    best = trials[0].label if trials else ""
    return replace(
        evidence,
        rows=[*_narrowed(controls, shots), *trials],
        imported=_ranked(_narrowed(evidence.imported, shots)),
        confirmed=held_out(_narrowed(_each_once(evidence.confirmed), shots), best),
    )


def _each_once(rows: Mapping[str, Scored]) -> list[Scored]:
    """Rows that may stand under several names, such as a baseline that is the best."""
    return list({row.label: row for row in rows.values()}.values())


def _ranked(rows: Sequence[Scored]) -> list[Scored]:
    return sorted(rows, key=lambda row: (not row.final, -row.score))


def _narrowed(rows: Sequence[Scored], shots: str) -> list[Scored]:
    return [_row(row, shots) for row in rows if shots in row.accuracy]


def _row(row: Scored, shots: str) -> Scored:
    column = list(row.accuracy).index(shots)
    return replace(
        row,
        score=row.accuracy[shots],
        accuracy={shots: row.accuracy[shots]},
        scores=None if row.scores is None else row.scores[:, [column]],
        shots=None if row.shots is None else row.shots[:, : int(shots)],
        seed_scores=None if row.seed_scores is None else row.seed_scores[:, :, [column]],
        lines=[_line(line, shots) for line in row.lines],
    )


def _line(line: Mapping[str, Any], shots: str) -> dict[str, Any]:
    """An epoch whose score is the accuracy with that many shots."""
    metrics = line["metrics"]
    if "score" not in metrics:
        return dict(line)
    return {**line, "metrics": {**metrics, "score": metrics.get(f"accuracy/shot_{shots}")}}
