"""The loop: propose, launch, watch, tell.

Everything it decides comes from pure functions (`search`, `verdict`, `ranking`); everything it
knows is on disk before it acts on it, so that a driver killed anywhere is followed by one that goes
on: a trial's row is written before its work is started, and told after its result was read
(`recorder`). How works are worked off is the engine's matter (`works`).
"""

import contextlib
import time
from collections.abc import Mapping, Sequence

from sweeper.errors import TrackingError
from sweeper.outcomes import Check, Epoch, Result
from sweeper.ranking import baseline_of
from sweeper.records import State, TrialRecord, TrialState
from sweeper.results.best import Best
from sweeper.running.announcer import Announcer
from sweeper.running.derived import mean_score
from sweeper.running.differences import Differences
from sweeper.running.early_stops import EarlyStops
from sweeper.running.finals import score_finalists
from sweeper.running.held import Held
from sweeper.running.holdout import confirm
from sweeper.running.instrument import require_same_instrument
from sweeper.running.interrupts import Interrupts
from sweeper.running.open_trial import OpenTrial
from sweeper.running.proposing import Proposing
from sweeper.running.recorder import Recorder
from sweeper.running.verdict import LEFT, OPEN, Stop, Verdict, judge
from sweeper.running.works import End, EpochsOf, Works
from sweeper.search import Search, answered_before, best_before, ready
from sweeper.search.of_study import first_training
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.study.config import StudyConfig


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
        works: Works,
        device: str,
        interrupts: Interrupts,
    ) -> None:
        self._config = config
        self._search = search
        self._folder = folder
        self._store = store
        self._recorder = recorder
        self._announcer = announcer
        self._works = works
        self._device = device
        self._interrupts = interrupts
        self._first = first_training(config)
        self._resumable = [r.number for r in store.proposals() if r.state is TrialState.RUNNING]
        self._open: dict[int, OpenTrial] = {}
        self._stops = EarlyStops(config, search, store)
        self._held = Held(config.limits.failures)
        self._proposing = Proposing(config, search, store, calls=recorder.calls, say=announcer.say)

    def search(self, check: Check, *, force: bool = False) -> None:
        """Run trials until their total, a limit or the end of the space is reached, or a stop is
        asked for.

        Args:
            check: The result of the controls; what ranks beside them has their environment.
            force: Go on although trials tell the same whatever their settings.

        Raises:
            InstrumentError: where the instrument is another one, or sees no setting.
            SweeperError: where the machine, not a trial, is at fault.
        """
        self._environment = check.environment
        is_seen = force or check.liveness.questions > 0  # a probe has seen the scores react
        differences = Differences(self._store, self._recorder.files, is_seen=is_seen)
        self._recorder.asked_by_controls = check.calls.asked
        self._recorder.add_imported(check.ended)
        self._recorder.add_prefixes()
        self._write_state("running")
        self._heed_cancels()  # before what is left open is launched again
        differences.require()
        while self._fill_slots() or self._open or self._tell_held():  # which may make others ready
            self._watch()
            differences.require()
            self._heed_cancels()
            if self._interrupts.requested:
                self._works.ask_all_to_stop()
        self._write_state("interrupted" if self._interrupts.requested else "finishing")

    def abandon(self, state: str) -> None:
        """Leave what runs open for the next driver: nothing is left RUNNING in MLflow.

        What has been told is left as it is, wherever the driver was cut off.
        """
        left = (*self._open.values(), *self._held.trials)
        untold = [t for t in left if self._store.record(t.number).state is TrialState.RUNNING]
        self._open.clear()
        self._write_state(state)
        with contextlib.suppress(TrackingError):  # where MLflow is the trouble, the rest matters
            for trial in untold:
                self._leave(trial)

    def score_finalists(self) -> None:
        """Give the best trials, and the baseline, their further seeds and questions."""
        score_finalists(
            self._works,
            self._folder,
            self._config,
            store=self._store,
            recorder=self._recorder,
            device=self._device,
            say=self._announcer.say,
        )

    def confirm(self, best: TrialRecord) -> Mapping[str, Result]:
        """Score start, baseline and best trial on the held-out questions."""
        baseline = baseline_of(self.records())
        trials = {"best": best} if baseline is None else {"baseline": baseline, "best": best}
        trainings = {str(r.name): self._recorder.files.training(r) for r in trials.values()}
        results = confirm(
            self._works,
            self._folder,
            {"start": self._recorder.files.training(best).beginning(), **trainings},
            device=self._device,
            first=self._first,
            environment=self._environment,
            say=self._announcer.say,
        )
        if self._interrupts.requested:
            return {}
        for record in trials.values():
            if (result := results.get(str(record.name))) is not None:
                self._recorder.runs.held_out(record, result)
        named = {"start": "start"} | {label: str(record.name) for label, record in trials.items()}
        return {label: results[name] for label, name in named.items() if name in results}

    def records(self) -> list[TrialRecord]:
        """All trials by number, each after the shorter trainings that it has scored."""
        return self._store.records()

    def finish(
        self, best: Best | None, *, check: Check | None, confirmed: Mapping[str, Result]
    ) -> None:
        """Write the last state, with all that the summary and later commands show."""
        state = "interrupted" if self._interrupts.requested else "finished"
        controls = {} if check is None else check.controls
        self._write_state(
            state,
            best=None if best is None else best.record,
            more={
                "controls": {name: scores.model_dump() for name, scores in controls.items()},
                "confirmed": {name: result.to_json() for name, result in confirmed.items()},
            },
        )

    def _fill_slots(self) -> bool:
        """Launch trials while slots are free; say whether any was launched."""
        launched = False
        self._works.resume()
        while not self._interrupts.requested and self._works.has_free_slot():
            if self._resumable:
                if not ready(self._search, self._resumable[0], self.records()):
                    break  # a trial before it runs once more
                self._launch(self._store.record(self._resumable.pop(0)))
            elif (record := self._proposing.next_trial()) is not None:
                self._take_on(record)
            else:
                break
            launched = True
        if launched:
            self._write_state("running")
        return launched

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
        """Open the trial's MLflow run and begin with its first work."""
        trial = self._open[record.number] = self._opened(record)
        self._begin_work(trial)

    def _opened(self, record: TrialRecord) -> OpenTrial:
        run_id = self._recorder.open(record)
        return OpenTrial(number=record.number, run_id=run_id, started=time.time())

    def _begin_work(self, trial: OpenTrial) -> None:
        """Hand the folder of the trial's next seed, or of its only one, to the engine."""
        record = self._store.record(trial.number)
        seeds = self._config.search_seeds
        seed = seeds[len(trial.results)] if seeds else None
        trial.begin(self._recorder.files.training(record, seed=seed))
        run_id = trial.run_id
        trial.curves_run = (
            run_id if seed is None else self._recorder.runs.open_seed(run_id, record, seed)
        )
        races = self._config.can.races
        rival = best_before(self._search, trial.number, self.records()) if races else None
        folder = self._folder.trial(trial.number, seed=self._config.folder_seed(seed)).absolute()
        where = self._folder.surroundings(folder, device=self._device)
        trial.ticket = self._works.start(trial.work(folder, where, rival=rival))

    def _watch(self) -> None:
        """Wait for news, copy what was written, tell what ended."""
        written = False
        for entry in self._works.news():
            trial = next(t for t in self._open.values() if t.ticket == entry.ticket)
            if isinstance(entry, EpochsOf):
                self._copy_epochs(trial, entry.epochs)
                self._log_epochs(trial, now=False)
                written = True
            else:
                self._log_epochs(trial, now=True)
                self._settle(trial, entry.end)
                written = False
        for trial in self._open.values():
            self._log_epochs(trial, now=False)
        if written:
            self._write_state("running")

    def _copy_epochs(self, trial: OpenTrial, epochs: Sequence[Epoch]) -> None:
        """Copy new epochs to Optuna; stop a trial that is not worth going on with.

        Of several seeds the study learns the means at the end.
        """
        for epoch in epochs:
            if trial.stopped is not None:
                return
            trial.ended = epoch.ended
            trial.unlogged.append(epoch)
            if epoch.place.start == trial.training.end.start and epoch.score is not None:
                trial.curves[-1][epoch.epoch] = epoch.score
                if not self._config.search_seeds:
                    self._store.report(trial.number, epoch.epoch, epoch.score)
            if reason := self._stops.reason(trial, epoch):
                trial.stopped = Stop(reason, epoch.place)
                assert trial.ticket is not None, "only who is at work writes epochs"
                self._works.ask_to_stop(trial.ticket)

    def _log_epochs(self, trial: OpenTrial, *, now: bool) -> None:
        if epochs := trial.take_unlogged(now=now):
            self._recorder.runs.log_epochs(trial.curves_run, epochs, trial.training)

    def _heed_cancels(self) -> None:
        """Let trials leave that someone has cancelled; tell those that are not at work."""
        for number in sorted(self._folder.asked_to_cancel()):
            if (trial := self._open.get(number)) is not None and trial.ticket is not None:
                self._works.ask_to_stop(trial.ticket)
            elif number in self._resumable:
                self._resumable.remove(number)
                trial = self._opened(record := self._store.record(number))
                trial.begin(self._recorder.files.training(record))
                self._tell(trial, LEFT, [])
            elif number not in [held.number for held in self._held.trials]:  # it has ended
                self._folder.forget_cancel(number)

    def _settle(self, trial: OpenTrial, end: End) -> None:
        """Judge a work that ended and tell everyone; of several seeds, begin the next."""
        if trial.number in self._folder.asked_to_cancel():
            end = None  # a result that comes nevertheless does not count
        verdict = judge(end, stopped=trial.stopped)
        results = [end] if isinstance(end, Result) else []
        if verdict.state is TrialState.COMPLETE and isinstance(end, Result):
            require_same_instrument(
                trial.number,
                end.environment,
                self._environment,
                training=trial.training,
                first=self._first,
            )
            if self._config.search_seeds:
                self._recorder.runs.end_seed(trial.curves_run, end, ended=trial.ended)
                trial.results.append(end)
                if len(trial.results) < len(self._config.search_seeds):
                    self._begin_work(trial)
                    return
                results, verdict = trial.results, self._mean_of_seeds(trial)
        if self._held.takes(verdict):
            del self._open[trial.number]
            for other in self._held.add(trial, verdict):
                self._tell(*other, [])
        else:
            self._tell(trial, verdict, results)
            del self._open[trial.number]
            self._tell_held()
        if verdict.state is TrialState.COMPLETE and (warning := self._stops.warning()):
            self._announcer.say(warning)
        self._write_state("running")

    def _tell_held(self) -> bool:
        """Tell the failures that were held, or leave them to the next driver; say whether any."""
        held = self._held.release()
        for trial, verdict in held:
            self._tell(trial, OPEN if self._interrupts.requested else verdict, [])
        return bool(held)

    def _mean_of_seeds(self, trial: OpenTrial) -> Verdict:
        """Report the mean of every epoch that all seeds have scored; the verdict is a mean, too."""
        for epoch, mean in trial.means().items():
            self._store.report(trial.number, epoch, mean)
        return Verdict(state=TrialState.COMPLETE, score=mean_score(trial.results))

    def _leave(self, trial: OpenTrial) -> None:
        """Close the runs of a trial that the next driver goes on with."""
        self._log_epochs(trial, now=True)
        for run_id in {trial.run_id, trial.curves_run}:
            self._recorder.runs.leave(run_id)

    def _tell(self, trial: OpenTrial, verdict: Verdict, results: Sequence[Result]) -> None:
        """Write the verdict; a trial that stays open is left to the next driver.

        What someone has cancelled is told so, whatever became of it: else a driver that is killed
        would leave another end than one that is not.
        """
        if trial.number in self._folder.asked_to_cancel():
            verdict, results = LEFT, []
        if verdict.state is TrialState.RUNNING:
            self._leave(trial)
            return
        if verdict.state is not TrialState.COMPLETE and trial.curves_run != trial.run_id:
            self._recorder.runs.leave(trial.curves_run)
        self._recorder.end(
            trial.number,
            trial.run_id,
            verdict,
            results,
            training=trial.training,
            started=trial.started,
            ended=trial.ended,
        )
        self._folder.forget_cancel(trial.number)
        self._announcer.say_done(trial.number, verdict, seconds=trial.seconds())

    def _write_state(
        self, state: str, *, best: TrialRecord | None = None, more: State | None = None
    ) -> None:
        self._announcer.write_state(state, self._open.values(), best=best, more=more)
