"""Reports and suggested studies: from a study's folder to files."""

from collections.abc import Collection

from sweeper.assessment import Assessment, assess
from sweeper.errors import UsageError
from sweeper.evidence import Evidence, gather
from sweeper.findings import Finding, findings
from sweeper.findings.texts import Language
from sweeper.next_study import next_study
from sweeper.report.page import page, verdict
from sweeper.report.rendering import html, markdown
from sweeper.workspace import StudyFolder

FORMS = ("html", "md")


def write_report(
    folder: StudyFolder, *, language: Language, forms: Collection[str] = FORMS
) -> list[str]:
    """Write `report/report.<language>.<form>`; return the verdict and where the files are."""
    evidence, assessment, found = _weighed(folder)
    told = report_files(folder, language, evidence, assessment, found)
    lines = verdict(evidence, assessment, language)
    place = folder.root / "report"
    try:
        place.mkdir(exist_ok=True)
        for form in forms:
            path = place / f"report.{language}.{form}"
            path.write_text(told[path.name], encoding="utf-8")
            lines.append(f"wrote {path}")
    except OSError as error:
        raise UsageError(f"{place} cannot be written: {error.strerror}") from error
    return lines


def report_files(
    folder: StudyFolder,
    language: Language,
    evidence: Evidence,
    assessment: Assessment,
    found: list[Finding],
) -> dict[str, str]:
    """Both forms of the report by the names of their files."""
    suggested = next_study(evidence.config, folder.study_file.read_text(), found)
    laid_out = page(evidence, assessment, found, next_study=suggested, language=language)
    return {
        f"report.{language}.html": html(laid_out),
        f"report.{language}.md": markdown(laid_out),
    }


def suggested_study(folder: StudyFolder) -> str:
    """The study file that the findings suggest."""
    evidence, _, found = _weighed(folder)
    return next_study(evidence.config, folder.study_file.read_text(), found)


def _weighed(folder: StudyFolder) -> tuple[Evidence, Assessment, list[Finding]]:
    evidence = gather(folder)
    assessment = assess(evidence)
    return evidence, assessment, findings(evidence, assessment)
