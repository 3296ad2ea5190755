"""Write the result table beside each study file from what is in `sweeps/`; run by `make tables`."""

from pathlib import Path

from safetensors.numpy import load_file

from sweeper.outcomes import Calls, Check, read_result
from sweeper.ranking import ranking
from sweeper.records import TrialRecord
from sweeper.results.table import markdown, rows
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace
from sweeper.words import calls_text

STUDIES = Path(__file__).parent


def table_of(study_path: Path, workspace: Workspace) -> str:
    """The study's question, its ranking with controls on top, and the held-out scores."""
    folder = workspace.find(str(study_path))
    config, records = read_study(folder)
    state = folder.read_state()
    best = ranking(records, goal=config.goal)[0]
    listed = [record for record in records if record.prefix is None or record is best]
    check = read_result(folder.controls)
    controls = check.controls if isinstance(check, Check) else {}
    table = rows(listed, controls, goal=config.goal)
    shorter = sum(record.prefix is not None for record in records)
    on_the_way = (
        f"On the way {shorter} shorter trainings were scored, too; 7@2 is trial 7 after 2 epochs. "
        if shorter
        else ""
    )
    confirmed = state["confirmed"]
    held_out = ", ".join(f"{label} {100 * r['score']:.1f}" for label, r in confirmed.items())
    questions = next(iter(confirmed.values()))["questions"]
    return (
        f"# {config.name}\n\nQuestion: {config.question}\n\n"
        f"Accuracy in per cent on {config.can.questions} questions, mean over "
        f"1-4 shots. Standard error of the best score: "
        f"{100 * standard_error(folder, best):.1f}, over questions, for one seed.\n\n"
        f"{markdown(table)}\n"
        f"{on_the_way}Reader calls: {calls_text(Calls.model_validate(state['reader_calls']))}.\n\n"
        f"On {questions} held-out questions: {held_out}.\n"
    )


def standard_error(folder: StudyFolder, trial: TrialRecord) -> float:
    """Standard error of a trial's score over its questions, as a fraction.

    The numbers of shots of one question are kept together: they are not independent.
    """
    evaluation = folder.stages / "evaluations" / f"{trial.notes.evaluation}.safetensors"
    by_question = load_file(evaluation)["scores"].mean(axis=1)
    return float(by_question.std(ddof=1) / len(by_question) ** 0.5)


def excerpt(study_path: Path, workspace: Workspace) -> str:
    """The verdict and the table of the report, for a study of a program of one's own."""
    folder = workspace.find(str(study_path))
    config, _ = read_study(folder)
    page = (folder.root / "report" / "report.en.md").read_text()
    _, verdict, table, *_ = page.split("\n## ")
    sections = (part.partition("\n\n")[2].strip() for part in (verdict, table))
    return "\n\n".join([f"# {config.name}", f"Question: {config.question}", *sections, ""])


def main() -> None:
    """Write a table for every study that has been run to its end: one that can be confirmed once it
    is, one of a program once its report is written.
    """
    workspace = Workspace(Path())
    for study_path in sorted(STUDIES.glob("*.yaml")):
        known = study_path.stem in workspace.names()
        if known and workspace.find(study_path.stem).read_state().get("confirmed"):
            study_path.with_suffix(".md").write_text(table_of(study_path, workspace))
            print(f"wrote {study_path.with_suffix('.md')}")
        elif known and (workspace.find(study_path.stem).root / "report" / "report.en.md").exists():
            study_path.with_suffix(".md").write_text(excerpt(study_path, workspace))
            print(f"wrote {study_path.with_suffix('.md')}")


if __name__ == "__main__":
    main()
