"""One `sweeper run` from the study file to the summary: opens what the driver needs, in order.

Nothing is written before the study file is known to be good and the study's lock is held. The check
of the instrument runs while MLflow is being opened, since both take seconds.
"""

import contextlib
import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.errors import InstrumentError, TrackingError
from sweeper.launchers.jobs import Launcher, device_of
from sweeper.outcomes import (
    LOG,
    RESULT,
    Check,
    Failure,
    Liveness,
    Result,
    read_data,
)
from sweeper.results.best import Best, best_trial
from sweeper.results.table import parts_of, rows
from sweeper.running.announcer import Announcer, Progress
from sweeper.running.controls import LABEL, contract_lines, start_controls
from sweeper.running.held import open_again
from sweeper.running.instrument import dead_instrument
from sweeper.running.interrupts import Interrupts
from sweeper.running.loop import Driver
from sweeper.running.mending import Mender
from sweeper.running.notifying import Notifier
from sweeper.running.recorder import Recorder
from sweeper.running.slot_changes import SlotChanges
from sweeper.running.starting import continued_study, settled_search
from sweeper.running.study_run import (
    artifacts,
    data_artifacts,
    has_been_there,
    track_controls,
)
from sweeper.running.summary import Summary
from sweeper.running.terms import Terms
from sweeper.running.work import Work
from sweeper.running.works import Ticket, Works
from sweeper.search.of_study import first_training
from sweeper.store.rebuilding import rebuild_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.tracking import open_mlflow
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig, load_study

if TYPE_CHECKING:  # importing it imports MLflow
    from sweeper.store.tracking.enduring import Tracking

STOPPING = "finishing the epochs in hand; Ctrl-C again to stop now"


OpenLauncher = Callable[[StudyConfig, StudyFolder], Launcher]


def run_study(
    path: Path,
    *,
    workspace: Workspace,
    open_launcher: OpenLauncher,
    progress: Progress,
    trials: int | None = None,
    force: bool = False,
    tags: Mapping[str, str] | None = None,
) -> Summary:
    """Run the study in ``path`` to its total of trials; the same call resumes it.

    Args:
        path: The study file.
        workspace: Where everything is written.
        open_launcher: Opens slots for the study's resources.
        progress: Is told what happens.
        trials: Overrides the study's total.
        force: Go on although the evaluation does not react to what is trained.
        tags: Provenance for MLflow, such as the commit of the code.

    Raises:
        ConfigError, StudyChangedError: before anything is written.
        InstrumentError: before trial 0, where controls or probe show that scores mean nothing.
    """
    config = load_study(path)
    if trials is not None:
        config = replace(config, trials=trials)
    folder = workspace.study(config.name)
    trainer = config.kind
    launcher = open_launcher(config, folder)  # starts nothing; a missing device leaves no trace
    workspace.prepare()
    with (  # workers end before the lock is given back, and no signal cuts that short
        Notifier(config, folder, say=progress.say) as notifier,
        Interrupts(lambda: progress.say(STOPPING), asked=folder.is_asked_to_stop) as interrupts,
        folder.locked() as require_here,
        _warmed_up(launcher, config, folder),
        _opened_store(config, folder, progress) as store,
        trainer.claims(folder.stages) as claims,
    ):
        folder.forget_stop()
        slots, device = len(launcher.slots()), device_of(launcher)
        config = continued_study(config, store=store, folder=folder, path=path, say=progress.say)
        notifier.begin()
        again = open_again(store)
        progress.say(
            f"study {config.name}: {config.trials} trials on {slots} slot(s) of {device}"
            + ("; first the controls" if config.controls else "")
        )
        if again:
            names = ", ".join(map(str, again))
            progress.say(f"once more, since they failed for reasons not their own: trials {names}")
        works = Works(
            launcher,
            trainer,
            claims,
            retry=config.retry,
            limits=config.limits,
            stopping=lambda: interrupts.requested,
            say=progress.say,
            require_here=require_here,
            attend=SlotChanges(folder, launcher).heed,
        )
        controls = start_controls(
            works, folder, first_training(config), device=device, controls=config.controls
        )
        # takes seconds, as the controls do
        tracking = open_mlflow(
            config,
            workspace.root,
            say=progress.say,
            endures=True,
            was_there=has_been_there(config, store),
        )
        _collect_rarely()
        search = settled_search(config, store, slots)
        recorder = Recorder(config, search, folder=folder, store=store, tracking=tracking)
        mender = Mender(
            config,
            search,
            folder=folder,
            store=store,
            tracking=tracking,
            recorder=recorder,
            tags=tags or {},
        )
        tracking.mend_with(mender.mend)
        announcer = Announcer(
            config=config,
            folder=folder,
            store=store,
            recorder=recorder,
            experiment=lambda: tracking.experiment_id,
            slots=lambda: len(launcher.slots()),
            progress=progress,
        )
        driver = Driver(
            config,
            search,
            folder=folder,
            store=store,
            recorder=recorder,
            announcer=announcer,
            works=works,
            device=device,
            interrupts=interrupts,
        )
        session = _Session(config, folder, tracking, driver, works, interrupts, progress)
        return session.work(controls, force=force)


@dataclass(frozen=True, slots=True)
class _Session:
    """A study with everything open."""

    config: StudyConfig
    folder: StudyFolder
    tracking: "Tracking"
    driver: Driver
    works: Works
    interrupts: Interrupts
    progress: Progress

    def work(self, controls: Ticket, *, force: bool) -> Summary:
        """Check the instrument, search, confirm; whatever happens, close what was opened."""
        check: Check | None = None
        try:
            check = self._checked(controls)
            if check is None:
                return self.summary(None, self._best(), {})
            return self._search(check, force=force)
        except KeyboardInterrupt:
            self.driver.abandon("interrupted")
            return self.summary(check, self._best(), {})
        except BaseException:
            self.driver.abandon("failed")
            with contextlib.suppress(TrackingError):  # the error in hand is the one to show
                self.tracking.finish_study(status="FAILED", artifacts=data_artifacts(self.folder))
            raise

    def _checked(self, controls: Ticket) -> Check | None:
        """The result of the check of the instrument; None where the driver stops before.

        Raises:
            InstrumentError: with the trainer's reason, where it failed.
        """
        telling = _Telling(self.folder, self.progress)
        [end] = self.works.finish({LABEL: controls}, while_waiting=telling).values()
        if isinstance(end, Failure):
            raise InstrumentError(f"{end.message} (see {self.folder.controls / LOG})")
        if isinstance(end, Result):
            raise InstrumentError(
                f"{self.folder.controls} holds no result of the controls; remove that folder and "
                "run again"
            )
        return end

    def _search(self, check: Check, *, force: bool) -> Summary:
        self._require_alive(check.liveness, force=force)
        track_controls(self.tracking, self.config, check)
        for name, control in check.controls.items():
            score = self.config.scale.text(control.score)
            self.progress.say(f"control {name:<8} {score}")
        self.driver.search(check, force=force)
        if not self.interrupts.requested:
            self.driver.score_finalists()
        best = self._best()
        return self.summary(check, best, self._confirm(best))

    def _best(self) -> Best | None:
        """The trial that the study takes, as far as it has got; None: nothing is complete."""
        return best_trial(self.folder, self.config, self.driver.records())

    def _confirm(self, best: Best | None) -> Mapping[str, Result]:
        """Score the best on the held-out questions; a failure there hides no ranking."""
        if self.interrupts.requested or best is None:
            return {}
        if not self.config.can.holdout:
            if self.config.can.has_questions:
                self.progress.say(
                    "nothing is held out: the best is not confirmed on other questions"
                )
            return {}
        try:
            return self.driver.confirm(best.record)
        except InstrumentError as error:
            self.progress.say(f"the held-out questions could not be scored: {error}")
            return {}

    def summary(
        self,
        check: Check | None,
        best: Best | None,
        confirmed: Mapping[str, Result],
    ) -> Summary:
        """Close the study's run with ranking, best configuration and study file."""
        self.driver.finish(best, check=check, confirmed=confirmed)
        records = self.driver.records()
        controls = {} if check is None else check.controls
        table = rows(records, controls, goal=self.config.goal, scale=self.config.scale)
        interrupted = self.interrupts.requested
        self.tracking.finish_study(
            status="KILLED" if interrupted else "FINISHED",
            artifacts=artifacts(self.folder, self.config, records, table, best),
        )
        return Summary(
            study=self.config.name,
            interrupted=interrupted,
            records=records,
            table=table,
            measure=self.config.measure,
            nouns=self.config.nouns,
            parts=parts_of(table, self.config.nouns, self.config.can.parts),
            confirmed=confirmed,
            link=self.tracking.deep_link("http://127.0.0.1:5000"),
            chosen="" if best is None else best.reason,
        )

    def _require_alive(self, liveness: Liveness, *, force: bool) -> None:
        reason = dead_instrument(liveness, asks=self.config.can.asks)
        if reason is None:
            return
        if not force:
            raise InstrumentError(reason)
        self.progress.say(f"warning: {reason}")


class _Telling:
    """Says what the data holds as soon as the trainer has looked, once."""

    def __init__(self, folder: StudyFolder, progress: Progress) -> None:
        self._place = folder.controls
        self._progress = progress
        self._told = False

    def __call__(self) -> None:
        contract = None if self._told else read_data(self._place)
        if contract is not None:
            self._told = True
            for line in contract_lines(contract):
                self._progress.say(line)


@contextlib.contextmanager
def _warmed_up(launcher: Launcher, config: StudyConfig, folder: StudyFolder) -> Iterator[None]:
    """Let a worker start while the driver still opens its own; end all workers in the end."""
    with contextlib.closing(launcher):
        if not (folder.controls / RESULT).exists():  # else there may be nothing to do
            command = first_training(config).command()
            first = Work(label=LABEL, folder=folder.controls, job={}, command=command)
            launcher.warm_up(Terms().request(first))
        yield


@contextlib.contextmanager
def _opened_store(
    config: StudyConfig, folder: StudyFolder, progress: Progress
) -> Iterator[StudyStore]:
    """The study's rows, rebuilt where the database was lost."""
    if (rebuilt := rebuild_study(folder)) is not None:
        progress.say(rebuilt)
    with StudyStore.open(
        folder.database,
        name=config.name,
        goal=config.goal,
        space=config.space,
        say=progress.say,
    ) as store:
        yield store


def _collect_rarely() -> None:
    """Let garbage wait: MLflow's imports are here to stay, and its writing makes rows by thousands.

    To look through them again and again took a quarter of the time of a trial's bookkeeping. It
    stays so for the whole process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)
