"""What MLflow lacks of a study is written again, from the study's rows and the trial folders.

A database may have been deleted, a server have been away, a driver been killed between two writes.
The same numbers at the same times are the same points: what is there stays one.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.outcomes import TRIAL, Check, Epoch, FormatError, Result, read_result
from sweeper.records import TrialRecord, TrialState
from sweeper.running.recorder import Recorder
from sweeper.running.study_run import open_study_run, track_controls
from sweeper.running.trial_runs import MLFLOW_STATUS
from sweeper.running.verdict import Verdict
from sweeper.search import Search, answered_before
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.tracking.run_rows import Place, Written
from sweeper.study.config import StudyConfig

if TYPE_CHECKING:  # importing it imports MLflow
    from sweeper.store.tracking.enduring import Tracking

SCORE, FINAL, HELD_OUT = "score", "final_score", "heldout_score"  # of a run that is whole
_TRAINED = ("trained", "extended")  # origins of trials with curves of their own


class Mender:
    """Compares one study with its runs, and completes these."""

    def __init__(
        self,
        config: StudyConfig,
        search: Search,
        *,
        folder: StudyFolder,
        store: StudyStore,
        tracking: "Tracking",
        recorder: Recorder,
        tags: Mapping[str, str],
    ) -> None:
        """Write nothing yet; ``tags`` are the provenance that the study's own run gets."""
        self._config = config
        self._search = search
        self._folder = folder
        self._store = store
        self._tracking = tracking
        self._recorder = recorder
        self._tags = tags
        self._has_opened = False  # the study's own run, with all that belongs to it
        self._confirmed: set[str] = set()  # names of trials with held-out scores

    def mend(self) -> str | None:
        """Open the study's own run, if that is not done, and write what is missing or says
        otherwise than the study.

        Runs that someone has deleted on MLflow's page stay deleted.

        Returns:
            What was done, for people; None where MLflow had it all.

        Raises:
            TrackingAway: while nobody answers.
            TrackingError: where MLflow refuses.
        """
        if not self._has_opened:
            open_study_run(self._tracking, self._config, self._store, self._folder, tags=self._tags)
            self._has_opened = True
        written = self._tracking.written()
        self._confirmed = {place.name for place in self._folder.confirmations()}
        lacking = [record for record in self._store.records() if self._lacks(record, written)]
        lacking_imports = [
            record
            for record in self._search.known
            if self._store.has_imported(record.number)
            and (self._tracking.parent, f"imported {record.number}") not in written
        ]
        if lacking or lacking_imports:
            removed = self._tracking.removed()
            lacking = [record for record in lacking if f"trial {record.name}" not in removed]
            lacking_imports = [r for r in lacking_imports if f"imported {r.number}" not in removed]
        self._mend_controls(written)
        for record in self._store.proposals():
            if record.state is TrialState.RUNNING:
                self._complete_curves(record, written)
        runs = {str(record.name): self._write(record) for record in lacking}
        for record in lacking_imports:
            self._recorder.runs.imported(record, self._controls_ended())
        moved = {
            str(record.name): runs[str(record.name)]
            for record in lacking
            if record.notes.run_id != runs[str(record.name)]
        }
        if moved:
            self._store.set_runs(moved)
        count = len(lacking) + len(lacking_imports)
        if not count:
            return None
        runs_said = "the run of 1 trial" if count == 1 else f"the runs of {count} trials"
        return f"MLflow lacked {runs_said}, or parts: written from study.db and the trial folders"

    def _lacks(self, record: TrialRecord, written: Mapping[Place, Written]) -> bool:
        """Whether MLflow lacks something of a trial that has ended."""
        if record.state is TrialState.RUNNING:  # the driver that resumes it opens its run
            return False
        run = written.get((self._tracking.parent, f"trial {record.name}"))
        if run is None or run.status != MLFLOW_STATUS[record.state]:
            return True
        numbers = dict(self._numbers(record))
        if any(run.metrics.get(name) != value for name, value in numbers.items()):
            return True
        if record.values and not run.params:
            return True
        seeds = [*(record.notes.seeds if _is_own(record) else ())]
        seeds += record.final.seeds if record.final is not None else ()
        places = {(run.run_id, f"trial {record.name} seed {entry.seed}") for entry in seeds}
        if any(place not in written or written[place].status != "FINISHED" for place in places):
            return True
        return not any("/" in name for name in run.metrics) and self._has_curves(record)

    def _numbers(self, record: TrialRecord) -> Iterator[tuple[str, float]]:
        """Final numbers by which a run is known to be whole: each is the last of its kind."""
        if record.score is not None:
            yield SCORE, record.score
        if record.final is not None:
            yield FINAL, record.final.score
        held_out = self._held_out(record)
        if held_out is not None:
            yield HELD_OUT, held_out.score

    def _has_curves(self, record: TrialRecord) -> bool:
        if record.state is not TrialState.COMPLETE or not _is_own(record) or record.notes.seeds:
            return False
        return bool(self._recorder.files.epochs_of(record))

    def _write(self, record: TrialRecord) -> str:
        """Write all of a trial, and return its run."""
        if record.prefix is not None:
            epochs = self._recorder.files.epochs_of(record)
            ended = epochs[-1].ended if epochs else None
            run_id = self._recorder.runs.prefix(record, ended=ended)
        elif record.notes.origin == "cached" and record.notes.source is not None:
            known = answered_before(self._search, record, self._store.records())
            source = record.notes.source if known is None else known.name
            run_id = self._recorder.runs.answer(record, source=source)
        else:
            run_id = self._write_trained(record)
        if record.final is not None:
            self._recorder.runs.finish_final(record.with_run(run_id), record.final)
        if (held_out := self._held_out(record)) is not None:
            self._recorder.runs.held_out(record.with_run(run_id), held_out)
        return run_id

    def _write_trained(self, record: TrialRecord) -> str:
        """Write a trial with its curves, those of its seeds where it has several."""
        training, notes = self._recorder.files.training(record), record.notes
        run_id = self._recorder.runs.open(record)
        each = self._recorder.files.epochs_by_seed(record)
        if self._config.search_seeds:
            self._write_seeds(record, run_id, each)
        elif each:
            self._recorder.runs.log_epochs(run_id, each[0], training)
        verdict = Verdict(
            state=record.state,
            score=record.score,
            failure=notes.failure,
            reason=notes.reason,
        )
        self._recorder.runs.end(
            run_id,
            verdict,
            self._results(record),
            notes,
            training=training,
            ended=each[-1][-1].ended if each and each[-1] else None,
        )
        return run_id

    def _complete_curves(self, record: TrialRecord, written: Mapping[Place, Written]) -> None:
        """Write the epochs of a trial that is at work into the runs that it has."""
        run = written.get((self._tracking.parent, f"trial {record.name}"))
        if run is None:
            return
        names = [f"trial {record.name} seed {seed}" for seed in self._config.search_seeds]
        places = [written.get((run.run_id, name)) for name in names] or [run]
        training = self._recorder.files.training(record)
        for place, epochs in zip(places, self._recorder.files.epochs_by_seed(record), strict=False):
            if place is not None:
                self._recorder.runs.log_epochs(place.run_id, epochs, training)

    def _write_seeds(
        self, record: TrialRecord, run_id: str, each: Sequence[Sequence[Epoch]]
    ) -> None:
        """Write the seeds of a trial that were begun, one after another; what ended it in another
        way than complete left the last of them.
        """
        training = self._recorder.files.training(record)
        folders = [f for f in self._recorder.files.folders(record.number) if (f / TRIAL).exists()]
        seeds = self._config.search_seeds
        for index, (seed, folder) in enumerate(zip(seeds, folders, strict=False)):
            own = self._recorder.runs.open_seed(run_id, record, seed)
            epochs = each[index] if each else []
            self._recorder.runs.log_epochs(own, epochs, training)
            scored = record.notes.seeds[index] if record.notes.seeds else _result(folder)
            is_left = record.state is not TrialState.COMPLETE and folder == folders[-1]
            if scored is None or is_left:
                self._recorder.runs.leave(own)
            else:
                ended = epochs[-1].ended if epochs else None
                self._recorder.runs.end_seed(own, scored, ended=ended)

    def _results(self, record: TrialRecord) -> list[Result]:
        """What the jobs of a trial gave, as far as their files are there."""
        found = [_result(folder) for folder in self._recorder.files.folders(record.number)]
        return [result for result in found if result is not None]

    def _held_out(self, record: TrialRecord) -> Result | None:
        name = str(record.name)
        return _result(self._folder.confirmation(name)) if name in self._confirmed else None

    def _mend_controls(self, written: Mapping[Place, Written]) -> None:
        """Write the controls, as every run does once it has them."""
        check = _read(self._folder.controls)
        if not isinstance(check, Check) or not self._store.proposals():  # of this run, it may be
            return
        runs = [written.get((self._tracking.parent, f"control {name}")) for name in check.controls]
        if any(run is None or run.status != "FINISHED" for run in runs):
            track_controls(self._tracking, self._config, check)

    def _controls_ended(self) -> float:
        check = _read(self._folder.controls)
        return check.ended if isinstance(check, Check) else 0.0


def _is_own(record: TrialRecord) -> bool:
    """Whether a trial had a job: curves, and seeds where it has several, are its own."""
    return record.prefix is None and record.notes.origin in _TRAINED


def _result(folder: Path) -> Result | None:
    found = _read(folder)
    return found if isinstance(found, Result) else None


def _read(folder: Path) -> object:
    """What stands in a folder's result; None where it is gone or damaged."""
    try:
        return read_result(folder)
    except (ValueError, FormatError):
        return None
