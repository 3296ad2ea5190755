"""Reports, suggested studies and imported results: from a study's folder to files."""

from collections.abc import Collection
from pathlib import Path

from sweeper.assessment import Assessment, assess
from sweeper.by_shots import by_shots
from sweeper.config import load_study
from sweeper.errors import UsageError
from sweeper.evidence import Evidence, gather
from sweeper.findings import Finding, findings
from sweeper.findings.texts import Language
from sweeper.importing import merged, read_results
from sweeper.next_study import next_study
from sweeper.report.page import page, verdict
from sweeper.report.rendering import html, markdown
from sweeper.study_store import StudyStore
from sweeper.workspace import StudyFolder, Workspace

FORMS = ("html", "md")


def write_report(
    folder: StudyFolder,
    *,
    language: Language,
    forms: Collection[str] = FORMS,
    by: str | None = None,
) -> list[str]:
    """Write `report/report.<language>.<form>`; return the verdict and where the files are.

    With ``by``, such as "shot_2", the study as that number of shots sees it, under a name of its
    own: `report.<language>.shot_2.<form>`.
    """
    evidence, assessment, found = _weighed(folder, by=by)
    told = report_files(folder, language, evidence, assessment, found)
    lines = verdict(evidence, assessment, language)
    place = folder.root / "report"
    try:
        place.mkdir(exist_ok=True)
        for form in forms:
            name = f"report.{language}.{form}"
            path = place / (name if by is None else f"report.{language}.{by}.{form}")
            path.write_text(told[name], encoding="utf-8")
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
    suggested = _suggested(folder, evidence, assessment, found)
    laid_out = page(evidence, assessment, found, next_study=suggested, language=language)
    return {
        f"report.{language}.html": html(laid_out),
        f"report.{language}.md": markdown(laid_out),
    }


def suggested_study(folder: StudyFolder) -> str:
    """The study file that the findings suggest."""
    return _suggested(folder, *_weighed(folder))


def import_results(study_path: Path, results: Path, workspace: Workspace) -> str:
    """Take results that were measured elsewhere into a study, started or not.

    Raises:
        ConfigError, UsageError: before anything is written, where file or results cannot be used.
        StudyLockedError: where a driver works on the study.
    """
    config = load_study(study_path)
    entries = read_results(results, config)
    folder = workspace.study(config.name)
    workspace.prepare()
    with (
        folder.locked(),
        StudyStore.open(
            folder.database, name=config.name, goal=config.goal, space=config.space
        ) as store,
    ):
        attributes = store.attributes()
        if "study" not in attributes:
            store.set_attribute("study", config.to_json())
            store.set_attribute("source", str(study_path.absolute().parent))
            folder.study_file.write_bytes(study_path.read_bytes())
        rows, new = merged(attributes.get("imported", []), entries)
        store.set_attribute("imported", rows)
    known = f", {len(entries) - new} were known" if new < len(entries) else ""
    return f"{config.name}: {new} results imported{known}; next: sweeper report {config.name}"


def _suggested(
    folder: StudyFolder, evidence: Evidence, assessment: Assessment, found: list[Finding]
) -> str:
    best = assessment.best
    known = best is not None and not assessment.imported
    return next_study(
        evidence.config,
        folder.study_file.read_text(encoding="utf-8"),
        found,
        best=dict(best.row.params) if best is not None and known else None,
    )


def _weighed(
    folder: StudyFolder, *, by: str | None = None
) -> tuple[Evidence, Assessment, list[Finding]]:
    evidence = gather(folder) if by is None else by_shots(gather(folder), by)
    assessment = assess(evidence)
    return evidence, assessment, findings(evidence, assessment)
