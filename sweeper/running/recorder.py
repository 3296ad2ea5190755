"""What becomes of a trial, written to MLflow and then to the study: told last, nothing gets lost.

A trial ends by its own job, or is answered from what another one has recorded: the same setting
once more, or a shorter training that a longer one has scored on its way.
"""

import time
from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import TYPE_CHECKING

from sweeper.outcomes import (
    Calls,
    Result,
    total_calls,
)
from sweeper.records import Notes, TrialRecord, TrialState
from sweeper.running.derived import from_record, notes_of
from sweeper.running.trial_files import TrialFiles
from sweeper.running.trial_runs import TrialRuns
from sweeper.running.verdict import Verdict
from sweeper.search import Search, shared_prefixes
from sweeper.space import complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.study.config import StudyConfig
from sweeper.trainers import Training

if TYPE_CHECKING:  # importing it imports MLflow
    from sweeper.store.tracking.enduring import Tracking


class Recorder:
    """Writes the trials of one study, for the driver that holds its lock."""

    def __init__(
        self,
        config: StudyConfig,
        search: Search,
        *,
        folder: StudyFolder,
        store: StudyStore,
        tracking: "Tracking",
    ) -> None:
        self._config = config
        self._search = search
        self._store = store
        self.runs = TrialRuns(config, folder, tracking)
        self.files = TrialFiles(config, folder)
        self.asked_by_controls = 0  # calls
        self._calls = total_calls(r.notes.calls for r in store.proposals() if r.notes.calls)
        self._prefixes = {r.name for r in store.records() if r.prefix is not None}
        self._settled = 0  # the first trial whose shorter trainings have not been added
        self._settled_settings: set[str] = set()

    def open(self, record: TrialRecord) -> str:
        """Open the MLflow run of a trial, the one that it has already or a new one; note which."""
        run_id = self.runs.open(record)
        if run_id:
            self._store.note_run(record.number, run_id)
        return run_id

    def end(
        self,
        number: int,
        run_id: str,
        verdict: Verdict,
        results: Sequence[Result],
        *,
        training: Training,
        started: float,
        ended: float | None,
    ) -> None:
        """Write a verdict other than RUNNING.

        Args:
            number: Of the trial.
            run_id: Its run.
            verdict: What became of it.
            results: Of its jobs, one a seed; read only where it is complete or raced out.
            training: What it trained.
            started: Seconds since 1970.
            ended: Of its last epoch; seconds since 1970.
        """
        complete = verdict.state is TrialState.COMPLETE
        raced_out = not complete and bool(results) and results[0].raced_out is not None
        told = Notes()
        if complete or raced_out:
            told = notes_of(results, self._config.search_seeds)
        tags = self.runs.end(run_id, verdict, results, told, training=training, ended=ended)
        outcome = {
            "seconds": time.time() - started,
            "origin": tags.get("sweeper.origin", ""),
            "failure": verdict.failure,
            "reason": verdict.reason,
            "stopped_at": None if verdict.stopped_at is None else astuple(verdict.stopped_at),
        }
        hidden = {} if complete else {"accuracy": {}, "device": ""}
        self._told(number, verdict, told.model_copy(update={**outcome, **hidden}))

    def answer(self, record: TrialRecord, known: TrialRecord) -> Verdict:
        """Write a proposal that another trial has answered, without a job; its curves are there.

        Run and row are written whole: a driver that dies between them proposes it again.
        """
        epochs = [] if known.failed_by_setting else self.files.epochs_of(known)
        answered = from_record(known.notes, known.name, epochs, parts=self._config.can.parts)
        failure, reason = known.notes.failure, known.notes.reason  # of a setting that fails again
        own = {
            "values": record.notes.values,
            "proposed": record.notes.proposed,
            "seeds": known.notes.seeds,
            "spread": known.notes.spread,
            "origin": "cached",
            "seconds": 0.0,
            "failure": failure,
            "reason": reason,
        }
        notes = answered.model_copy(update=own)
        told = replace(
            record,
            state=known.state,
            score=known.score,
            intermediate=dict(known.intermediate),
            notes=notes,
        )
        self._store.add(told.with_run(self.runs.answer(told, source=known.name)))
        self._calls += notes.calls or Calls()
        self.add_prefixes()
        return Verdict(state=known.state, score=known.score, failure=failure, reason=reason)

    def add_imported(self, ended: float) -> None:
        """Show what the sampler knew before trial 0 beside the trials, once: in MLflow and Optuna.

        Args:
            ended: The time that their numbers get; the same at every resume. Seconds since 1970.
        """
        for record in self._search.known:
            if not self._store.has_imported(record.number):
                self.runs.imported(record, ended)
                self._store.add_imported(record)

    def add_prefixes(self) -> None:
        """Add the shorter trainings that trials have scored, up to the first that still runs.

        In the order of the numbers, not of time: the same rows, however the jobs ended.
        """
        done = []
        for record in self._store.proposals()[self._settled :]:
            if record.state is TrialState.RUNNING:
                break
            done.append(record)
        self._settled += len(done)
        for prefix in shared_prefixes(self._search, done, self._settled_settings):
            if prefix.name not in self._prefixes:
                self._add_prefix(prefix, self._store.record(prefix.number))

    def calls(self) -> Calls:
        """Calls of the controls and of all trials so far, by what became of them."""
        finals = [final.calls for final in self._store.finals().values()]
        controls = Calls(needed=self.asked_by_controls, asked=self.asked_by_controls)
        return total_calls([controls, self._calls, *finals])

    def _told(self, number: int, verdict: Verdict, notes: Notes) -> None:
        self._store.tell(number, verdict.state, verdict.score, notes=notes)
        self._calls += notes.calls or Calls()
        self.add_prefixes()

    def _add_prefix(self, prefix: TrialRecord, whole: TrialRecord) -> None:
        """Write the row and the MLflow run of a shorter training; its curves are the longer's."""
        values = complete_values(self._config.space, prefix.params)
        epochs = self.files.epochs_of(prefix)
        if not epochs:  # its files are gone: nothing is known but one number
            return
        told = from_record(whole.notes, whole.name, epochs, parts=self._config.can.parts)
        own = {"values": values, "proposed": "shared prefix", "origin": "shared prefix"}
        notes = told.model_copy(update={**own, **self.files.seeds_of(prefix)})
        added = replace(prefix, notes=notes)
        self._store.add(added.with_run(self.runs.prefix(added, ended=epochs[-1].ended)))
        self._prefixes.add(prefix.name)
