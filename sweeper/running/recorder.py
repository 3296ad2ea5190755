"""What becomes of a trial, written to MLflow and then to the study: told last, nothing gets lost.

A trial ends by its own job, or is answered from what another one has recorded: the same setting
once more, or a shorter training that a longer one has scored on its way.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Literal

from sweeper.nouns import Nouns
from sweeper.outcomes import (
    RESULT,
    Calls,
    Epoch,
    FormatError,
    Place,
    Result,
    read_epochs,
    total_calls,
)
from sweeper.records import Final, Notes, SeedScore, TrialRecord, TrialState
from sweeper.running.derived import from_record, mean_epochs, notes_of, seed_score
from sweeper.running.verdict import Verdict
from sweeper.search import Search, shared_prefixes
from sweeper.space import complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.tracking.keys import call_metrics, phase_groups
from sweeper.study.config import StudyConfig, training_of
from sweeper.trainers import Training

if TYPE_CHECKING:  # importing it imports MLflow
    from sweeper.store.tracking.enduring import Tracking

MLFLOW_STATUS: dict[TrialState, Literal["FINISHED", "FAILED", "KILLED"]] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "FINISHED",
    TrialState.FAILED: "FAILED",
    TrialState.RUNNING: "KILLED",
}


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
        self._folder = folder
        self._store = store
        self._tracking = tracking
        self.asked_by_controls = 0  # calls
        self._calls = total_calls(r.notes.calls for r in store.proposals() if r.notes.calls)
        self._prefixes = {r.name for r in store.records() if r.prefix is not None}
        self._settled = 0  # the first trial whose shorter trainings have not been added
        self._settled_settings: set[str] = set()

    def training(self, record: TrialRecord, *, seed: int | None = None) -> Training:
        """What a trial trains; with ``seed``, where the study gives its settings several."""
        values = complete_values(self._config.space, record.params)
        return training_of(self._config, values, repeat=record.notes.repeat, seed=seed)

    def open(self, record: TrialRecord) -> str:
        """Open the MLflow run of a trial, the one that it has already or a new one; note which."""
        run_id = self.open_run(record)
        if run_id:
            self._store.note_run(record.number, run_id)
        return run_id

    def open_run(self, record: TrialRecord) -> str:
        """Open the MLflow run of a trial, whether it has ended or not."""
        return self._tracking.trial_run(
            self._tracking.parent,
            name=f"trial {record.number}",
            number=record.number,
            params=record.notes.values,
            tags={"sweeper.proposed": record.notes.proposed, "sweeper.origin": "trained"},
            run_id=record.notes.run_id,
        )

    def open_seed(self, run_id: str, record: TrialRecord, seed: int) -> str:
        """Open the run of one seed below that of its trial."""
        return self._tracking.trial_run(
            run_id,
            name=f"trial {record.name} seed {seed}",
            params={**record.notes.values, "seed": seed},
            tags={"sweeper.origin": "seed"},
        )

    def end_seed(self, run_id: str, scored: SeedScore | Result, *, ended: float | None) -> None:
        """Close the run of one seed."""
        self._tracking.finish_trial(
            run_id,
            status="FINISHED",
            score=scored.score,
            parts=self._named(scored.accuracy),
            tags={"sweeper.stage": scored.stage or ""},
            ended=ended,
        )

    def log_epochs(self, run_id: str, epochs: Sequence[Epoch], training: Training) -> None:
        """Copy new epochs to the run that shows their curves."""
        groups = phase_groups(training.phases)
        self._tracking.log_epochs(run_id, epochs, groups=groups)

    def leave(self, run_id: str) -> None:
        """Mark a run whose trial goes on with the next driver."""
        self._tracking.finish_trial(run_id, status="KILLED")

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
        tags = self.write_end(run_id, verdict, results, told, training=training, ended=ended)
        outcome = {
            "seconds": time.time() - started,
            "origin": tags.get("sweeper.origin", ""),
            "failure": verdict.failure,
            "reason": verdict.reason,
            "stopped_at": None if verdict.stopped_at is None else astuple(verdict.stopped_at),
        }
        hidden = {} if complete else {"accuracy": {}, "device": ""}
        self._told(number, verdict, told.model_copy(update={**outcome, **hidden}))

    def write_end(
        self,
        run_id: str,
        verdict: Verdict,
        results: Sequence[Result],
        told: Notes,
        *,
        training: Training,
        ended: float | None,
    ) -> dict[str, str]:
        """Close the run of a trial with its final numbers; return the tags that it got.

        Args:
            run_id: Its run.
            verdict: What became of it.
            results: Of its jobs; none where their files are gone.
            told: What they gave.
            training: What it trained.
            ended: Of its last epoch; seconds since 1970.
        """
        complete = verdict.state is TrialState.COMPLETE
        tags: dict[str, str] = {}
        if complete and results:
            tags = result_tags(training, results[0], told, self._config.kind.datasets)
        tags |= _failure_tags(verdict.failure, verdict.reason)
        self._tracking.finish_trial(
            run_id,
            status=MLFLOW_STATUS[verdict.state],
            score=verdict.score,
            parts=self._named(told.accuracy) if complete else {},
            metrics=self._final_metrics(told),
            tags=tags,
            ended=ended,
        )
        return tags

    def answer(self, record: TrialRecord, known: TrialRecord) -> Verdict:
        """Write a proposal that another trial has answered, without a job; its curves are there.

        Run and row are written whole: a driver that dies between them proposes it again.
        """
        epochs = [] if known.failed_by_setting else self.epochs_of(known)
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
        self._store.add(told.with_run(self.write_answer(told, source=known.name)))
        self._calls += notes.calls or Calls()
        self.add_prefixes()
        return Verdict(state=known.state, score=known.score, failure=failure, reason=reason)

    def write_answer(self, record: TrialRecord, *, source: int | str | None) -> str:
        """Write the run of a trial that another one, ``source``, has answered; return its id."""
        return self._tracking.ended_trial(
            self._tracking.parent,
            name=f"trial {record.number}",
            number=record.number,
            score=record.score,
            parts=self._named(record.notes.accuracy),
            metrics=self._final_metrics(record.notes),
            params=record.notes.values,
            tags={
                "sweeper.proposed": record.notes.proposed,
                "sweeper.origin": "cached",
                "sweeper.source": f"trial {source}",
                **_failure_tags(record.notes.failure, record.notes.reason),
            },
            status=MLFLOW_STATUS[record.state],
        )

    def add_imported(self, ended: float) -> None:
        """Show what the sampler knew before trial 0 beside the trials, once: in MLflow and Optuna.

        Args:
            ended: The time that their numbers get; the same at every resume. Seconds since 1970.
        """
        for record in self._search.known:
            if not self._store.has_imported(record.number):
                self.write_imported(record, ended)
                self._store.add_imported(record)

    def write_imported(self, record: TrialRecord, ended: float) -> None:
        """Write the run of a result from elsewhere, at this time. Seconds since 1970."""
        self._tracking.ended_trial(
            self._tracking.parent,
            name=f"imported {record.number}",
            score=record.score,
            parts=self._named(record.notes.accuracy),
            params=complete_values(self._config.space, record.params),
            tags={
                "sweeper.origin": "imported",
                "sweeper.source": str(record.notes.source or "not told"),
            },
            ended=ended,
        )

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

    def finish_final(self, record: TrialRecord, final: Final) -> None:
        """Write what further seeds and questions gave to the run of a trial that has ended."""
        run_id = _run_of(record)
        for entry in final.seeds:
            self.end_seed(self.open_seed(run_id, record, entry.seed), entry, ended=None)
        parts = {f"final_{name}": value for name, value in self._named(final.accuracy).items()}
        spread = {} if final.spread is None else {"final_spread": final.spread}
        questions = f", {final.questions} questions" if final.questions else ""
        self._tracking.finish_trial(
            run_id,
            status="FINISHED",
            metrics={"final_score": final.score, **parts, **spread},
            tags={"sweeper.final": f"{len(final.seeds)} seeds{questions}"},
        )

    def held_out(self, record: TrialRecord, result: Result) -> None:
        """Write what the held-out questions gave to the run of a trial that has ended."""
        log_held_out(self._tracking, self._folder, record, result, nouns=self._config.nouns)

    def epochs_of(self, record: TrialRecord) -> list[Epoch]:
        """The epochs of a trial, or of the shorter training that it contains, as far as there.

        Means over the seeds where each setting is trained with several.
        """
        each = self.epochs_by_seed(record)
        if not each:
            return []
        end = self.training(record).end
        return [epoch for epoch in mean_epochs(each) if epoch.place <= end]

    def epochs_by_seed(self, record: TrialRecord) -> list[list[Epoch]]:
        """The epochs in each folder of a trial, one a seed, up to where it was stopped.

        Empty where one is damaged.
        """
        try:
            each = [read_epochs(folder)[0] for folder in self.folders(record.source)]
        except (ValueError, FormatError):  # damaged by someone: as good as gone
            return []
        if record.notes.stopped_at is not None:
            end = Place(*record.notes.stopped_at)
            last = max((seed for seed, epochs in enumerate(each) if epochs), default=0)
            each[last] = [epoch for epoch in each[last] if epoch.place <= end]
        return each

    def _seeds_of(self, prefix: TrialRecord) -> dict[str, object]:
        """What each seed had scored where a shorter training ends, where there are several."""
        seeds = self._config.search_seeds
        if len(seeds) < 2:
            return {}
        end = self.training(prefix).end
        ends = [
            epoch
            for folder in self.folders(prefix.number)
            for epoch in read_epochs(folder)[0]
            if epoch.place == end
        ]
        if len(ends) < len(seeds):
            return {}
        parts = self._config.can.parts
        scores = tuple(
            seed_score(seed, end, parts=parts) for seed, end in zip(seeds, ends, strict=True)
        )
        return {"seeds": scores, "spread": stdev(s.score for s in scores if s.score is not None)}

    def calls(self) -> Calls:
        """Calls of the controls and of all trials so far, by what became of them."""
        finals = [final.calls for final in self._store.finals().values()]
        controls = Calls(needed=self.asked_by_controls, asked=self.asked_by_controls)
        return total_calls([controls, self._calls, *finals])

    def folders(self, number: int) -> Iterator[Path]:
        """Where a trial was worked on: one folder a seed, where it has several."""
        for seed in self._config.search_seeds or (None,):
            yield self._folder.trial(number, seed=self._config.folder_seed(seed))

    def _named(self, accuracy: Mapping[str, float]) -> dict[str, float]:
        """The parts of a score under the names that MLflow gets."""
        return {self._config.nouns.key(part): value for part, value in accuracy.items()}

    def _final_metrics(self, told: Notes) -> dict[str, float]:
        """Calls and spread of a trial; nothing where it has no result."""
        if told.calls is None:
            return {}
        metrics = self._call_metrics(told.calls)
        return metrics if told.spread is None else {**metrics, "spread": told.spread}

    def _call_metrics(self, calls: Calls) -> dict[str, float]:
        """What answers cost; nothing where they cost no calls."""
        return call_metrics(calls) if self._config.can.asks or calls.needed else {}

    def _told(self, number: int, verdict: Verdict, notes: Notes) -> None:
        self._store.tell(number, verdict.state, verdict.score, notes=notes)
        self._calls += notes.calls or Calls()
        self.add_prefixes()

    def _add_prefix(self, prefix: TrialRecord, whole: TrialRecord) -> None:
        """Write the row and the MLflow run of a shorter training; its curves are the longer's."""
        values = complete_values(self._config.space, prefix.params)
        epochs = self.epochs_of(prefix)
        if not epochs:  # its files are gone: nothing is known but one number
            return
        told = from_record(whole.notes, whole.name, epochs, parts=self._config.can.parts)
        own = {"values": values, "proposed": "shared prefix", "origin": "shared prefix"}
        notes = told.model_copy(update={**own, **self._seeds_of(prefix)})
        added = replace(prefix, notes=notes)
        self._store.add(added.with_run(self.write_prefix(added, ended=epochs[-1].ended)))
        self._prefixes.add(prefix.name)

    def write_prefix(self, record: TrialRecord, *, ended: float | None) -> str:
        """Write the run of a shorter training whose last epoch ended then, and return its id."""
        return self._tracking.ended_trial(
            self._tracking.parent,
            name=f"trial {record.name}",
            score=record.score,
            parts=self._named(record.notes.accuracy),
            metrics=self._call_metrics(record.notes.calls or Calls()),
            params=record.notes.values,
            tags={
                "sweeper.origin": "shared prefix",
                "sweeper.source": f"trial {record.number}",
                "sweeper.stage": record.notes.stage or "",
            },
            ended=ended,
        )


def log_held_out(
    tracking: "Tracking",
    folder: StudyFolder,
    record: TrialRecord,
    result: Result,
    *,
    nouns: Nouns,
) -> None:
    """Write what the held-out questions gave to the run of a trial that has ended.

    The time is that of the result's file: written again, these are the same points.
    """
    parts = {f"heldout_{nouns.key(part)}": value for part, value in result.accuracy.items()}
    tracking.add_metrics(
        _run_of(record),
        {"heldout_score": result.score, **parts},
        at=(folder.confirmation(str(record.name)) / RESULT).stat().st_mtime,
    )


def result_tags(
    training: Training, result: Result, told: Notes, datasets: Mapping[str, str]
) -> dict[str, str]:
    """What a complete trial was made of, and how much of it was trained for it, as MLflow tags."""
    environment = result.environment
    trained, epochs = told.epochs_trained or 0, training.epochs
    origin = "trained" if trained >= epochs else "extended" if trained else "cached"
    digests = {name: environment.get(name) for name in datasets.values()}
    return {
        **{f"sweeper.{name}": value for name, value in digests.items() if value},
        "sweeper.origin": origin,
        "sweeper.stage": result.stage,
        **({"sweeper.torch": environment["torch"]} if "torch" in environment else {}),
    }


def _failure_tags(failure: str | None, reason: str) -> dict[str, str]:
    tags = {"sweeper.failure": failure or "", "sweeper.reason": reason}
    return {name: text for name, text in tags.items() if text}


def _run_of(record: TrialRecord) -> str:
    """The run of a trial; "" where MLflow was away when it was begun, or has lost it."""
    return record.notes.run_id or ""
