"""The loop: propose, launch, watch, tell. The only writer of a study's records and MLflow runs.

Everything it decides comes from pure functions (`proposals`, `verdict`, `ranking`); everything it
knows is on disk before it acts on it, so that a driver killed anywhere is followed by one that goes
on: a trial's row is written before its job is submitted, and told after its result was read.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sweeper.config import StudyConfig, spec_for
from sweeper.errors import InstrumentError, SweeperError, TrackingError
from sweeper.instrument import POLL_SECONDS, OneOffJobs, confirm
from sweeper.interrupts import Interrupts
from sweeper.jobs import JobId, JobRequest, JobStatus, Launcher
from sweeper.plan import first_spec, open_record
from sweeper.proposals import (
    Search,
    answered_before,
    propose,
    ready,
    shared_prefixes,
    should_prune,
)
from sweeper.ranking import baseline_of, params_text, ranking, score_text
from sweeper.records import TrialRecord, TrialState
from sweeper.snapshot import snapshot
from sweeper.space import complete_values
from sweeper.study_store import StudyStore
from sweeper.tracking.keys import call_metrics, phase_groups
from sweeper.verdict import Verdict, another_instrument, from_record, judge, result_tags
from sweeper.workspace import (
    StudyFolder,
    ask_to_stop,
    prepare_job,
    read_failure,
    read_result,
    read_waiting,
)
from trainer.contract import Claims, TrainSpec, read_metrics

if TYPE_CHECKING:  # importing it imports MLflow
    from sweeper.tracking.runs import Tracking

MLFLOW_STATUS: dict[TrialState, Literal["FINISHED", "FAILED", "KILLED"]] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "FINISHED",
    TrialState.FAILED: "FAILED",
    TrialState.RUNNING: "KILLED",
}


class Progress(Protocol):
    """Where the driver tells what happens."""

    def say(self, line: str) -> None:
        """Something happened."""

    def show(self, state: Mapping[str, Any]) -> None:
        """The state as `state.json` has it has changed."""


@dataclass(slots=True, kw_only=True)
class _OpenTrial:
    """A trial with a job at the launcher."""

    number: int
    spec: TrainSpec
    folder: Path
    run_id: str
    started: float
    attempt: int = 1
    job_id: JobId | None = None  # None: its result was found on disk
    offset: int = 0  # bytes of metrics.jsonl that were read
    epoch: int = 0  # of the last phase
    intermediate: dict[int, float] = field(default_factory=dict)
    pruned: bool = False
    waits_for: str | None = None  # the stage that another job is making; holds no slot meanwhile
    ended: float | None = None  # of the last epoch, seconds since 1970


class Driver:
    """One `sweeper run`: works on a study until its trials are done or it is asked to stop."""

    def __init__(
        self,
        config: StudyConfig,
        search: Search,
        *,
        folder: StudyFolder,
        store: StudyStore,
        tracking: "Tracking",
        parent_run: str,
        launcher: Launcher,
        interrupts: Interrupts,
        progress: Progress,
    ) -> None:
        self._config = config
        self._search = search
        self._folder = folder
        self._store = store
        self._tracking = tracking
        self._parent_run = parent_run
        self._launcher = launcher
        self._interrupts = interrupts
        self._progress = progress
        stored = store.records()
        self._records = {record.number: record for record in stored if record.prefix is None}
        self._prefixes = {record.name: record for record in stored if record.prefix is not None}
        self._resumable = [n for n, r in self._records.items() if r.state is TrialState.RUNNING]
        self._open: dict[int, _OpenTrial] = {}
        self._settled = 0  # the first trial whose shorter trainings have not been added
        self._settled_settings: set[str] = set()
        self._ended_early = False  # before the total of trials, and that was said
        self._calls_before = 0  # asked by the controls

    def search(self, instrument: Mapping[str, Any]) -> None:
        """Run trials until their total or a limit is reached, the space is used up or a stop is
        asked for.

        Args:
            instrument: The result of the controls; a trial from another environment is not ranked
                beside them.

        Raises:
            InstrumentError: where a trial was measured with another instrument.
            SweeperError: where the machine, not a trial, is at fault.
        """
        self._environment = instrument["environment"]
        self._calls_before = instrument["reader_calls"]["asked"]
        self._add_prefixes()
        self._write_state("running")
        with Claims(self._folder.stages) as self._claims:
            while self._fill_slots() or self._open:
                self._watch()
                if self._interrupts.requested:
                    self._stop()
        self._write_state("interrupted" if self._interrupts.requested else "finishing")

    def abandon(self, state: str) -> None:
        """Leave what runs open for the next driver: nothing is left RUNNING in MLflow."""
        abandoned = list(self._open.values())
        self._open.clear()
        self._write_state(state)
        with contextlib.suppress(TrackingError):  # where MLflow is the trouble, the rest matters
            for trial in abandoned:
                self._tracking.finish_trial(trial.run_id, status="KILLED")

    def confirm(self, jobs: OneOffJobs) -> Mapping[str, Mapping[str, Any]]:
        """Score start, baseline and best trial on the held-out questions."""
        best = ranking(self.records(), goal=self._config.goal)
        if not best:
            return {}
        baseline = baseline_of(self.records())
        return confirm(
            jobs,
            self._folder,
            baseline=None if baseline is None else self._spec(baseline),
            best=self._spec(best[0]),
            device=self._launcher.device,
        )

    def records(self) -> list[TrialRecord]:
        """All trials by number, each after the shorter trainings that it has scored."""
        rows = [*self._records.values(), *self._prefixes.values()]
        return sorted(rows, key=lambda record: record.order)

    def finish(self, *, controls: Mapping[str, Any], confirmed: Mapping[str, Any]) -> None:
        """Write the last state, with all that the summary and later commands show."""
        state = "interrupted" if self._interrupts.requested else "finished"
        self._write_state(state, controls=controls, confirmed=confirmed)

    def _stop(self) -> None:
        """Ask every job to leave after its epoch; a trial that waits for one is left at once."""
        for trial in list(self._open.values()):
            if trial.waits_for is None:
                ask_to_stop(trial.folder)
            else:
                del self._open[trial.number]
                self._tell(trial, Verdict(state=TrialState.RUNNING), {})

    def _fill_slots(self) -> bool:
        """Launch trials while slots are free; say whether any was launched."""
        launched = False
        while not self._interrupts.requested and self._busy() < self._launcher.slots:
            if (waiting := self._next_waiting()) is not None:
                waiting.waits_for = None
                self._submit(waiting)
            elif self._resumable:
                self._launch(self._records[self._resumable.pop(0)])
            elif (record := self._next_record()) is not None:
                self._launch(record)
            else:
                break
            launched = True
        if launched:
            self._write_state("running")
        return launched

    def _busy(self) -> int:
        return sum(trial.waits_for is None for trial in self._open.values())

    def _next_waiting(self) -> _OpenTrial | None:
        """The first trial whose stage is no longer being made."""
        return next(
            (
                trial
                for trial in self._open.values()
                if trial.waits_for is not None and self._claims.is_free(trial.waits_for)
            ),
            None,
        )

    def _next_record(self) -> TrialRecord | None:
        """Propose the next trial and write its row; None where there is none, or not yet."""
        number = len(self._records)
        history = self.records()
        if self._ended_early or number >= self._config.trials:
            return None
        limit = self._config.limits.reader_calls
        if limit is not None and (asked := self._calls()["asked"]) >= limit:
            self._end_early(f"{asked:,} reader calls were asked, the study's limit is {limit:,}")
            return None
        if not ready(self._search, number, history):
            return None
        proposal = propose(self._search, number, history)
        if proposal is None:
            self._end_early(f"every setting of the space has been tried, in {number} trials")
            return None
        record = open_record(self._config, number, proposal)
        self._store.add(record)
        self._records[number] = record
        return record

    def _end_early(self, reason: str) -> None:
        self._ended_early = True
        self._progress.say(f"the search ends here: {reason}")

    def _launch(self, record: TrialRecord) -> None:
        """Open the trial's MLflow run and hand its folder to the launcher."""
        spec = self._spec(record)
        folder = self._folder.trial(record.number).absolute()
        prepare_job(folder, self._folder.job(folder, spec, device=self._launcher.device))
        run_id = self._tracking.trial_run(
            self._parent_run,
            name=f"trial {record.number}",
            number=record.number,
            params=record.notes["values"],
            tags={"sweeper.proposed": record.notes["proposed"], "sweeper.origin": "trained"},
            run_id=record.notes.get("run_id"),
        )
        self._note(record.number, run_id=run_id)
        trial = _OpenTrial(
            number=record.number, spec=spec, folder=folder, run_id=run_id, started=time.time()
        )
        known = answered_before(self._search, record, self.records())
        if known is not None:
            self._tell_known(trial, known)
            return
        self._open[record.number] = trial
        if read_result(folder) is None:
            self._submit(trial)

    def _submit(self, trial: _OpenTrial) -> None:
        request = JobRequest(folder=trial.folder, threads=trial.spec.threads)
        trial.job_id = self._launcher.submit(request)

    def _watch(self) -> None:
        """Wait for news, copy what was written, tell what ended."""
        at_work = [trial for trial in self._open.values() if trial.waits_for is None]
        jobs = {trial.job_id: trial for trial in at_work if trial.job_id is not None}
        found = [trial for trial in at_work if trial.job_id is None]
        statuses = self._launcher.poll(list(jobs), timeout=0.0 if found else POLL_SECONDS)
        for trial in found:
            self._take_in(trial, JobStatus.COMPLETED)
        for job_id, status in statuses.items():
            self._take_in(jobs[job_id], status)

    def _take_in(self, trial: _OpenTrial, status: JobStatus) -> None:
        """Read what a trial wrote; files that make no sense fail that trial alone."""
        try:
            news = self._copy_epochs(trial)
            if status.is_terminal:
                self._settle(trial, status)
            elif news:
                self._write_state("running")
        except SweeperError:
            raise
        except Exception as error:
            if trial.job_id is not None:
                self._launcher.cancel(trial.job_id)
            self._open.pop(trial.number, None)
            reason = f"the files in {trial.folder} cannot be used: {error!r}"
            failed = Verdict(state=TrialState.FAILED, failure="bad_result", reason=reason)
            self._tell(trial, failed, {})
            self._write_state("running")

    def _copy_epochs(self, trial: _OpenTrial) -> bool:
        """Copy new epochs to MLflow and Optuna; ask the pruner after each of the last phase."""
        lines, trial.offset = read_metrics(trial.folder, offset=trial.offset)
        groups = phase_groups([entry.kind for entry in trial.spec.phases])
        self._tracking.log_epochs(trial.run_id, lines, groups=groups)
        last_phase = len(trial.spec.phases) - 1
        for line in lines:
            trial.ended = line["timing"]["ended"]
            score = line["metrics"].get("score")  # None: not scored, or not finite
            if line["phase_index"] != last_phase or score is None or trial.pruned:
                continue
            trial.epoch = line["epoch"]
            trial.intermediate[trial.epoch] = score
            self._store.report(trial.number, trial.epoch, score)
            unfinished = trial.epoch < trial.spec.phases[-1].settings.trained_epochs
            if unfinished and should_prune(
                self._search, trial.number, self.records(), trial.intermediate
            ):
                trial.pruned = True
                ask_to_stop(trial.folder)
        return bool(lines)

    def _settle(self, trial: _OpenTrial, status: JobStatus) -> None:
        """Judge a job that ended and tell everyone."""
        result = read_result(trial.folder)
        failure = read_failure(trial.folder)
        waits_for = read_waiting(trial.folder)
        if result is None and waits_for is not None and not self._interrupts.requested:
            trial.waits_for = waits_for
            return
        verdict = judge(
            status,
            result,
            failure,
            pruned=trial.pruned,
            stopping=self._interrupts.requested,
            attempt=trial.attempt,
        )
        if verdict.retry:
            trial.attempt += 1
            self._progress.say(f"trial {trial.number}: {verdict.reason}")
            self._submit(trial)
            return
        if verdict.halt:
            raise SweeperError(
                f"trial {trial.number}: {verdict.reason}. The study stops here and nothing is "
                f"lost: make {self._folder.root} usable, then run it again"
            )
        if verdict.state is TrialState.COMPLETE and result is not None:
            self._require_same_instrument(trial, result["environment"])
        del self._open[trial.number]
        self._tell(trial, verdict, result or {})
        self._write_state("running")

    def _require_same_instrument(self, trial: _OpenTrial, environment: Mapping[str, str]) -> None:
        """Refuse to rank a trial beside controls that were measured with other means."""
        difference = another_instrument(
            environment, self._environment, spec=trial.spec, first=first_spec(self._config)
        )
        if difference is not None:
            raise InstrumentError(
                f"trial {trial.number} was measured otherwise than the controls: {difference}; "
                "their scores cannot be ranked together. Restore what changed, or give the study "
                "another `name:`"
            )

    def _tell(self, trial: _OpenTrial, verdict: Verdict, result: Mapping[str, Any]) -> None:
        """Write the verdict to MLflow, then to the study: told last, so that nothing gets lost."""
        complete = verdict.state is TrialState.COMPLETE
        accuracy = result["accuracy"] if complete else {}
        tags = result_tags(trial.spec, result) if complete else {}
        if verdict.failure is not None:
            tags |= {"sweeper.failure": verdict.failure, "sweeper.reason": verdict.reason}
        self._tracking.finish_trial(
            trial.run_id,
            status=MLFLOW_STATUS[verdict.state],
            score=verdict.score,
            accuracy={int(shots): value for shots, value in accuracy.items()},
            metrics=call_metrics(result["reader_calls"]) if complete else {},
            tags=tags,
            ended=trial.ended,
        )
        if verdict.state is TrialState.RUNNING:
            return
        notes: dict[str, Any] = {"seconds": time.time() - trial.started}
        if complete:
            notes |= {
                "accuracy": accuracy,
                "stage": result["stage"],
                "evaluation": result.get("evaluation"),
                "device": result["environment"]["device"],
                "origin": tags["sweeper.origin"],
                "epochs_trained": result["epochs_trained"],
                "reader_calls": result["reader_calls"],
            }
        if verdict.failure is not None:
            notes |= {"failure": verdict.failure, "reason": verdict.reason}
        self._store_verdict(trial, verdict, notes)

    def _store_verdict(self, trial: _OpenTrial, verdict: Verdict, notes: Mapping[str, Any]) -> None:
        self._note(trial.number, **notes)
        self._store.tell(trial.number, verdict.state, verdict.score)
        self._refresh(trial.number)
        self._progress.say(self._done_line(trial, verdict))
        self._add_prefixes()

    def _tell_known(self, trial: _OpenTrial, known: TrialRecord) -> None:
        """Answer a trial from the record of another one, without a job; its curves are there."""
        assert known.score is not None, "a complete trial has a score"
        lines = self._lines_of(known)
        for epoch, score in known.intermediate.items():
            self._store.report(trial.number, epoch, score)
        notes = from_record(known.notes, known.name, lines)
        self._tracking.finish_trial(
            trial.run_id,
            status="FINISHED",
            score=known.score,
            accuracy={int(shots): value for shots, value in notes["accuracy"].items()},
            metrics=call_metrics(notes["reader_calls"]),
            tags={"sweeper.origin": "cached", "sweeper.source": f"trial {known.name}"},
        )
        verdict = Verdict(state=TrialState.COMPLETE, score=known.score)
        self._store_verdict(trial, verdict, {**notes, "origin": "cached", "seconds": 0.0})

    def _add_prefixes(self) -> None:
        """Add the shorter trainings that trials have scored, up to the first that still runs.

        In the order of the numbers, not of time: the same rows, however the jobs ended.
        """
        done = []
        while (
            record := self._records.get(self._settled)
        ) is not None and record.state is not TrialState.RUNNING:
            done.append(record)
            self._settled += 1
        for prefix in shared_prefixes(self._search, done, self._settled_settings):
            if prefix.name not in self._prefixes:
                self._add_prefix(prefix, self._records[prefix.number])

    def _add_prefix(self, prefix: TrialRecord, whole: TrialRecord) -> None:
        """Write the row and the MLflow run of a shorter training; its curves are the longer's."""
        values = complete_values(self._config.space, prefix.params)
        lines = self._lines_of(prefix)
        if not lines:  # its files are gone: nothing is known but one number
            return
        notes = from_record(whole.notes, whole.name, lines)
        notes |= {"values": values, "proposed": "shared prefix", "origin": "shared prefix"}
        run_id = self._tracking.trial_run(
            self._parent_run,
            name=f"trial {prefix.name}",
            params=values,
            tags={
                "sweeper.origin": "shared prefix",
                "sweeper.source": f"trial {whole.name}",
                "sweeper.stage": notes["stage"],
            },
        )
        self._tracking.finish_trial(
            run_id,
            status="FINISHED",
            score=prefix.score,
            accuracy={int(shots): value for shots, value in notes["accuracy"].items()},
            metrics=call_metrics(notes["reader_calls"]),
            ended=lines[-1]["timing"]["ended"],
        )
        row = replace(prefix, notes={**notes, "run_id": run_id})
        self._store.add(row)
        self._prefixes[prefix.name] = row

    def _lines_of(self, record: TrialRecord) -> list[dict[str, Any]]:
        """The epochs of a trial, or of the shorter training that it contains, as far as there."""
        source = int(str(record.notes.get("source", record.number)).partition("@")[0])
        try:
            lines = read_metrics(self._folder.trial(source))[0]
        except ValueError:  # damaged by someone: as good as gone
            return []
        spec = self._spec(record)
        last = len(spec.phases) - 1
        epochs = spec.phases[-1].settings.trained_epochs
        return [line for line in lines if line["phase_index"] < last or line["epoch"] <= epochs]

    def _done_line(self, trial: _OpenTrial, verdict: Verdict) -> str:
        ended = sum(r.state is not TrialState.RUNNING for r in self._records.values())
        outcome = (
            verdict.state.value
            if verdict.score is None
            else score_text(verdict.score, self._config.goal)
        )
        if verdict.failure is not None:
            outcome = f"failed ({verdict.failure}): {verdict.reason};"
        return (
            f"[{ended}/{self._config.trials}] trial {trial.number} {outcome} "
            f"{params_text(self._records[trial.number].notes['values'])} "
            f"({time.time() - trial.started:.1f} s)"
        )

    def _note(self, number: int, **notes: Any) -> None:
        self._store.note(number, **notes)
        self._refresh(number)

    def _refresh(self, number: int) -> None:
        self._records[number] = self._store.record(number)

    def _spec(self, record: TrialRecord) -> TrainSpec:
        values = complete_values(self._config.space, record.params)
        return spec_for(self._config, values, repeat=record.notes.get("repeat", 0))

    def _calls(self) -> dict[str, int]:
        """Reader calls of all trials so far by what became of them; the controls' are asked."""
        total = Counter({"needed": self._calls_before, "asked": self._calls_before})
        for record in self._records.values():
            total.update(record.notes.get("reader_calls", {}))
        return {cause: total[cause] for cause in ("needed", "asked", "stage", "store", "equal")}

    def _write_state(self, state: str, **more: Any) -> None:
        """Write `state.json` and show it."""
        running = [self._running(trial) for trial in self._open.values()]
        content = {
            **snapshot(self._config, self.records(), running, state=state),
            "experiment": self._tracking.experiment_id,
            "slots": self._launcher.slots,
            "reader_calls": self._calls(),
            "updated": time.time(),
            **more,
        }
        self._folder.write_state(content)
        self._progress.show(content)

    def _running(self, trial: _OpenTrial) -> dict[str, Any]:
        return {
            "trial": trial.number,
            "epoch": trial.epoch,
            "epochs": trial.spec.phases[-1].settings.trained_epochs,
            "score": trial.intermediate.get(trial.epoch),
            "seconds": time.time() - trial.started,
            "params": self._records[trial.number].notes["values"],
        }
