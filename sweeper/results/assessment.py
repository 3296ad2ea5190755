"""What the scores of a study prove: each setting beside the baseline, and whether the best is best.

Only rows that answered the same questions are weighed against each other. Pure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sweeper.results.evidence import Evidence, Scored, asked_alike, settings_of
from sweeper.scales import PER_CENT
from sweeper.statistics.best import identical_groups, may_be_best
from sweeper.statistics.corrections import holm, max_t, max_t_level
from sweeper.statistics.curse import pessimism, score_of_the_best
from sweeper.statistics.intervals import bca_intervals, difference_intervals
from sweeper.statistics.parts import by_part
from sweeper.statistics.power import detectable_difference, questions_needed, questions_range
from sweeper.statistics.resampling import Floats
from sweeper.statistics.seeds import seeds_interval
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
    """The best by one part of the score."""

    entry: Weighed
    difference: float | None  # from the baseline, by the same part
    p: float | None  # against the baseline; corrected for all settings and parts
    p_best: float | None  # against the best on average; corrected for the parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A study, weighed."""

    outcome: Outcome
    rows: Sequence[Weighed]  # controls, then settings from best to worst
    leader: Weighed | None  # the first of the ranking; which setting is best, the study's rule says
    baseline: Weighed | None
    settings: int  # different ones, without the controls
    questions: int | None
    expected: float | None  # score of the best on questions that did not choose it
    pessimism: float | None  # about how much too bad that is
    held_out: Weighed | None  # the best on questions that chose nothing, beside the baseline
    detectable: float | None  # smallest difference from the baseline seen with 80 % power
    needed: float | None  # questions that would show the difference seen
    needed_range: tuple[float, float] | None  # where scores by question are not known
    identical: Sequence[Sequence[str]]  # labels of settings with the same answers everywhere
    same_choices: Sequence[Sequence[str]]  # and of those with the same choices
    winners: Mapping[str, Winner]  # by part of the score
    imported: bool  # whether these are results measured elsewhere
    apart: Sequence[Scored]  # imported rows of other evaluations, which are ranked with nothing


def assess(evidence: Evidence) -> Assessment:
    """Weigh the trials of a study; where it has none, what was imported.

    Of imported rows those of the evaluation that most of them have are weighed.
    """
    imported = not evidence.trials
    listed, apart = (
        _one_evaluation(evidence.imported) if imported else (evidence.rows, evidence.imported)
    )
    sign = evidence.sign
    chosen = [row for row in listed if row.kind != "control"]
    anchor = next((row for row in listed if row.kind == "baseline"), None)
    nothing = _nothing([Weighed(row=row) for row in listed], imported=imported, apart=apart)
    if not chosen:
        return nothing
    first = chosen[0]
    comparable = [
        row
        for row in asked_alike(listed, first)
        if row.kind == "control" or row.final == first.final
    ]
    weighed = _weigh(listed, comparable, anchor, sign=sign)
    by_label = {entry.row.label: entry for entry in weighed}
    best = by_label[first.label]
    baseline = None if anchor is None else by_label[anchor.label]
    assessment = replace(
        nothing,
        outcome=_outcome(best, baseline, sign=sign),
        rows=weighed,
        leader=best,
        baseline=baseline,
        settings=len({frozenset(row.params.items()) for row in chosen}),
        questions=first.questions,
        held_out=_held_out(evidence),
        needed_range=_needed_range(chosen, best) if evidence.config.scale == PER_CENT else None,
        identical=_groups(chosen),
        same_choices=_choices(chosen),
        winners=_winners(weighed, comparable, first, anchor, sign=sign),
    )
    return _with_power(_with_expected(assessment, comparable, sign=sign), comparable)


def _one_evaluation(rows: Sequence[Scored]) -> tuple[list[Scored], list[Scored]]:
    """The rows of the evaluation that most rows have, the first on ties, and all others."""
    names = [row.evaluation for row in rows]
    chosen = max(names, key=names.count, default="")
    return (
        [row for row in rows if row.evaluation == chosen],
        [row for row in rows if row.evaluation != chosen],
    )


def _nothing(rows: Sequence[Weighed], *, imported: bool, apart: Sequence[Scored]) -> Assessment:
    return Assessment(
        outcome="nothing",
        rows=rows,
        leader=None,
        baseline=None,
        settings=0,
        questions=None,
        expected=None,
        pessimism=None,
        held_out=None,
        detectable=None,
        needed=None,
        needed_range=None,
        identical=(),
        same_choices=(),
        winners={},
        imported=imported,
        apart=apart,
    )


def _with_expected(
    assessment: Assessment, comparable: Sequence[Scored], *, sign: float
) -> Assessment:
    """What the best is worth, where questions have chosen it."""
    matrix = sign * _matrix(settings_of(comparable))
    if not _can_choose(matrix):
        return assessment
    expected = sign * score_of_the_best(matrix)
    return replace(assessment, expected=expected, pessimism=pessimism(matrix))


def _with_power(assessment: Assessment, comparable: Sequence[Scored]) -> Assessment:
    """What this many questions could show, at the level that the correction amounts to."""
    best, baseline, questions = assessment.leader, assessment.baseline, assessment.questions
    if best is None or baseline is None or not questions:
        return assessment
    deviation = _deviation(best.row, baseline.row)
    if deviation is None:
        return assessment
    others = [row for row in comparable if row.kind == "trial"]
    level = max_t_level(_matrix(others) - _matrix([baseline.row]))
    return replace(
        assessment,
        detectable=detectable_difference(deviation, questions, level=level),
        needed=questions_needed(deviation, best.difference, level=level)
        if best.difference
        else None,
    )


def _held_out(evidence: Evidence) -> Weighed | None:
    """The best on the held-out questions: one test, for nothing was chosen on them."""
    best, anchor = evidence.confirmed.get("best"), evidence.confirmed.get("baseline")
    if best is None:
        return None
    if anchor is None or anchor is best or best not in asked_alike([best], anchor):
        return Weighed(row=best)
    differences = _matrix([best]) - _matrix([anchor])
    return Weighed(
        row=best,
        difference=_difference(best, anchor),
        difference_interval=_pair(difference_intervals(differences)[0]),
        p=sign_flip_p(differences[0]),
    )


def _matrix(rows: Sequence[Scored]) -> Floats:
    parts = [row.scores.mean(axis=1) for row in rows if row.scores is not None]
    return np.stack(parts) if parts else np.empty((0, 0))


def _can_choose(matrix: Floats) -> bool:
    settings, questions = matrix.shape
    return bool(settings > 1 and questions > 1)


def _weigh(
    rows: Sequence[Scored], comparable: Sequence[Scored], anchor: Scored | None, *, sign: float
) -> list[Weighed]:
    labels = [row.label for row in comparable]
    matrix = _matrix(comparable)
    intervals = bca_intervals(matrix) if len(matrix) else np.empty((0, 2))
    trials = [i for i, row in enumerate(comparable) if row.kind != "control"]
    stays = dict(zip(trials, may_be_best(sign * matrix[trials]), strict=True)) if trials else {}
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
                interval=_seeds_interval(row) or _pair(intervals[index]),
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
    intervals = difference_intervals(differences)
    p_values = {i: sign_flip_p(differences[i]) for i in range(len(matrix)) if i != own}
    others = [i for i in trials if i != own]
    tests: dict[int, dict[str, object]] = {
        i: {
            "p": p,
            "difference_interval": _seeds_interval(comparable[i], anchor) or _pair(intervals[i]),
        }
        for i, p in p_values.items()
    }
    if others:
        corrected = holm(np.array([p_values[i] for i in others]))
        common = max_t(differences[others])
        for place, index in enumerate(others):
            tests[index] |= {"p_holm": float(corrected[place]), "p_max_t": float(common[place])}
    return tests


def _seeds_interval(row: Scored, anchor: Scored | None = None) -> tuple[float, float] | None:
    """Of a score over several seeds, or of its difference from that of the same seeds."""
    if row.seed_scores is None:
        return None
    by_seed = row.seed_scores.mean(axis=2)
    if anchor is None:
        return seeds_interval(by_seed)
    if anchor.seed_scores is None or anchor.seed_scores.shape != row.seed_scores.shape:
        return None
    return seeds_interval(by_seed - anchor.seed_scores.mean(axis=2))


def _pair(interval: Floats) -> tuple[float, float]:
    return float(interval[0]), float(interval[1])


def _outcome(best: Weighed, baseline: Weighed | None, *, sign: float) -> Outcome:
    if baseline is None or best is baseline:
        return "alone"
    if best.p is None:
        same = best.row.accuracy == baseline.row.accuracy and best.difference == 0.0
        return "identical" if same else "unknown"
    if _same(best.row.scores, baseline.row.scores):
        return "identical"
    better = best.difference is not None and sign * best.difference > 0
    claimed = best.p_max_t is not None and best.p_max_t < LEVEL
    low, high = best.difference_interval or (-math.inf, math.inf)
    holds = best.row.seed_scores is None or not low <= 0.0 <= high  # for other seeds, too
    return "better" if better and claimed and holds else "untold"


def _same(a: Floats | None, b: Floats | None) -> bool:
    return a is not None and b is not None and bool(np.array_equal(a, b))


def _deviation(best: Scored, baseline: Scored | None) -> float | None:
    """Standard deviation of a question's difference between the best and the baseline."""
    if baseline is None or best.scores is None or baseline.scores is None or best is baseline:
        return None
    if best.scores.shape != baseline.scores.shape or len(best.scores) < 2:
        return None
    return float((best.scores - baseline.scores).mean(axis=1).std(ddof=1))


def _needed_range(rows: Sequence[Scored], best: Weighed) -> tuple[float, float] | None:
    """For results without scores by question: the best beside the next one that differs."""
    if best.row.origin != "imported" or best.row.scores is not None:
        return None
    others = [row for row in rows if row.score != best.row.score]
    if not others or not best.row.accuracy:
        return None
    return questions_range(best.row.score, others[0].score, parts=len(best.row.accuracy))


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
    known = [row for row in rows if row.choices is not None]
    shapes = {row.choices.shape for row in known if row.choices is not None}
    found = []
    for shape in shapes:
        alike = [row for row in known if row.choices is not None and row.choices.shape == shape]
        stacked = np.stack([row.choices for row in alike if row.choices is not None])
        found += [[alike[i].label for i in group] for group in identical_groups(stacked)]
    return found


def _winners(
    rows: Sequence[Weighed],
    comparable: Sequence[Scored],
    best: Scored,
    anchor: Scored | None,
    *,
    sign: float,
) -> dict[str, Winner]:
    """For each part of the score the first of the settings that are best by it."""
    trials = [entry for entry in rows if entry.row.kind != "control" and entry.row.accuracy]
    parts = list(trials[0].row.accuracy) if trials else []
    chosen = {s: max(trials, key=lambda entry: _up(entry.row, s, sign)) for s in parts}
    tests = _tests_by_part(comparable, anchor)
    against = _against_the_best([chosen[s].row for s in parts], best)
    return {
        s: Winner(
            entry=chosen[s],
            difference=_at(chosen[s].row, s) - _at(anchor, s) if anchor is not None else None,
            p=tests.get((chosen[s].row.label, place)),
            p_best=against.get(place),
        )
        for place, s in enumerate(parts)
    }


def _up(row: Scored, part: str, sign: float) -> float:
    """A part of a row's score such that more is better; of a row without it, the worst."""
    return sign * row.accuracy[part] if part in row.accuracy else -math.inf


def _at(row: Scored, parts: str) -> float:
    return row.accuracy.get(parts, math.nan)


def _tests_by_part(
    comparable: Sequence[Scored], anchor: Scored | None
) -> dict[tuple[str, int], float]:
    """Every setting against the baseline by every part; max-T over all of them."""
    trials = [row for row in comparable if row.kind != "control"]
    if anchor is None or anchor not in trials:
        return {}
    stacked = np.stack([row.scores for row in trials if row.scores is not None])
    found = by_part(stacked, trials.index(anchor)).p_max_t
    return {
        (row.label, place): float(found[index, place])
        for index, row in enumerate(trials)
        for place in range(found.shape[1])
        if row is not anchor
    }


def _against_the_best(winners: Sequence[Scored], best: Scored) -> dict[int, float]:
    """Each winner against the best on average, by its part; Holm over the parts."""
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
