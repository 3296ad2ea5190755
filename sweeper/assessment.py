"""What the scores of a study prove: each setting beside the baseline, and whether the best is best.

Only rows that answered the same questions are weighed against each other. Pure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sweeper.evidence import Evidence, Scored, asked_alike, settings_of
from sweeper.statistics.best import identical_groups, may_be_best
from sweeper.statistics.corrections import holm, max_t
from sweeper.statistics.curse import score_of_the_best
from sweeper.statistics.intervals import bca_intervals
from sweeper.statistics.power import detectable_difference, questions_needed, questions_range
from sweeper.statistics.resampling import Floats
from sweeper.statistics.sign_flip import sign_flip_p

LEVEL = 0.05
ROUNDING = 1e-9
Outcome = Literal["nothing", "alone", "identical", "untold", "better", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """One row with what its scores prove."""

    row: Scored
    difference: float | None = None  # from the baseline
    interval: tuple[float, float] | None = None  # of the score
    difference_interval: tuple[float, float] | None = None
    p: float | None = None  # paired sign-flip test against the baseline
    p_holm: float | None = None  # corrected for all settings looked at
    p_max_t: float | None = None
    may_be_best: bool | None = None  # cannot be told from the best


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """The best for one number of shots."""

    entry: Weighed
    difference: float | None  # from the baseline, with as many shots
    p: float | None  # against the baseline; corrected for all settings and numbers of shots
    p_best: float | None  # against the best on average; corrected for the numbers of shots


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A study, weighed."""

    outcome: Outcome
    rows: Sequence[Weighed]  # controls, then settings from best to worst
    best: Weighed | None
    baseline: Weighed | None
    settings: int  # different ones, without the controls
    questions: int | None
    expected: float | None  # score of the best on questions that did not choose it
    detectable: float | None  # smallest difference from the baseline seen with 80 % power
    needed: float | None  # questions that would show the difference seen
    needed_range: tuple[float, float] | None  # where scores by question are not known
    identical: Sequence[Sequence[str]]  # labels of settings with the same answers everywhere
    same_choices: Sequence[Sequence[str]]  # and of those with the same demonstrations
    winners: Mapping[str, Winner]  # by number of shots
    imported: bool  # whether these are results measured elsewhere


def assess(evidence: Evidence) -> Assessment:
    """Weigh the trials of a study; where it has none, what was imported."""
    imported = not evidence.trials
    listed = list(evidence.imported if imported else evidence.rows)
    sign = 1.0 if evidence.config.goal == "maximize" else -1.0
    chosen = [row for row in listed if row.kind != "control"]
    if not chosen:
        return _empty([Weighed(row=row) for row in listed], imported=imported)
    first, anchor = chosen[0], evidence.baseline
    comparable = asked_alike(listed, first)
    weighed = _weigh(listed, comparable, anchor)
    by_label = {entry.row.label: entry for entry in weighed}
    best = by_label[first.label]
    baseline = None if anchor is None else by_label[anchor.label]
    matrix = _matrix(settings_of(comparable))
    difference = best.difference
    deviation = _deviation(first, anchor)
    questions = first.questions
    known = deviation is not None and questions is not None
    level = LEVEL / max(len(chosen) - 1, 1)
    groups = _groups(chosen)
    return Assessment(
        outcome=_outcome(best, baseline, sign=sign),
        rows=weighed,
        best=best,
        baseline=baseline,
        settings=len({frozenset(row.params.items()) for row in chosen}),
        questions=questions,
        expected=score_of_the_best(matrix) if sign > 0 and _can_choose(matrix) else None,
        detectable=detectable_difference(deviation, questions, level=level)
        if known and deviation is not None and questions
        else None,
        needed=questions_needed(deviation, difference or 0.0, level=level)
        if deviation is not None and difference
        else None,
        needed_range=_needed_range(evidence, best),
        identical=groups,
        same_choices=_choices(chosen),
        winners=_winners(weighed, comparable, first, anchor),
        imported=imported,
    )


def _empty(rows: Sequence[Weighed], *, imported: bool) -> Assessment:
    return Assessment(
        outcome="nothing",
        rows=rows,
        best=None,
        baseline=None,
        settings=0,
        questions=None,
        expected=None,
        detectable=None,
        needed=None,
        needed_range=None,
        identical=(),
        same_choices=(),
        winners={},
        imported=imported,
    )


def _matrix(rows: Sequence[Scored]) -> Floats:
    parts = [row.scores.mean(axis=1) for row in rows if row.scores is not None]
    return np.stack(parts) if parts else np.empty((0, 0))


def _can_choose(matrix: Floats) -> bool:
    settings, questions = matrix.shape
    return bool(settings > 1 and questions > 1)


def _weigh(
    rows: Sequence[Scored], comparable: Sequence[Scored], anchor: Scored | None
) -> list[Weighed]:
    labels = [row.label for row in comparable]
    matrix = _matrix(comparable)
    intervals = bca_intervals(matrix) if len(matrix) else np.empty((0, 2))
    trials = [i for i, row in enumerate(comparable) if row.kind != "control"]
    stays = dict(zip(trials, may_be_best(matrix[trials]), strict=True)) if trials else {}
    tests = _tests(comparable, matrix, anchor, trials)
    found = []
    for row in rows:
        alike = anchor is not None and (row.questions == anchor.questions or row.scores is None)
        difference = _difference(row, anchor) if anchor is not None and alike else None
        if row.label not in labels:
            found.append(Weighed(row=row, difference=difference))
            continue
        index = labels.index(row.label)
        found.append(
            Weighed(
                row=row,
                difference=difference,
                interval=_pair(intervals[index]),
                may_be_best=bool(stays[index]) if index in stays else None,
                **tests.get(index, {}),  # type: ignore[arg-type]
            )
        )
    return found


def _difference(row: Scored, anchor: Scored) -> float:
    """Scores are means in floating point: what is less than rounding is nothing."""
    difference = row.score - anchor.score
    return 0.0 if abs(difference) < ROUNDING else difference


def _tests(
    comparable: Sequence[Scored], matrix: Floats, anchor: Scored | None, trials: Sequence[int]
) -> dict[int, dict[str, object]]:
    """Tests of every comparable row against the baseline; corrected over the trials."""
    labels = [row.label for row in comparable]
    if anchor is None or anchor.label not in labels:
        return {}
    own = labels.index(anchor.label)
    differences = matrix - matrix[own]
    intervals = bca_intervals(differences)
    p_values = {i: sign_flip_p(differences[i]) for i in range(len(matrix)) if i != own}
    others = [i for i in trials if i != own]
    tests: dict[int, dict[str, object]] = {
        i: {"p": p, "difference_interval": _pair(intervals[i])} for i, p in p_values.items()
    }
    if others:
        corrected = holm(np.array([p_values[i] for i in others]))
        common = max_t(differences[others])
        for place, index in enumerate(others):
            tests[index] |= {"p_holm": float(corrected[place]), "p_max_t": float(common[place])}
    return tests


def _pair(interval: Floats) -> tuple[float, float]:
    return float(interval[0]), float(interval[1])


def _outcome(best: Weighed, baseline: Weighed | None, *, sign: float) -> Outcome:
    if baseline is None or best is baseline:
        return "alone"
    if best.p is None:
        same = best.row.accuracy == baseline.row.accuracy
        return "identical" if same and best.row.accuracy else "unknown"
    if _same(best.row.scores, baseline.row.scores):
        return "identical"
    better = best.difference is not None and sign * best.difference > 0
    claimed = best.p_max_t is not None and best.p_max_t < LEVEL
    return "better" if better and claimed else "untold"


def _same(a: Floats | None, b: Floats | None) -> bool:
    return a is not None and b is not None and bool(np.array_equal(a, b))


def _deviation(best: Scored, baseline: Scored | None) -> float | None:
    """Standard deviation of a question's difference between the best and the baseline."""
    if baseline is None or best.scores is None or baseline.scores is None or best is baseline:
        return None
    if best.scores.shape != baseline.scores.shape or len(best.scores) < 2:
        return None
    return float((best.scores - baseline.scores).mean(axis=1).std(ddof=1))


def _needed_range(evidence: Evidence, best: Weighed) -> tuple[float, float] | None:
    """For results without scores by question: the best beside the next one that differs."""
    if evidence.trials or best.row.scores is not None:
        return None
    others = [row for row in evidence.imported if row.score != best.row.score]
    if not others or not best.row.accuracy:
        return None
    return questions_range(best.row.score, others[0].score, shots=len(best.row.accuracy))


def _groups(rows: Sequence[Scored]) -> list[list[str]]:
    """Settings with the same answers everywhere; by their means where nothing else is known."""
    known = [row for row in rows if row.scores is not None]
    found = []
    shapes = {row.scores.shape for row in known if row.scores is not None}
    for shape in shapes:
        alike = [row for row in known if row.scores is not None and row.scores.shape == shape]
        stacked = np.stack([row.scores for row in alike if row.scores is not None])
        found += [[alike[i].label for i in group] for group in identical_groups(stacked)]
    means: dict[tuple[float, ...], list[str]] = {}
    for row in rows:
        if row.scores is None and row.accuracy:
            means.setdefault(tuple(row.accuracy.values()), []).append(row.label)
    return found + [group for group in means.values() if len(group) > 1]


def _choices(rows: Sequence[Scored]) -> list[list[str]]:
    known = [row for row in rows if row.shots is not None]
    shapes = {row.shots.shape for row in known if row.shots is not None}
    found = []
    for shape in shapes:
        alike = [row for row in known if row.shots is not None and row.shots.shape == shape]
        stacked = np.stack([row.shots for row in alike if row.shots is not None])
        found += [[alike[i].label for i in group] for group in identical_groups(stacked)]
    return found


def _winners(
    rows: Sequence[Weighed], comparable: Sequence[Scored], best: Scored, anchor: Scored | None
) -> dict[str, Winner]:
    """For each number of shots the first of the settings with the highest accuracy."""
    trials = [entry for entry in rows if entry.row.kind != "control" and entry.row.accuracy]
    shots = list(trials[0].row.accuracy) if trials else []
    chosen = {s: max(trials, key=lambda entry: entry.row.accuracy.get(s, 0.0)) for s in shots}
    tests = _tests_by_shots(comparable, anchor)
    against = _against_the_best([chosen[s].row for s in shots], best)
    return {
        s: Winner(
            entry=chosen[s],
            difference=_at(chosen[s].row, s) - _at(anchor, s) if anchor is not None else None,
            p=tests.get((chosen[s].row.label, place)),
            p_best=against.get(place),
        )
        for place, s in enumerate(shots)
    }


def _at(row: Scored, shots: str) -> float:
    return row.accuracy.get(shots, math.nan)


def _tests_by_shots(
    comparable: Sequence[Scored], anchor: Scored | None
) -> dict[tuple[str, int], float]:
    """Every setting against the baseline with every number of shots; max-T over all of them."""
    trials = [row for row in comparable if row.kind != "control" and row is not anchor]
    if anchor is None or anchor.scores is None or anchor not in comparable or not trials:
        return {}
    columns = anchor.scores.shape[1]
    differences = np.concatenate(
        [(row.scores - anchor.scores).T for row in trials if row.scores is not None]
    )
    keys = [(row.label, place) for row in trials for place in range(columns)]
    return dict(zip(keys, map(float, max_t(differences)), strict=True))


def _against_the_best(winners: Sequence[Scored], best: Scored) -> dict[int, float]:
    """Each winner against the best on average, with its number of shots; Holm over the numbers."""
    others = [
        (place, row.scores[:, place] - best.scores[:, place])
        for place, row in enumerate(winners)
        if row is not best
        and row.scores is not None
        and best.scores is not None
        and row.scores.shape == best.scores.shape
    ]
    p_values = holm(np.array([sign_flip_p(differences) for _, differences in others]))
    return {place: float(p) for (place, _), p in zip(others, p_values, strict=True)}
