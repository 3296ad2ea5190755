"""One `sweeper run` from the study file to the summary: opens what the driver needs, in order.

Nothing is written before the study file is known to be good and the study's lock is held. The check
of the instrument runs while MLflow is being opened, since both take seconds.
"""

import contextlib
import gc
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import InstrumentError, TrackingError
from sweeper.importing.known import ATTRIBUTE, known_results
from sweeper.launchers.jobs import Launcher
from sweeper.records import TrialRecord, TrialState
from sweeper.results.best import Best, best_trial
from sweeper.results.export import best_yaml
from sweeper.results.table import Row, markdown, rows
from sweeper.results.trials_csv import trials_csv
from sweeper.running.announcer import Announcer, Progress
from sweeper.running.controls import contract_lines, contract_markdown, start_controls
from sweeper.running.instrument import dead_instrument, holds_out
from sweeper.running.interrupts import Interrupts
from sweeper.running.loop import Driver
from sweeper.running.recorder import Recorder
from sweeper.running.works import OneOffJobs, PendingJob
from sweeper.search import Search
from sweeper.search.of_study import first_spec, lag_of, search_of
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.tracking import open_mlflow
from sweeper.store.tracking.view import StudyView
from sweeper.store.trial_folder import read_json, read_result
from sweeper.store.workspace import Workspace
from sweeper.study.changes import require_same_study
from sweeper.study.config import StudyConfig, load_study
from sweeper.words import score_text
from trainer.contract import DATA

if TYPE_CHECKING:  # importing it imports MLflow
    from sweeper.store.tracking.runs import Tracking

STOPPING = "finishing the epochs in hand; Ctrl-C again to stop now"


OpenLauncher = Callable[[StudyConfig, StudyFolder], Launcher]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a `sweeper run` ends with."""

    study: str
    interrupted: bool
    records: Sequence[TrialRecord]
    table: Sequence[Row]  # controls, then trials from best to worst
    confirmed: Mapping[str, Mapping[str, Any]]  # start, baseline, best on the held-out questions
    link: str  # of the MLflow page, below `sweeper ui` or `mlflow ui`
    chosen: str = ""  # why the best is not simply the highest; empty where it is

    @property
    def exit_code(self) -> int:
        """0 all well, 1 some trials failed, 130 interrupted."""
        if self.interrupted:
            return 130
        return int(any(record.state is TrialState.FAILED for record in self.records))


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
    launcher = open_launcher(config, folder)  # starts nothing; a missing device leaves no trace
    workspace.prepare()
    with (  # workers end before the lock is given back
        folder.locked(),
        _warmed_up(launcher, config, folder),
        StudyStore.open(
            folder.database, name=config.name, goal=config.goal, space=config.space
        ) as store,
        Interrupts(lambda: progress.say(STOPPING)) as interrupts,
    ):
        require_same_study(store.attributes().get("study"), config.to_json())
        _store_study(config, store, folder, path)
        progress.say(
            f"study {config.name}: {config.trials} trials on {launcher.slots} slot(s) of "
            f"{launcher.device}; first the controls"
        )
        jobs = OneOffJobs(launcher, lambda: interrupts.requested)
        check = start_controls(
            jobs,
            folder,
            first_spec(config),
            device=launcher.device,
            controls=config.controls,
        )
        tracking = open_mlflow(config, workspace.root)  # takes seconds, as the controls do
        _collect_rarely()
        parent = _open_study_run(tracking, config, store, tags or {})
        search = _search_of(config, store, launcher.slots)
        recorder = Recorder(
            config, search, folder=folder, store=store, tracking=tracking, parent_run=parent
        )
        announcer = Announcer(
            config=config,
            folder=folder,
            store=store,
            recorder=recorder,
            experiment=tracking.experiment_id,
            slots=launcher.slots,
            progress=progress,
        )
        driver = Driver(
            config,
            search,
            folder=folder,
            store=store,
            recorder=recorder,
            announcer=announcer,
            launcher=launcher,
            interrupts=interrupts,
        )
        session = _Session(config, folder, tracking, parent, driver, interrupts, progress)
        return session.work(jobs, check, force=force)


@dataclass(frozen=True, slots=True)
class _Session:
    """A study with everything open."""

    config: StudyConfig
    folder: StudyFolder
    tracking: "Tracking"
    parent: str
    driver: Driver
    interrupts: Interrupts
    progress: Progress

    def work(self, jobs: OneOffJobs, check: PendingJob, *, force: bool) -> Summary:
        """Check the instrument, search, confirm; whatever happens, close what was opened."""
        controls: Mapping[str, Any] = {}
        try:
            instrument = check.result(while_waiting=_Telling(self.folder, self.progress))
            if instrument is None:
                return self.summary({}, self._best(), {})
            controls = instrument["controls"]
            return self._search(jobs, instrument, force=force)
        except KeyboardInterrupt:
            self.driver.abandon("interrupted")
            return self.summary(controls, self._best(), {})
        except BaseException:
            self.driver.abandon("failed")
            with contextlib.suppress(TrackingError):  # the error in hand is the one to show
                self.tracking.finish_study(
                    self.parent, status="FAILED", artifacts=self._data_artifacts()
                )
            raise

    def _search(self, jobs: OneOffJobs, instrument: Mapping[str, Any], *, force: bool) -> Summary:
        self._require_alive(instrument["liveness"], force=force)
        controls = instrument["controls"]
        self._track_controls(instrument)
        for name, control in controls.items():
            score = score_text(control["score"], self.config.goal)
            self.progress.say(f"control {name:<8} {score}")
        self.driver.search(instrument)
        if not self.interrupts.requested:
            self.driver.score_finalists(jobs)
        best = self._best()
        return self.summary(controls, best, self._confirm(jobs, best))

    def _best(self) -> Best | None:
        """The trial that the study takes, as far as it has got; None: nothing is complete."""
        return best_trial(self.folder, self.config, self.driver.records())

    def _confirm(self, jobs: OneOffJobs, best: Best | None) -> Mapping[str, Mapping[str, Any]]:
        """Score the best on the held-out questions; a failure there hides no ranking."""
        if self.interrupts.requested or best is None:
            return {}
        if not holds_out(first_spec(self.config).evaluate):
            self.progress.say("nothing is held out: the best is not confirmed on other questions")
            return {}
        try:
            return self.driver.confirm(jobs, best.record)
        except InstrumentError as error:
            self.progress.say(f"the held-out questions could not be scored: {error}")
            return {}

    def summary(
        self,
        controls: Mapping[str, Any],
        best: Best | None,
        confirmed: Mapping[str, Mapping[str, Any]],
    ) -> Summary:
        """Close the study's run with ranking, best configuration and study file."""
        self.driver.finish(best, controls=controls, confirmed=confirmed)
        records = self.driver.records()
        table = rows(records, controls, goal=self.config.goal)
        interrupted = self.interrupts.requested
        self.tracking.finish_study(
            self.parent,
            status="KILLED" if interrupted else "FINISHED",
            artifacts=self._artifacts(records, table, best),
        )
        return Summary(
            study=self.config.name,
            interrupted=interrupted,
            records=records,
            table=table,
            confirmed=confirmed,
            link=self.tracking.deep_link("http://127.0.0.1:5000"),
            chosen="" if best is None else best.reason,
        )

    def _require_alive(self, liveness: Mapping[str, Any], *, force: bool) -> None:
        reason = dead_instrument(liveness, asks=first_spec(self.config).evaluate.judge == "reader")
        if reason is None:
            return
        if not force:
            raise InstrumentError(reason)
        self.progress.say(f"warning: {reason}")

    def _track_controls(self, instrument: Mapping[str, Any]) -> None:
        """One MLflow run for each control, so that the ranking there shows them too."""
        environment = instrument["environment"]
        names = {"questions": "data", "training": "training", "start": "start", "reader": "reader"}
        self.tracking.log_datasets(
            self.parent,
            {name: environment[key] for name, key in names.items() if environment.get(key)},
        )
        for name, control in instrument["controls"].items():
            run_id = self.tracking.trial_run(
                self.parent, name=f"control {name}", tags={"sweeper.origin": "control"}
            )
            accuracy = {int(shots): value for shots, value in control["accuracy"].items()}
            self.tracking.finish_trial(
                run_id,
                status="FINISHED",
                score=control["score"],
                accuracy=accuracy,
                ended=instrument["ended"],
            )

    def _artifacts(
        self, records: Sequence[TrialRecord], table: Sequence[Row], best: Best | None
    ) -> dict[str, str]:
        artifacts: dict[str, str] = {
            "study.yaml": self.folder.study_file.read_text(),
            "ranking.md": markdown(table),
            "trials.csv": trials_csv(records, self.config.space.names),
        }
        text = best_yaml(self.config, records, best)
        artifacts |= self._data_artifacts()
        return artifacts if text is None else {**artifacts, "best.yaml": text}

    def _data_artifacts(self) -> dict[str, str]:
        """What the trainer found in the data, for programs and for people."""
        contract = read_json(self.folder.controls / DATA)
        if contract is None:
            return {}
        text = json.dumps(contract, indent=2, ensure_ascii=False)
        return {"data.json": text, "data.md": contract_markdown(contract)}


class _Telling:
    """Says what the data holds as soon as the trainer has looked, once."""

    def __init__(self, folder: StudyFolder, progress: Progress) -> None:
        self._path = folder.controls / DATA
        self._progress = progress
        self._told = False

    def __call__(self) -> None:
        contract = None if self._told else read_json(self._path)
        if contract is not None:
            self._told = True
            for line in contract_lines(contract):
                self._progress.say(line)


@contextlib.contextmanager
def _warmed_up(launcher: Launcher, config: StudyConfig, folder: StudyFolder) -> Iterator[None]:
    """Let a worker start while the driver still opens its own; end all workers in the end."""
    with contextlib.closing(launcher):
        if read_result(folder.controls) is None:  # else there may be nothing to do
            launcher.warm_up(threads=first_spec(config).threads)
        yield


def _collect_rarely() -> None:
    """Let garbage wait: MLflow's imports are here to stay, and its writing makes rows by thousands.

    To look through them again and again took a quarter of the time of a trial's bookkeeping. It
    stays so for the whole process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)


def _search_of(config: StudyConfig, store: StudyStore, slots: int) -> Search:
    """What is searched, and what of it was known before."""
    known = known_results(store.attributes().get(ATTRIBUTE, []))
    return search_of(config, lag=_settled_lag(config, store, slots), known=known)


def _settled_lag(config: StudyConfig, store: StudyStore, slots: int) -> int:
    """The lag of the study's first start; later starts keep it, whatever their slots."""
    stored = store.attributes().get("lag")
    if isinstance(stored, int):
        return stored
    lag = lag_of(config, slots)
    store.set_attribute("lag", lag)
    return lag


def _store_study(config: StudyConfig, store: StudyStore, folder: StudyFolder, path: Path) -> None:
    store.set_attribute("study", config.to_json())
    store.set_attribute("source", str(path.absolute().parent))  # where its paths begin
    folder.study_file.write_bytes(path.read_bytes())


def _open_study_run(
    tracking: "Tracking", config: StudyConfig, store: StudyStore, tags: Mapping[str, str]
) -> str:
    """Open the parent run, close what a dead driver left RUNNING, set up the page."""
    study_id = store.attributes().get("id")
    if study_id is None:  # tells this study from another one of its name on the same server
        study_id = secrets.token_hex(8)
        store.set_attribute("id", study_id)
    parent = tracking.study_run(
        config.name,
        study_id=study_id,
        description=config.question,
        params={
            "sampler": config.sampler.name,
            "seed": config.sampler.seed,
            "trials": config.trials,
        },
        tags=tags,
    )
    tracking.close_stale(live=[parent])
    tracking.save_view(
        StudyView(
            study=config.name,
            study_id=study_id,
            question=config.question,
            params=config.space.names,
            minimize=config.goal == "minimize",
            shots=() if config.metric.name == "validation_loss" else (1, 2, 3, 4),
        )
    )
    return parent
