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
from typing import Any

from sweeper.ranking import baseline_of, ranking
from sweeper.records import TrialRecord, TrialState
from sweeper.space import complete_values
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.trial_folder import read_result
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig, spec_for
from trainer.contract import (
    TrainSpec,
    environment_from_json,
    evaluation_key,
    read_job,
    read_metrics,
    rollouts_key,
    stage_chain,
    start_of_last_phase,
)

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
    yield from _chain_of(study.controls)
    state = study.read_state()
    if config.keep != "all" and state.get("state") == "finished":
        complete = ranking(records, goal=config.goal)
        baseline = baseline_of(records)
        chosen = (state["best"] or {}).get("trial")  # by the study's rule: not always the highest
        best = [*complete[:1], *([] if baseline is None else [baseline])]
        best += [record for record in complete if record.name == chosen]
        for record in best if config.keep == "best" else _complete(records):
            yield record.notes["stage"]
        return
    for folder in study.finals():
        yield from _chain_of(folder)
    for record in records:
        if record.notes.get("stage"):
            yield record.notes["stage"]
        if record.prefix is None:
            for folder in _folders(study, config, record.number):
                yield from _chain_of(folder)
            source = str(record.notes.get("source", record.number)).partition("@")[0]
            for seed in config.search_seeds or (None,):
                spec = _spec(config, record, seed=seed)
                yield from _chain_of(study.trial(int(source)), spec=spec)


def _folders(study: StudyFolder, config: StudyConfig, number: int) -> list[Path]:
    """A trial's folder, and those of its further seeds."""
    seeds = config.search_seeds or (None,)
    return [study.trial(number, seed=config.folder_seed(seed)) for seed in seeds]


def _complete(records: list[TrialRecord]) -> list[TrialRecord]:
    return [record for record in records if record.state is TrialState.COMPLETE]


def _spec(config: StudyConfig, record: TrialRecord, *, seed: int | None) -> TrainSpec:
    values = complete_values(config.space, record.params)
    return spec_for(config, values, repeat=record.notes.get("repeat", 0), seed=seed)


def _chain_of(folder: Path, *, spec: TrainSpec | None = None) -> Iterator[str]:
    """Every stage that a trial folder has a result or an epoch of."""
    for line in _lines(folder):
        yield line["stage"]
    result = read_result(folder)
    if result is None:
        return
    with contextlib.suppress(OSError, ValueError, KeyError):  # a folder without a job
        job = read_job(folder)
        environment = environment_from_json(result["environment"])
        chosen = job.spec if spec is None else spec
        chosen = chosen if job.controls is None else start_of_last_phase(chosen)
        yield rollouts_key(chosen, environment)
        yield from (ref.key for ref in stage_chain(chosen, environment))


def _needed_scores(
    study: StudyFolder, config: StudyConfig, records: list[TrialRecord]
) -> Iterator[str]:
    for record in records:
        if record.notes.get("evaluation"):
            yield record.notes["evaluation"]
        for folder in _folders(study, config, record.number):
            yield from (line.get("evaluation", "") for line in _lines(folder))
            yield (read_result(folder) or {}).get("evaluation", "")
    for folder in (*study.confirmations(), *study.finals()):
        yield (read_result(folder) or {}).get("evaluation", "")
    result = read_result(study.controls)
    if result is None:
        return
    spec = read_job(study.controls).spec
    environment = environment_from_json(result["environment"])
    start = result["stage"]
    probed = [f"with another {entry['group']}" for entry in result["liveness"]["groups"]]
    names = [f"control {name}" for name in config.controls]
    names += [start, *(f"{start} {label}" for label in ("probed", *probed))]
    yield from (evaluation_key(name, spec, environment) for name in names)


def _lines(folder: Path) -> list[dict[str, Any]]:
    try:
        return read_metrics(folder)[0]
    except ValueError:  # a damaged file holds no key that could be trusted
        return []


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
