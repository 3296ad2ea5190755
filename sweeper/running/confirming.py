"""`sweeper confirm`: the best of a study on questions that selected nothing, each asked once.

Results stay in the study's folder and are never looked at by whoever chooses. What an interrupt
leaves undone, the next call does; what is done is not asked again.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.errors import UsageError
from sweeper.launchers.jobs import device_of
from sweeper.outcomes import Check, read_result
from sweeper.ranking import baseline_of, ranking
from sweeper.records import TrialRecord
from sweeper.results.best import Best, best_trial
from sweeper.results.evidence import Evidence, Scored, gather
from sweeper.running.holdout import confirm
from sweeper.running.interrupts import Interrupts
from sweeper.running.session import STOPPING, OpenLauncher
from sweeper.running.trial_runs import TrialRuns
from sweeper.running.works import Works
from sweeper.scales import Scale
from sweeper.search.of_study import first_training
from sweeper.statistics.sign_flip import sign_flip_p, told_p
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.tracking import open_mlflow
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig, training_of
from sweeper.trainers import Training
from sweeper.words import params_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What a `sweeper confirm` ends with."""

    lines: Sequence[str]  # for people
    exit_code: int  # 0 all scored, 1 some could not be, 130 interrupted


def confirm_study(
    folder: StudyFolder,
    *,
    workspace: Workspace,
    top: int,
    open_launcher: OpenLauncher,
    say: Callable[[str], None],
) -> Confirmation:
    """Score the ``top`` best settings, the baseline and the start on the held-out questions.

    Args:
        folder: Of the study, finished or not.
        workspace: Where it lies.
        top: How many settings; the study's own choice is the first of them.
        open_launcher: Opens slots for the study's resources.
        say: Is told of what failed and of what had to be trained again.

    Raises:
        UsageError: where nothing is held out, or nothing is complete.
        StudyLockedError: where a driver works on the study.
        InstrumentError: where something was scored with other means than the study.
    """
    with folder.locked():
        config, records = read_study(folder)
        chosen = _chosen(folder, config, records, top)
        trainings = {str(record.name): _training(config, record) for record in chosen}
        first = next(iter(trainings.values()))
        trainings = {"start": first.beginning(), **trainings}
        launcher = open_launcher(config, folder)
        with (
            contextlib.closing(launcher),
            config.kind.claims(folder.stages) as claims,
            Interrupts(lambda: say(STOPPING)) as interrupts,
        ):
            works = Works(
                launcher,
                config.kind,
                claims,
                retry=config.retry,
                limits=config.limits,
                stopping=lambda: interrupts.requested,
                say=say,
            )
            results = confirm(
                works,
                folder,
                trainings,
                device=device_of(launcher),
                first=first_training(config),
                environment=_environment(folder),
                say=say,
            )
        tracking = open_mlflow(config, workspace.root, say=say, endures=True, was_there=True)
        runs = TrialRuns(config, folder, tracking)
        for record in chosen:
            if (result := results.get(str(record.name))) is not None:
                runs.held_out(record, result)
    evidence = gather(folder)
    lines = list(_table(evidence, [f"trial {record.name}" for record in chosen]))
    if interrupts.requested:
        lines.append("interrupted; the same command goes on from here")
        return Confirmation(lines=lines, exit_code=130)
    return Confirmation(lines=lines, exit_code=int(len(results) < len(trainings)))


def _chosen(
    folder: StudyFolder, config: StudyConfig, records: Sequence[TrialRecord], top: int
) -> list[TrialRecord]:
    """What the study takes, then its best settings in order, and the baseline; each once."""
    if not config.can.holdout:
        why = "whoever scores it has no questions beside those that selected the best"
        if not config.can.has_questions:
            why = "its score is none of questions"
        raise UsageError(
            f"study {config.name!r} holds nothing out: {why}; there is nothing to confirm it on"
        )
    best: Best | None = best_trial(folder, config, records)
    if best is None:
        raise UsageError(f"study {config.name!r} has no complete trial to confirm; run it first")
    listed: dict[frozenset[tuple[str, Any]], TrialRecord] = {}
    for record in (best.record, *ranking(records, goal=config.goal)):
        listed.setdefault(frozenset(record.params.items()), record)
    found = list(listed.values())[:top]
    baseline = baseline_of(records)
    return found if baseline is None or baseline in found else [*found, baseline]


def _training(config: StudyConfig, record: TrialRecord) -> Training:
    """What a trial trained; of several seeds the first."""
    return training_of(config, record.values, repeat=record.notes.repeat)


def _environment(folder: StudyFolder) -> dict[str, str]:
    check = read_result(folder.controls)
    if not isinstance(check, Check):
        raise UsageError(
            f"study {folder.name!r} has lost its controls ({folder.controls}), with which all else "
            "is compared; `sweeper run` scores them again"
        )
    return check.environment


def _table(evidence: Evidence, labels: Sequence[str]) -> Iterator[str]:
    """The held-out scores beside those of the search, and the test of the best."""
    rows = {row.label: row for row in evidence.confirmed.values()}
    shown = [rows[label] for label in ("control start", *labels) if label in rows]
    if not shown:
        return
    scale = evidence.config.scale
    baseline = evidence.confirmed.get("baseline")
    searched = {row.label: row.score for row in evidence.rows}
    count = f"{shown[0].questions} " if shown[0].questions else ""
    yield f"on {count}held-out questions, which selected nothing:"
    yield f"  {'':<16}{'search':>8}{'held out':>10}{'vs baseline':>13}"
    for row in shown:
        yield (
            f"  {row.label:<16}{scale.number(searched[row.label]):>8}"
            f"{scale.number(row.score):>10}{_lead(row, baseline, scale):>13}"
            f"  {params_text(row.params)}".rstrip()
        )
    yield from _tested(rows.get(labels[0]), baseline)


def _lead(row: Scored, baseline: Scored | None, scale: Scale) -> str:
    return "" if baseline is None else scale.number(row.score - baseline.score, sign=True)


def _tested(best: Scored | None, baseline: Scored | None) -> Iterator[str]:
    """One test, named before the questions were asked: no correction."""
    if best is None or baseline is None or best.label == baseline.label:
        return
    if best.scores is None or baseline.scores is None:
        yield "scores by question could not be read: nothing is tested"
        return
    p = sign_flip_p((best.scores - baseline.scores).mean(axis=1))
    yield f"{best.label} against the baseline: {told_p(p)} (paired sign-flip test)"
