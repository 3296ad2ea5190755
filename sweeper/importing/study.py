"""Results from elsewhere into a study, started or not; on any problem nothing is written.

They are kept apart from the study's trials, in one attribute of its database, each row once. Those
that are said to be of the study's own evaluation are known to the sampler from then on; so they
come before its first trial or not at all, for proposals are a function of what was known.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sweeper.errors import UsageError
from sweeper.importing.entries import SAME, Entry, check_rows, evaluation_of, other_parts
from sweeper.importing.known import ATTRIBUTE, LEARNING, known_results, teaching_problems
from sweeper.importing.lab import read_lab_files
from sweeper.importing.table import Row, read_table
from sweeper.records import TrialRecord
from sweeper.store.rebuilding import rebuild_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.workspace import Workspace
from sweeper.study.changes import differences, require_same_study
from sweeper.study.config import StudyConfig, load_study

Source = Literal["table", "lab"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did, for people."""

    lines: Sequence[str]
    warnings: Sequence[str]


def import_results(
    study_path: Path,
    files: Sequence[Path],
    workspace: Workspace,
    *,
    source: Source = "table",
    given: Mapping[str, str] | None = None,
    same_evaluation: bool = False,
) -> Imported:
    """Take results that were measured elsewhere into a study.

    Args:
        study_path: The study file.
        files: Tables, or the lab's metrics files with their checkpoints.
        workspace: Where the study is, or will be.
        source: What the files are.
        given: Column -> text, for rows that do not tell it.
        same_evaluation: Whether the rows were measured on the study's own questions in its own
            way: then they teach the sampler.

    Raises:
        ConfigError, UsageError: before anything is written, with every problem.
        StudyLockedError: where a driver works on the study.
    """
    config = load_study(study_path)
    rows, pairs, unused, problems = _read(files, config, source=source, given=given or {})
    checked = check_rows(rows, config)
    problems += checked.problems
    if same_evaluation and not problems:
        problems += teaching_problems([row.place for row in rows], checked, config)
    _refuse(problems)
    if not rows:
        raise UsageError("there is nothing to import: no result of a policy was given")
    if same_evaluation:
        for entry in checked.entries:
            entry[SAME] = True
    entries = checked.entries
    folder = workspace.study(config.name)
    workspace.prepare()
    with contextlib.ExitStack() as opened:
        opened.enter_context(folder.locked())
        rebuilt = rebuild_study(folder)
        store = opened.enter_context(
            StudyStore.open(folder.database, name=config.name, goal=config.goal, space=config.space)
        )
        stored = store.attributes()
        require_same_study(stored.get("study"), config.to_json())
        merged, new = merge(stored.get(ATTRIBUTE, []), entries)
        _refuse(_conflicts(store, stored.get(ATTRIBUTE, []), merged, config))
        _store_study(config, store, folder, study_path)
        store.set_attribute(ATTRIBUTE, merged)
    warnings = [rebuilt] if rebuilt is not None else []
    warnings += [f"{text}: taken as it was measured" for text in checked.outside]
    return Imported(
        lines=[*pairs, *_told(config, merged, entries, new)],
        warnings=[*unused, *warnings, *_doubts(config, merged, same_evaluation=same_evaluation)],
    )


def merge(known: Sequence[Entry], new: Sequence[Entry]) -> tuple[list[Entry], int]:
    """What is known and what is new, each row once; and how many are new.

    A row that is said to be of the study's own evaluation, once or again, is so.
    """
    rows = list(known)
    plain = [_plain(entry) for entry in rows]
    for entry in new:
        if _plain(entry) not in plain:
            rows.append(entry)
            plain.append(_plain(entry))
        elif entry.get(SAME):
            rows[plain.index(_plain(entry))] = entry
    return rows, len(rows) - len(known)


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """`lr=5e-6` as column and text. Raises UsageError."""
    pairs = [text.partition("=") for text in texts]
    bad = [
        text for text, (name, _, value) in zip(texts, pairs, strict=True) if not (name and value)
    ]
    if bad:
        raise UsageError(f"--set takes COLUMN=VALUE, but got {', '.join(map(repr, bad))}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def imported_results(folder: StudyFolder, config: StudyConfig) -> tuple[TrialRecord, ...]:
    """What the sampler of a study knows before trial 0.

    Nothing where there is no such study yet, or only another one of its name.
    """
    if not folder.database.exists():
        return ()
    with StudyStore.open(folder.database, name=folder.name) as store:
        stored = store.attributes()
    changes = differences(stored["study"], config.to_json()) if "study" in stored else []
    return () if any(not c.harmless for c in changes) else known_results(stored.get(ATTRIBUTE, []))


def _plain(entry: Entry) -> dict[str, object]:
    return {name: value for name, value in entry.items() if name != SAME}


def _read(
    files: Sequence[Path], config: StudyConfig, *, source: Source, given: Mapping[str, str]
) -> tuple[list[Row], list[str], list[str], list[str]]:
    """Rows, how they were paired, what was left out, and problems."""
    if source == "lab":
        found = read_lab_files(files, config, given)
        return found.rows, found.pairs, found.unused, found.problems
    rows: list[Row] = []
    problems: list[str] = []
    for path in dict.fromkeys(files):
        try:
            rows += read_table(path)
        except UsageError as error:
            problems.append(str(error))
    return [Row(place=r.place, cells={**given, **r.cells}) for r in rows], [], [], problems


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        noun = "problem" if len(problems) == 1 else "problems"
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise UsageError(f"nothing was imported, for {len(problems)} {noun}:\n{lines}")


def _conflicts(
    store: StudyStore,
    before: Sequence[Entry],
    merged: Sequence[Entry],
    config: StudyConfig,
) -> list[str]:
    """What the study itself has against the rows."""
    places = [f"imported {n}" for n in range(1, len(merged) + 1)]
    problems = other_parts(places, merged, config.can)
    teaching = [entry for entry in merged if entry.get(SAME)]
    names = list(dict.fromkeys(entry.get("evaluation", "not named") for entry in teaching))
    if len(names) > 1:
        problems.append(f"rows of several evaluations cannot all be of the study's: {names}")
    count = len(store.proposals())
    if count and known_results(merged) != known_results(before):
        problems.append(
            f"study {config.name!r} has {count} trials, which were proposed without these results; "
            "give it another `name:` and import there before it is run (stages are shared, nothing "
            "is trained twice), or leave out --same-evaluation: they are then for the report alone"
        )
    return problems


def _store_study(config: StudyConfig, store: StudyStore, folder: StudyFolder, path: Path) -> None:
    """Make the folder that of the study, as its first run would."""
    if "study" not in store.attributes():
        store.set_attribute("study", config.to_json())
        store.set_attribute("source", folder.source_of(path))
        folder.study_file.write_bytes(path.read_bytes())


def _told(
    config: StudyConfig,
    merged: Sequence[Entry],
    entries: Sequence[Entry],
    new: int,
) -> list[str]:
    known = f", {len(entries) - new} were known" if new < len(entries) else ""
    results = "result" if new == 1 else "results"
    lines = [f"{config.name}: {new} {results} imported{known}"]
    teaching = sum(1 for entry in merged if entry.get(SAME))
    if teaching and config.sampler.name in LEARNING:
        lines.append(f"the sampler knows {teaching} of them before trial 0")
    lines.append(f"next: sweeper report {config.name}")
    return lines


def _doubts(config: StudyConfig, merged: Sequence[Entry], *, same_evaluation: bool) -> list[str]:
    doubts = []
    if same_evaluation and config.sampler.name not in LEARNING:
        doubts.append(
            f"the sampler {config.sampler.name} learns nothing from results; "
            f"{' and '.join(LEARNING)} do"
        )
    sets = dict.fromkeys(evaluation_of(entry) or "the study's own" for entry in merged)
    if len(sets) > 1:
        doubts.append(f"not tested against each other, for they are of {len(sets)} evaluations: "
                      f"{'; '.join(sets)}")  # fmt: skip
    if config.baseline is not None and all(e["params"] != config.baseline for e in merged):
        doubts.append("no row has the baseline's setting: the report shows no differences from it")
    return doubts
