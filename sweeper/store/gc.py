"""What on disk nobody needs any more: stages and scores without a study, damaged and torn files.

A study needs the stages of all its trials while it can go on; once it is finished, those that its
`keep:` names. It always needs its scores, which are small. While a driver is at work nothing is
removed, since what its next trial begins with is not known.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeper.ranking import baseline_of, ranking
from sweeper.records import TrialRecord, TrialState
from sweeper.space import complete_values
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig, training_of
from sweeper.trainers import Training

EVALUATIONS = "evaluations"  # beside the stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """Files that may go, by kind."""

    kinds: Mapping[str, tuple[Path, ...]]  # what they are -> stages, folders, files

    @property
    def bytes(self) -> int:
        """Size of all of it."""
        return sum(_size(path) for paths in self.kinds.values() for path in paths)

    def text(self, *, dry_run: bool) -> str:
        """What goes and how much, for people."""
        lines = [
            f"  {kind:<24} {len(paths):>6}  {sum(map(_size, paths)) / 1e6:>10.1f} MB"
            for kind, paths in self.kinds.items()
            if paths
        ]
        verb = "would free" if dry_run else "freed"
        return "\n".join([*lines, f"{verb} {self.bytes / 1e6:.1f} MB"])


def collect(workspace: Workspace, *, dry_run: bool) -> str:
    """Remove what no study needs; with ``dry_run`` only say what that is.

    Raises:
        StudyLockedError: where a driver is at work.
        SweeperError: where a study cannot be read: what it needs is not known then.
    """
    with contextlib.ExitStack() as locks:
        for name in workspace.names():
            locks.enter_context(workspace.study(name).locked())
        garbage = find_garbage(workspace)
        told = garbage.text(dry_run=dry_run)
        if not dry_run:
            for paths in garbage.kinds.values():
                for path in paths:
                    _remove(path)
    return told


def find_garbage(workspace: Workspace) -> Garbage:
    """All that no study of the workspace needs."""
    stages: set[str] = set()
    scores: set[str] = set()
    for name in workspace.names():
        study = workspace.study(name)
        config, records = read_study(study)
        stages |= set(_needed_stages(study, config, records))
        scores |= set(_needed_scores(study, config, records))
    found = sorted(workspace.stages.iterdir()) if workspace.stages.is_dir() else []
    folder = workspace.stages / EVALUATIONS
    evaluations = sorted(folder.iterdir()) if folder.is_dir() else []
    own = [path for path in found if path.is_dir() and path.name != EVALUATIONS]
    everything = [*own, *evaluations]
    damaged = [path for path in everything if ".damaged-" in path.name]
    torn = [path for path in everything if path.name.endswith(".part")]
    other = set(damaged) | set(torn)
    return Garbage(
        kinds={
            "stages": tuple(p for p in own if p not in other and p.name not in stages),
            "scores": tuple(p for p in evaluations if p not in other and p.stem not in scores),
            "damaged, set aside": tuple(damaged),
            "half written": tuple(torn),
        }
    )


def _needed_stages(
    study: StudyFolder, config: StudyConfig, records: list[TrialRecord]
) -> Iterator[str]:
    kind = config.kind
    yield from kind.needed(study.controls).stages
    state = study.read_state()
    if config.keep != "all" and state.get("state") == "finished":
        complete = ranking(records, goal=config.goal)
        baseline = baseline_of(records)
        chosen = (state["best"] or {}).get("trial")  # by the study's rule: not always the highest
        best = [*complete[:1], *([] if baseline is None else [baseline])]
        best += [record for record in complete if record.name == chosen]
        for record in best if config.keep == "best" else _complete(records):
            yield record.notes.stage or ""
        return
    for folder in study.finals():
        yield from kind.needed(folder).stages
    for record in records:
        yield record.notes.stage or ""
        if record.prefix is None:
            for folder in _folders(study, config, record.number):
                yield from kind.needed(folder).stages
            for seed in config.search_seeds or (None,):
                training = _training(config, record, seed=seed)
                yield from kind.needed(study.trial(record.source), training=training).stages


def _folders(study: StudyFolder, config: StudyConfig, number: int) -> list[Path]:
    """A trial's folder, and those of its further seeds."""
    seeds = config.search_seeds or (None,)
    return [study.trial(number, seed=config.folder_seed(seed)) for seed in seeds]


def _complete(records: list[TrialRecord]) -> list[TrialRecord]:
    return [record for record in records if record.state is TrialState.COMPLETE]


def _training(config: StudyConfig, record: TrialRecord, *, seed: int | None) -> Training:
    values = complete_values(config.space, record.params)
    return training_of(config, values, repeat=record.notes.repeat, seed=seed)


def _needed_scores(
    study: StudyFolder, config: StudyConfig, records: list[TrialRecord]
) -> Iterator[str]:
    own = [folder for record in records for folder in _folders(study, config, record.number)]
    for folder in (study.controls, *own, *study.confirmations(), *study.finals()):
        yield from config.kind.needed(folder).evaluations
    for record in records:
        yield record.notes.evaluation or ""


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _remove(path: Path) -> None:
    """Make it vanish at once, then delete it: nobody ever reads half a stage."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    gone = path.with_name(f"{path.name}.part")
    path.rename(gone)
    shutil.rmtree(gone)
