"""Reports and suggested studies: from a study's folder to files."""

from collections.abc import Collection, Mapping
from pathlib import Path

from sweeper.errors import StudyLockedError, SweeperError, UsageError
from sweeper.findings import Finding, findings
from sweeper.findings.texts import Language
from sweeper.report.next_study import next_study
from sweeper.report.page import page, verdict
from sweeper.report.rendering import figure_files, html, markdown
from sweeper.results.assessment import Assessment, assess
from sweeper.results.by_part import by_part
from sweeper.results.evidence import Evidence, gather
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.tracking import open_mlflow
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig

FORMS = ("html", "md")
FOLDER = "report"  # in the study's own, and among its artifacts in MLflow


def write_report(
    folder: StudyFolder,
    *,
    language: Language,
    forms: Collection[str] = FORMS,
    workspace: Workspace,
    by: str | None = None,
    place: Path | None = None,
) -> list[str]:
    """Write the report of a study.

    Args:
        folder: Of the study.
        language: Of all phrases.
        forms: "html": one page that holds everything; "md": the same beside its figures.
        workspace: Of the study; its MLflow gets the report, too.
        by: Such as "shot_2": the study as that part of its score sees it, under a name of its own.
        place: Folder for the files, instead of `report` in the study's; MLflow gets them, too.

    Returns:
        The verdict, and where the files are.

    Raises:
        UsageError: where the files cannot be written.
    """
    evidence, assessment, found = _weighed(folder, by=by)
    name = f"report.{language}" if by is None else f"report.{language}.{by}"
    laid_out = page(
        evidence,
        assessment,
        found,
        next_study=_suggested(folder, evidence, assessment, found),
        language=language,
        figures_folder="figures" if by is None else f"figures.{by}",
    )
    files: dict[str, str] = {}
    if "html" in forms:
        files[f"{name}.html"] = html(laid_out)
    if "md" in forms:
        files[f"{name}.md"] = markdown(laid_out)
        files |= figure_files(laid_out)
    place = folder.root / FOLDER if place is None else place
    try:
        for file, text in files.items():
            path = place / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{place} cannot be written: {error.strerror}; --output names another folder"
        ) from error
    written = [f"wrote {place / file}" for file in files if "/" not in file]
    sentences = verdict(evidence, assessment, found, language)
    artifacts = {f"{FOLDER}/{file}": text for file, text in files.items()}
    note = None if by is not None else "\n\n".join([evidence.config.question, *sentences])
    told = _log(folder, evidence.config, workspace, artifacts, note)
    return [*sentences, *written, told]


def _log(
    folder: StudyFolder,
    config: StudyConfig,
    workspace: Workspace,
    artifacts: Mapping[str, str],
    note: str | None,
) -> str:
    """Attach the report to the study's run in MLflow; say whether that was possible."""
    try:
        with folder.locked(), StudyStore.open(folder.database, name=folder.name) as store:
            study_id = store.attributes().get("id")
        if study_id is None:
            return "not in MLflow: no `sweeper run` of this study has been there yet"
        with folder.locked():
            told: list[str] = []
            tracking = open_mlflow(config, workspace.root, say=told.append)
            known = tracking.attach(folder.name, study_id=study_id, artifacts=artifacts, note=note)
    except StudyLockedError:
        return "not in MLflow yet: a driver works on this study; report again when it has ended"
    except SweeperError as error:
        return f"not in MLflow: {error}"
    gone = "not in MLflow: the run of this study is gone; `sweeper repair` writes it again"
    return "\n".join([*told, "logged to MLflow" if known else gone])


def suggested_study(folder: StudyFolder) -> str:
    """The study file that the findings suggest."""
    return _suggested(folder, *_weighed(folder))


def _suggested(
    folder: StudyFolder, evidence: Evidence, assessment: Assessment, found: list[Finding]
) -> str:
    best = assessment.leader
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
    evidence = gather(folder) if by is None else by_part(gather(folder), by)
    assessment = assess(evidence)
    return evidence, assessment, findings(evidence, assessment)
