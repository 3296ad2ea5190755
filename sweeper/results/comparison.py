"""Two rows of a study side by side: settings, scores with a paired test, questions, drift. Pure.

A question has flipped where its mean score over the parts differs between the two.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeper.errors import UsageError
from sweeper.results.best import best_row
from sweeper.results.evidence import Evidence, Scored
from sweeper.scales import PER_CENT, Scale
from sweeper.space import Value
from sweeper.statistics.intervals import bca_intervals
from sweeper.statistics.sign_flip import sign_flip_p, told_p
from sweeper.study.config import StudyConfig
from sweeper.words import shown

LEFT_OUT = "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One question that the two answer otherwise."""

    question: int  # its id, or where that is not known its place in the order asked
    scores: tuple[float, float]  # means over the parts
    choices: tuple[Sequence[int], Sequence[int]] | None = None
    """Global ids in the order chosen; None where nothing is chosen, or is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What tells two rows apart; the tests are None without scores of the same questions."""

    rows: tuple[Scored, Scored]
    params: Mapping[str, tuple[Value | None, Value | None]]
    difference: float  # of the second from the first
    interval: tuple[float, float] | None
    p: float | None  # paired sign-flip test
    other_choices: float | None  # share of the questions with other choices
    flips: Sequence[Flip]  # the largest first
    drift: Mapping[str, tuple[float | None, float | None]]  # relative, by tensor


def compare(evidence: Evidence, first: str, second: str) -> Comparison:
    """Compare two rows by name: `7`, `7@2`, `best`, `highest`, `baseline`, or a control as `start`.

    The best is what the study's rule takes, which need not have the highest score.

    Raises:
        UsageError: where there is no such row, or both are one.
    """
    a, b = find_row(evidence, first), find_row(evidence, second)
    if a is b:
        raise UsageError(f"{first} and {second} are both {a.label}; name two rows")
    names = dict.fromkeys([*a.params, *b.params])
    interval, p = _test(a, b)
    return Comparison(
        rows=(a, b),
        params={name: (a.params.get(name), b.params.get(name)) for name in names},
        difference=b.score - a.score,
        interval=interval,
        p=p,
        other_choices=_other_choices(a, b),
        flips=list(_flips(a, b, evidence.queries)),
        drift=_drift(a, b),
    )


def find_row(evidence: Evidence, name: str) -> Scored:
    """A control, a complete trial or an imported row by what people call it.

    Raises:
        UsageError: where there is none; it lists some that there are.
    """
    rows = [*evidence.rows, *evidence.imported]
    if name == "best" and (best := best_row(evidence)) is not None:
        return best
    if name == "highest" and evidence.trials:
        return evidence.trials[0]
    if name == "baseline" and evidence.baseline is not None:
        return evidence.baseline
    wanted = {name, f"trial {name}", f"control {name}", f"imported {name}"}
    for row in rows:
        if row.label in wanted:
            return row
    known = [row.label.removeprefix("trial ").removeprefix("control ") for row in rows]
    some = ", ".join(known[:12]) + (f", {LEFT_OUT}" if len(known) > 12 else "")
    raise UsageError(
        f"study {evidence.config.name!r} has no complete row {name!r}; it has {some or 'none yet'}"
    )


def _pair(a: Scored, b: Scored) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
    """Mean scores by question, where both are known for the same ones."""
    if a.scores is None or b.scores is None or a.scores.shape != b.scores.shape:
        return None
    known = np.isfinite(a.scores).all() and np.isfinite(b.scores).all()
    return (a.scores.mean(axis=1), b.scores.mean(axis=1)) if known else None


def _test(a: Scored, b: Scored) -> tuple[tuple[float, float] | None, float | None]:
    pair = _pair(a, b)
    if pair is None:
        return None, None
    differences = pair[1] - pair[0]
    low, high = bca_intervals(differences[None])[0]
    return (float(low), float(high)), sign_flip_p(differences)


def _other_choices(a: Scored, b: Scored) -> float | None:
    if a.choices is None or b.choices is None or a.choices.shape != b.choices.shape:
        return None
    return float((a.choices != b.choices).any(axis=1).mean())


def _flips(a: Scored, b: Scored, queries: Sequence[int]) -> Iterator[Flip]:
    pair = _pair(a, b)
    if pair is None:
        return
    differences = pair[1] - pair[0]
    for place in np.argsort(-np.abs(differences), kind="stable"):
        if differences[place] == 0.0:
            return
        yield Flip(
            question=queries[place] if place < len(queries) else int(place),
            scores=(float(pair[0][place]), float(pair[1][place])),
            choices=_chosen(a, b, place),
        )


def _chosen(a: Scored, b: Scored, place: np.intp) -> tuple[Sequence[int], Sequence[int]] | None:
    if a.choices is None or b.choices is None:
        return None
    return a.choices[place].tolist(), b.choices[place].tolist()


def _drift(a: Scored, b: Scored) -> dict[str, tuple[float | None, float | None]]:
    ends = [row.epochs[-1].metrics if row.epochs else {} for row in (a, b)]
    names = [key for end in ends for key in end if key.endswith("/relative_norm")]
    return {key.split("/")[1]: (ends[0].get(key), ends[1].get(key)) for key in dict.fromkeys(names)}


def comparison_text(found: Comparison, config: StudyConfig, *, shown_flips: int) -> str:
    """The comparison for people, in the words of its study."""
    scale = config.scale
    a, b = found.rows
    lines = [f"{'':<34}{a.label:>16}{b.label:>16}"]
    lines += [
        _line(name, *("" if v is None else shown(v) for v in pair), differs=pair[0] != pair[1])
        for name, pair in found.params.items()
    ]
    lines.append(_line("score", *(scale.text(row.score) for row in (a, b))))
    for parts in dict.fromkeys([*a.accuracy, *b.accuracy]):
        cells = [_part(row.accuracy.get(parts), scale) for row in (a, b)]
        lines.append(_line(f"  {config.nouns.label(parts)}", *cells))
    lines += ["", *_verdict(found, config)]
    if found.drift:
        lines += ["", "relative drift since the start of the last phase"]
        lines += [_line(f"  {name}", *map(_share, pair)) for name, pair in found.drift.items()]
    if found.flips:
        lines += ["", *_flip_lines(found.flips, shown_flips, config)]
    return "\n".join(lines)


def _line(name: str, first: str, second: str, *, differs: bool = False) -> str:
    return f"{name:<34}{first:>16}{second:>16}{'  *' if differs else ''}".rstrip()


def _part(score: float | None, scale: Scale) -> str:
    return "" if score is None else scale.with_unit(scale.number(score, places=2))


def _share(share: float | None) -> str:
    return "" if share is None else f"{PER_CENT.number(share, places=3)} %"


def _verdict(found: Comparison, config: StudyConfig) -> Iterator[str]:
    a, b = found.rows
    scale = config.scale
    number = scale.number(found.difference, places=3, sign=True)
    told = f"{b.label} is {number}{scale.apart('en')} from {a.label}"
    if found.p is None or found.interval is None:
        untested = "; without scores of the same questions no test can tell whether that is much"
        yield told + (untested if config.can.has_questions else "")
        return
    low, high = (scale.number(end, places=2) for end in found.interval)
    yield f"{told}: 95 % interval [{low}, {high}], {told_p(found.p)} (paired sign flips)"
    yield "this p is for two rows chosen beforehand; `sweeper report` corrects for all of them"
    if found.other_choices is not None:
        share = PER_CENT.text(found.other_choices)
        yield f"other {config.nouns.sentences['en']['choices']} for {share} of the questions"


def _flip_lines(flips: Sequence[Flip], count: int, config: StudyConfig) -> Iterator[str]:
    sign = 1.0 if config.goal == "maximize" else -1.0
    gained = sum(sign * (flip.scores[1] - flip.scores[0]) > 0.0 for flip in flips)
    yield f"{gained} questions gained, {len(flips) - gained} lost; the largest changes:"
    for flip in flips[:count]:
        before, now = (_answer(score, config.scale) for score in flip.scores)
        if flip.choices is not None:
            before, now = (
                f"{score} with {' '.join(map(str, ids))}"
                for score, ids in zip((before, now), flip.choices, strict=True)
            )
        yield f"  question {flip.question}: {before} -> {now}"


def _answer(score: float, scale: Scale) -> str:
    """The score of one question: a fraction stays one, for it is mostly 0 or 1."""
    return f"{score:.2f}" if scale == PER_CENT else scale.number(score)
