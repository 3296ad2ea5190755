"""Evidence to a page. Pure but for the pictures, which are drawn from the same numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.assessment import Assessment, Weighed
from sweeper.evidence import Evidence
from sweeper.findings import Finding
from sweeper.findings.texts import Language
from sweeper.findings.texts import texts as finding_texts
from sweeper.ranking import params_text, score_text
from sweeper.report.figures import Figure, figures
from sweeper.report.texts import TEXTS


@dataclass(frozen=True, slots=True)
class Heading:
    """Of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str
    level: str = ""  # of a finding: alarm, warning, note
    title: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below a header; the first cells are labels, all others numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Code:
    """Text that is shown as it is."""

    text: str


Block = Heading | Paragraph | Table | Code | Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report, whatever it is rendered as."""

    language: Language
    title: str
    subtitle: str
    blocks: Sequence[Block]


def page(
    evidence: Evidence,
    assessment: Assessment,
    found: Sequence[Finding],
    *,
    next_study: str,
    language: Language,
) -> Page:
    """Lay the report out.

    Args:
        evidence: Of the study.
        assessment: Of the evidence.
        found: Of both.
        next_study: The study file that is suggested.
        language: Of all phrases.
    """
    words = TEXTS[language]
    return Page(
        language=language,
        title=words["title"].format(study=evidence.config.name),
        subtitle=evidence.config.question,
        blocks=list(_blocks(evidence, assessment, found, next_study, language)),
    )


def verdict(evidence: Evidence, assessment: Assessment, language: Language) -> list[str]:
    """What the study says, in three sentences."""
    words = TEXTS[language]
    best = assessment.best
    if best is None:
        return [words["nothing"]]
    goal = evidence.config.goal
    facts = {
        "best": _label(best, evidence),
        "score": _exact(best.row.score, goal),
        "settings": assessment.settings,
        "difference": _difference(best.difference, goal),
        "interval": _interval(best.difference_interval, goal),
        "p": "" if best.p_max_t is None else f"{best.p_max_t:.3g}",
    }
    kind: str = assessment.outcome
    if kind == "alone" and assessment.baseline is None:
        kind = "alone_without"
    second = words["unchosen"]
    if assessment.expected is not None:
        second = words["expected"].format(expected=score_text(assessment.expected, goal))
    scores = ", ".join(
        f"{label} {score_text(row.score, goal)}" for label, row in evidence.confirmed.items()
    )
    third = words["held_out"].format(scores=scores) if scores else words["not_held_out"]
    return [words[kind].format(**facts), second, third]


def _blocks(
    evidence: Evidence,
    assessment: Assessment,
    found: Sequence[Finding],
    next_study: str,
    language: Language,
) -> Iterator[Block]:
    words = TEXTS[language]
    yield Heading(words["verdict"])
    for sentence in verdict(evidence, assessment, language):
        yield Paragraph(sentence)
    if assessment.rows:
        yield Heading(words["results"])
        yield from _results(evidence, assessment, words)
    yield Heading(words["findings"])
    if not found:
        yield Paragraph(words["no_findings"])
    for finding in found:
        title, seen, advice = finding_texts(finding, language)
        text = f"{seen} {advice}"
        yield Paragraph(text, level=finding.level, title=f"{words[finding.level]}: {title}")
    pictures = figures(evidence, assessment, words)
    if pictures:
        yield Heading(words["figures"])
        yield from pictures
    yield from _drift(evidence, assessment, words)
    if next_study:
        yield Heading(words["next"])
        yield Paragraph(words["next_intro"].format(study=evidence.config.name))
        yield Code(next_study)
    yield Heading(words["measured"])
    yield Table(["", ""], list(_measured(evidence, assessment, words)))


def _results(
    evidence: Evidence, assessment: Assessment, words: Mapping[str, str]
) -> Iterator[Block]:
    goal = evidence.config.goal
    shots = list(dict.fromkeys(s for entry in assessment.rows for s in entry.row.accuracy))
    header = [words["setting"]]
    header += [words["shot_1"] if s == "1" else words["shot"].format(s=s) for s in shots]
    header += [words["mean"], words["against"], "p", words["tied"]]
    yield Table(
        header,
        [
            [
                _label(entry, evidence),
                *(
                    _digits(100 * entry.row.accuracy[s]) if s in entry.row.accuracy else ""
                    for s in shots
                ),
                f"{_exact(entry.row.score, goal, unit=False)} "
                f"{_interval(entry.interval, goal)}".strip(),
                f"{_difference(entry.difference, goal)} "
                f"{_interval(entry.difference_interval, goal)}".strip(),
                "" if entry.p_max_t is None else f"{entry.p_max_t:.3g}",
                words["yes"] if entry.may_be_best else "",
            ]
            for entry in assessment.rows
        ],
    )
    yield Paragraph(words["legend"] if goal == "maximize" else words["legend_nats"])
    count = sum(bool(entry.may_be_best) for entry in assessment.rows)
    if count:
        yield Paragraph(words["may_be"].format(count=count, settings=assessment.settings))
    if assessment.imported:
        yield from _elsewhere(evidence, assessment, words)


def _elsewhere(
    evidence: Evidence, assessment: Assessment, words: Mapping[str, str]
) -> Iterator[Block]:
    """What is to be said of results that others measured, and perhaps rounded first."""
    sources = "; ".join(dict.fromkeys(entry.row.source for entry in assessment.rows))
    yield Paragraph(words["imported"].format(sources=sources or words["unknown_value"]))
    scores = sorted({entry.row.score for entry in assessment.rows}, reverse=True)
    if len(scores) < 2 or evidence.config.goal != "maximize":
        return
    first, second = scores[:2]
    rounded = _half_even(first), second
    exact = 100 * (second - first)
    read = 100 * second - rounded[0]
    if abs(read - exact) > 1e-9:
        means = f"{rounded[0]:.1f} / {_digits(100 * second)}"
        yield Paragraph(words["rounding"].format(means=means, difference=f"{read:+.2f}"))


def _half_even(fraction: float) -> float:
    """Per cent with one decimal, as a table by hand has it."""
    return round(100 * fraction, 1)


def _drift(evidence: Evidence, assessment: Assessment, words: Mapping[str, str]) -> Iterator[Block]:
    best = assessment.best
    metrics: Mapping[str, Any] = best.row.lines[-1]["metrics"] if best and best.row.lines else {}
    tensors = [key.split("/")[1] for key in metrics if key.startswith("drift/")]
    moved = [
        [
            name,
            *(
                f"{metrics.get(f'drift/{name}/{measure}') or 0.0:.6f}"
                for measure in ("mean_abs", "max_abs")
            ),
            f"{100 * (metrics.get(f'drift/{name}/relative_norm') or 0.0):.3f}",
        ]
        for name in dict.fromkeys(tensors)
    ]
    if moved and best is not None:
        yield Heading(words["drift"].format(best=_label(best, evidence)))
        header = [words[key] for key in ("tensor", "mean_abs", "max_abs", "relative")]
        yield Table(header, moved)


def _measured(
    evidence: Evidence, assessment: Assessment, words: Mapping[str, str]
) -> Iterator[list[str]]:
    config = evidence.config
    yield [words["trials"], ", ".join(f"{n} {state}" for state, n in evidence.states.items() if n)]
    if assessment.questions:
        yield [words["questions"], str(assessment.questions)]
    if evidence.calls:
        told = {name: f"{evidence.calls[name]:,}" for name in ("asked", "needed")}
        yield [words["calls"], words["calls_text"].format(**told)]
    yield ["sampler", f"{config.sampler.name}, seed {config.sampler.seed}"]
    for name, value in evidence.environment.items():
        if value:
            yield [name, value]
    if evidence.lost:
        yield [words["lost"], ", ".join(evidence.lost)]


def _label(entry: Weighed, evidence: Evidence) -> str:
    """The row by name and setting; constants are left out."""
    row = entry.row
    searched = {p.name for p in evidence.config.space.searched}
    params = {name: value for name, value in row.params.items() if name in searched}
    text = f"{row.label} ({params_text(params)})" if params else row.label
    return f"{text} *" if row.kind == "baseline" else text


def _exact(score: float, goal: str, *, unit: bool = True) -> str:
    """As many digits as the score has, up to three: 55.85, not 55.8."""
    if goal != "maximize":
        return f"{score:.4f} nats" if unit else f"{score:.4f}"
    return f"{_digits(100 * score)} %" if unit else _digits(100 * score)


def _digits(per_cent: float) -> str:
    text = f"{per_cent:.3f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def _difference(difference: float | None, goal: str) -> str:
    if difference is None:
        return ""
    if goal != "maximize":
        return f"{difference:+.4f}"
    text = f"{100 * difference:+.3f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def _interval(interval: tuple[float, float] | None, goal: str) -> str:
    if interval is None or interval[0] != interval[0]:
        return ""
    scale, digits = (100, 1) if goal == "maximize" else (1, 3)
    low, high = (f"{scale * end:.{digits}f}" for end in interval)
    return f"[{low}, {high}]"
