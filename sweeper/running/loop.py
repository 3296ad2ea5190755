"""The loop: propose, launch, watch, tell.

Everything it decides comes from pure functions (`proposals`, `verdict`, `ranking`); everything it
knows is on disk before it acts on it, so that a driver killed anywhere is followed by one that goes
on: a trial's row is written before its job is submitted, and told after its result was read
(`recorder`).
"""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from sweeper.errors import InstrumentError, SweeperError, TrackingError
from sweeper.launchers.jobs import JobRequest, JobStatus, Launcher
from sweeper.ranking import baseline_of
from sweeper.records import TrialRecord, TrialState
from sweeper.results.best import Best
from sweeper.running.announcer import Announcer
from sweeper.running.derived import mean_result
from sweeper.running.finals import score_finalists
from sweeper.running.holdout import confirm
from sweeper.running.instrument import another_instrument
from sweeper.running.interrupts import Interrupts
from sweeper.running.open_trial import OpenTrial
from sweeper.running.recorder import Recorder
from sweeper.running.verdict import Verdict, judge
from sweeper.running.works import POLL_SECONDS, OneOffJobs
from sweeper.search import Search, answered_before, best_before, propose, ready, should_prune
from sweeper.search.of_study import first_spec, open_record
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.trial_folder import (
    ask_to_stop,
    prepare_job,
    read_failure,
    read_result,
    read_waiting,
)
from sweeper.study.config import StudyConfig
from trainer.contract import Claims, read_metrics, start_of_last_phase


class Driver:
    """One `sweeper run`: works on a study until its trials are done or it is asked to stop."""

    def __init__(
        self,
        config: StudyConfig,
        search: Search,
        *,
        folder: StudyFolder,
        store: StudyStore,
        recorder: Recorder,
        announcer: Announcer,
        launcher: Launcher,
        interrupts: Interrupts,
    ) -> None:
        self._config = config
        self._search = search
        self._folder = folder
        self._store = store
        self._recorder = recorder
        self._announcer = announcer
        self._launcher = launcher
        self._interrupts = interrupts
        self._resumable = [r.number for r in store.proposals() if r.state is TrialState.RUNNING]
        self._open: dict[int, OpenTrial] = {}
        self._ended_early = False  # before the total of trials, and that was said

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
        self._recorder.asked_by_controls = instrument["reader_calls"]["asked"]
        self._recorder.add_imported(instrument["ended"])
        self._recorder.add_prefixes()
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
                self._leave(trial)

    def score_finalists(self, jobs: OneOffJobs) -> None:
        """Give the best trials, and the baseline, their further seeds and questions."""
        score_finalists(
            jobs,
            self._folder,
            self._config,
            store=self._store,
            recorder=self._recorder,
            device=self._launcher.device,
            say=self._announcer.say,
        )

    def confirm(self, jobs: OneOffJobs, best: TrialRecord) -> Mapping[str, Mapping[str, Any]]:
        """Score start, baseline and best trial on the held-out questions."""
        baseline = baseline_of(self.records())
        trials = {"best": best} if baseline is None else {"baseline": baseline, "best": best}
        specs = {str(record.name): self._recorder.spec(record) for record in trials.values()}
        results = confirm(
            jobs,
            self._folder,
            {"start": start_of_last_phase(self._recorder.spec(best)), **specs},
            device=self._launcher.device,
            first=first_spec(self._config),
            environment=self._environment,
            say=self._announcer.say,
        )
        if self._interrupts.requested:
            return {}
        for record in trials.values():
            if (result := results.get(str(record.name))) is not None:
                self._recorder.held_out(record, result)
        named = {"start": "start"} | {label: str(record.name) for label, record in trials.items()}
        return {label: results[name] for label, name in named.items() if name in results}

    def records(self) -> list[TrialRecord]:
        """All trials by number, each after the shorter trainings that it has scored."""
        return self._store.records()

    def finish(
        self, best: Best | None, *, controls: Mapping[str, Any], confirmed: Mapping[str, Any]
    ) -> None:
        """Write the last state, with all that the summary and later commands show."""
        state = "interrupted" if self._interrupts.requested else "finished"
        record = None if best is None else best.record
        self._write_state(state, best=record, controls=controls, confirmed=confirmed)

    def _stop(self) -> None:
        """Ask every job to leave after its epoch; a trial that waits for one is left at once."""
        for trial in list(self._open.values()):
            if trial.waits_for is None:
                ask_to_stop(trial.folder)
            else:
                del self._open[trial.number]
                self._leave(trial)

    def _fill_slots(self) -> bool:
        """Launch trials while slots are free; say whether any was launched."""
        launched = False
        while not self._interrupts.requested and self._busy() < self._launcher.slots:
            if (waiting := self._next_waiting()) is not None:
                waiting.waits_for = None
                self._submit(waiting)
            elif self._resumable:
                self._launch(self._store.record(self._resumable.pop(0)))
            elif (record := self._next_record()) is not None:
                self._take_on(record)
            else:
                break
            launched = True
        if launched:
            self._write_state("running")
        return launched

    def _busy(self) -> int:
        return sum(trial.waits_for is None for trial in self._open.values())

    def _next_waiting(self) -> OpenTrial | None:
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
        """Propose the next trial; None where there is none, or not yet."""
        number = len(self._store.proposals())
        history = self.records()
        if self._ended_early or number >= self._config.trials:
            return None
        limit = self._config.limits.reader_calls
        if limit is not None and (asked := self._recorder.calls()["asked"]) >= limit:
            self._end_early(f"{asked:,} reader calls were asked, the study's limit is {limit:,}")
            return None
        if not ready(self._search, number, history):
            return None
        proposal = propose(self._search, number, history)
        if proposal is None:
            self._end_early(f"every setting of the space has been tried, in {number} trials")
            return None
        return open_record(self._config, number, proposal)

    def _end_early(self, reason: str) -> None:
        self._ended_early = True
        self._announcer.say(f"the search ends here: {reason}")

    def _take_on(self, record: TrialRecord) -> None:
        """Write a proposal's row: whole, where another trial has the answer; else to be trained."""
        known = answered_before(self._search, record, self.records())
        if known is None:
            self._store.add(record)
            self._launch(record)
            return
        verdict = self._recorder.answer(record, known)
        self._announcer.say_done(record.number, verdict, seconds=0.0)

    def _launch(self, record: TrialRecord) -> None:
        """Open the trial's MLflow run and begin with its first job."""
        run_id = self._recorder.open(record)
        trial = OpenTrial(number=record.number, run_id=run_id, started=time.time())
        self._open[record.number] = trial
        self._begin_job(trial)

    def _begin_job(self, trial: OpenTrial) -> None:
        """Hand the folder of the trial's next seed, or of its only one, to the launcher."""
        record = self._store.record(trial.number)
        seeds = self._config.search_seeds
        seed = seeds[len(trial.results)] if seeds else None
        folder = self._folder.trial(trial.number, seed=self._config.folder_seed(seed))
        trial.begin(spec=self._recorder.spec(record, seed=seed), folder=folder.absolute())
        trial.curves_run = trial.run_id
        if seed is not None:
            trial.curves_run = self._recorder.open_seed(trial.run_id, record, seed)
        rival = None
        if trial.spec.evaluate.race:
            rival = best_before(self._search, trial.number, self.records())
        job = self._folder.job(
            trial.folder,
            trial.spec,
            device=self._launcher.device,
            best=None if rival is None else rival.notes.get("evaluation"),
        )
        prepare_job(trial.folder, job)
        if read_result(trial.folder) is None:
            self._submit(trial)

    def _submit(self, trial: OpenTrial) -> None:
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

    def _take_in(self, trial: OpenTrial, status: JobStatus) -> None:
        """Read what a trial wrote; files that make no sense fail that trial alone."""
        try:
            news = self._copy_epochs(trial)
            self._log_epochs(trial, now=status.is_terminal)
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
            self._log_epochs(trial, now=True)  # those before the damage
            reason = f"the files in {trial.folder} cannot be used: {error!r}"
            failed = Verdict(state=TrialState.FAILED, failure="bad_result", reason=reason)
            self._tell(trial, failed, {})
            self._write_state("running")

    def _copy_epochs(self, trial: OpenTrial) -> bool:
        """Copy new epochs to Optuna; ask the pruner after each of the last phase.

        Of several seeds the pruner sees the first, and the study learns their means at the end.
        """
        lines, trial.offset = read_metrics(trial.folder, offset=trial.offset)
        last_phase = len(trial.spec.phases) - 1
        for line in lines:
            trial.ended = line["timing"]["ended"]
            score = line["metrics"].get("score")  # None: not scored, or not finite
            trial.unlogged.append(line)
            if line["phase_index"] != last_phase or score is None or trial.pruned:
                continue
            trial.curves[-1][line["epoch"]] = score
            if not self._config.search_seeds:
                self._store.report(trial.number, line["epoch"], score)
            unfinished = trial.epoch < trial.spec.phases[-1].settings.trained_epochs
            if (
                unfinished
                and not trial.results
                and should_prune(self._search, trial.number, self.records(), trial.curves[-1])
            ):
                trial.pruned = True
                ask_to_stop(trial.folder)
        return bool(lines)

    def _log_epochs(self, trial: OpenTrial, *, now: bool) -> None:
        if epochs := trial.take_unlogged(now=now):
            self._recorder.log_epochs(trial.curves_run, epochs, trial.spec)

    def _settle(self, trial: OpenTrial, status: JobStatus) -> None:
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
            self._announcer.say(f"trial {trial.number}: {verdict.reason}")
            self._submit(trial)
            return
        if verdict.halt:
            raise SweeperError(
                f"trial {trial.number}: {verdict.reason}. The study stops here and nothing is "
                f"lost: make {self._folder.root} usable, then run it again"
            )
        told: Mapping[str, Any] = result or {}
        if verdict.state is TrialState.COMPLETE and result is not None:
            self._require_same_instrument(trial, result["environment"])
            if self._config.search_seeds:
                self._recorder.end_seed(trial.curves_run, result, ended=trial.ended)
                trial.results.append(result)
                if len(trial.results) < len(self._config.search_seeds):
                    self._begin_job(trial)
                    return
                told, verdict = self._mean_of_seeds(trial)
        del self._open[trial.number]
        self._tell(trial, verdict, told)
        self._write_state("running")

    def _mean_of_seeds(self, trial: OpenTrial) -> tuple[Mapping[str, Any], Verdict]:
        """Report the mean of every epoch that all seeds have scored; the result is a mean, too."""
        for epoch, mean in trial.means().items():
            self._store.report(trial.number, epoch, mean)
        result = mean_result(trial.results, self._config.search_seeds)
        return result, Verdict(state=TrialState.COMPLETE, score=result["score"])

    def _require_same_instrument(self, trial: OpenTrial, environment: Mapping[str, str]) -> None:
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

    def _leave(self, trial: OpenTrial) -> None:
        """Close the runs of a trial that the next driver goes on with."""
        self._log_epochs(trial, now=True)
        for run_id in {trial.run_id, trial.curves_run}:
            self._recorder.leave(run_id)

    def _tell(self, trial: OpenTrial, verdict: Verdict, result: Mapping[str, Any]) -> None:
        """Write the verdict; a trial that stays open is left to the next driver."""
        if verdict.state is TrialState.RUNNING:
            self._leave(trial)
            return
        if verdict.state is not TrialState.COMPLETE and trial.curves_run != trial.run_id:
            self._recorder.leave(trial.curves_run)
        self._recorder.end(
            trial.number,
            trial.run_id,
            verdict,
            result,
            spec=trial.spec,
            started=trial.started,
            ended=trial.ended,
        )
        self._announcer.say_done(trial.number, verdict, seconds=trial.seconds())

    def _write_state(self, state: str, *, best: TrialRecord | None = None, **more: Any) -> None:
        self._announcer.write_state(state, self._open.values(), best=best, **more)
