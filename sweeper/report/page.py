"""Evidence to a page. Pure but for the pictures, which are drawn from the same numbers."""

from collections.abc import Iterator, Mapping, Sequence

from sweeper.findings import Finding
from sweeper.findings.texts import Language
from sweeper.findings.texts import texts as finding_texts
from sweeper.report import tables
from sweeper.report.blocks import Block, Code, Heading, Page, Paragraph, Table
from sweeper.report.figures import figures
from sweeper.report.numbers import difference, interval, label, p_text
from sweeper.report.texts import phrases
from sweeper.results.assessment import ROUNDING, Assessment
from sweeper.results.best import best_row
from sweeper.results.evidence import Evidence


def page(
    evidence: Evidence,
    assessment: Assessment,
    found: Sequence[Finding],
    *,
    next_study: str,
    language: Language,
    figures_folder: str = "figures",
) -> Page:
    """Lay the report out.

    Args:
        evidence: Of the study.
        assessment: Of the evidence.
        found: Of both.
        next_study: The study file that is suggested.
        language: Of all phrases.
        figures_folder: Of the pictures, beside the Markdown form.
    """
    words = phrases(language, evidence.config)
    return Page(
        figures=figures_folder,
        language=language,
        title=words["title"].format(study=evidence.config.name),
        subtitle=_sentence(evidence.config.question),
        blocks=list(_blocks(evidence, assessment, found, next_study, language)),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def verdict(
    evidence: Evidence, assessment: Assessment, found: Sequence[Finding], language: Language
) -> list[str]:
    """What the study says: who leads, what that is worth, what the held-out questions say; where an
    alarm was found, that comes first.
    """
    words = phrases(language, evidence.config)
    alarms = [finding_texts(f, language, evidence.config)[0] for f in found if f.level == "alarm"]
    warned = [words["alarmed"].format(alarms="; ".join(alarms))] if alarms else []
    if assessment.leader is None:
        return [*warned, words["nothing"]]
    return [
        *warned,
        _leader(evidence, assessment, words),
        *_taken(evidence, assessment, words),
        *_expected(evidence, assessment, words),
        *_held_out(evidence, assessment, words),
    ]


def _leader(evidence: Evidence, assessment: Assessment, words: Mapping[str, str]) -> str:
    best = assessment.leader
    assert best is not None, "there is a best as soon as a trial is complete"
    sign, scale = evidence.sign, evidence.config.scale
    kind: str = assessment.outcome
    if kind == "alone" and assessment.baseline is None:
        kind = "alone_without"
    if kind == "unknown" and not evidence.config.can.has_questions:
        kind = "untested"
    if kind == "better" and sign < 0:
        kind = "better_less"
    leads = [sign * (best.row.score - entry.row.score) for entry in assessment.rows]
    behind = [lead for lead in leads if lead > ROUNDING]
    if kind == "alone" and assessment.needed_range is not None and behind:
        kind = "alone_untested"
    return words[kind].format(
        lead=difference(min(behind, default=0.0), scale),
        points=words["points"],
        questions=assessment.questions,
        best=label(best, evidence.config, words),
        score=scale.with_unit(scale.exact(best.row.score)),
        settings=assessment.settings,
        difference=difference(best.difference, scale),
        interval=interval(best.difference_interval, scale),
        p="" if best.p_max_t is None else p_text(best.p_max_t),
    )


def _taken(evidence: Evidence, assessment: Assessment, words: Mapping[str, str]) -> list[str]:
    """What the study's rule takes, where that is not the leader."""
    best, rule = best_row(evidence), evidence.config.best.rule
    if best is None or assessment.leader is None or best.label == assessment.leader.row.label:
        return []
    return [words["taken"].format(rule=rule, chosen=best.label)]


def _expected(
    evidence: Evidence, assessment: Assessment, words: Mapping[str, str]
) -> Iterator[str]:
    """What the best is worth; nothing where no questions have chosen it."""
    scale = evidence.config.scale
    if assessment.expected is not None:
        yield words["expected" if evidence.sign > 0 else "expected_least"].format(
            expected=scale.text(assessment.expected),
            pessimism=scale.number(assessment.pessimism or 0.0),
            points=words["points"],
        )
    elif evidence.config.can.has_questions:
        yield words["unchosen"]


def _held_out(
    evidence: Evidence, assessment: Assessment, words: Mapping[str, str]
) -> Iterator[str]:
    """What the held-out questions say; nothing where there are no questions."""
    scale = evidence.config.scale
    scores = ", ".join(
        f"{name} {scale.text(row.score)}" for name, row in evidence.confirmed.items()
    )
    best = assessment.held_out
    if not scores:
        if evidence.config.can.has_questions:
            yield words["not_held_out"]
        return
    if best is None or best.p is None:
        yield words["held_out"].format(scores=scores)
        return
    yield words["held_out_test"].format(
        points=words["points"],
        scores=scores,
        best=best.row.label,  # what the study's rule took, which need not be the highest
        difference=difference(best.difference, scale),
        interval=interval(best.difference_interval, scale),
        p=p_text(best.p),
    )


def _blocks(
    evidence: Evidence,
    assessment: Assessment,
    found: Sequence[Finding],
    next_study: str,
    language: Language,
) -> Iterator[Block]:
    words = phrases(language, evidence.config)
    yield Heading(words["verdict"])
    for sentence in verdict(evidence, assessment, found, language):
        yield Paragraph(sentence)
    if assessment.rows:
        yield Heading(words["results"])
        yield from tables.results(evidence, assessment, words)
    yield Heading(words["findings"])
    if not found:
        yield Paragraph(words["no_findings"])
    for finding in found:
        title, seen, advice = finding_texts(finding, language, evidence.config)
        text = f"{seen}{words['space']}{advice}"
        yield Paragraph(text, level=finding.level, title=f"{words[finding.level]}: {title}")
    yield from tables.rules(evidence, assessment, words)
    yield from tables.by_part(evidence, assessment, words)
    yield from tables.by_epochs(evidence, assessment, words)
    yield from tables.drift(evidence, assessment, words)
    pictures = figures(evidence, assessment, words)
    if pictures:
        yield Heading(words["figures"])
        yield from pictures
    yield Heading(words["next"])
    yield Paragraph(words["next_intro"].format(study=evidence.config.name))
    yield Code(next_study)
    yield Heading(words["measured"])
    for warning in evidence.data.get("warnings", ()):
        yield Paragraph(warning, level="note", title=words["data_warning"])
    yield Table(["", ""], list(tables.measured(evidence, assessment, words)), labels=2)
