"""What a study writes to MLflow while that may be away: it goes on, and MLflow gets it all later.

Nothing is queued: the study's rows and the trial folders hold it all, also after a kill. Until
MLflow is back and has all of it, it gets nothing: what comes late must not look whole before.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Concatenate, ParamSpec, TypeVar

from sweeper.errors import TrackingAway
from sweeper.space import Value
from sweeper.store.tracking.run_rows import Written
from sweeper.store.tracking.runs import Status, StudyRuns
from sweeper.store.tracking.view import StudyView

PAUSE_SECONDS = 30.0  # between two looks at what was away; each may take as long
Given = ParamSpec("Given")
Back = TypeVar("Back")


def _endured(
    method: Callable[Concatenate[StudyRuns, str, Given], Back], otherwise: Back
) -> Callable[Concatenate["Tracking", str, Given], Back]:
    """A write into the run that comes first, or below it; ``otherwise`` while MLflow is away."""

    def write(tracking: "Tracking", run: str, /, *rest: Given.args, **named: Given.kwargs) -> Back:
        return tracking.write(lambda runs: method(runs, run, *rest, **named), otherwise, run=run)

    return write


class Tracking:
    """The runs of a study in MLflow, whether that is there or not.

    While it is away a run's id is "", and so is that of the experiment until MLflow was there once.
    What is read is read at once: TrackingAway where that is not possible.
    """

    def __init__(
        self,
        connect: Callable[[], StudyRuns],
        *,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to nothing yet.

        Args:
            connect: Finds or makes the experiment; raises TrackingAway while nobody answers.
            say: Is told when MLflow goes, and of what it got when it is back.
            clock: Seconds.
        """
        self._connect = connect
        self._say = say
        self._clock = clock
        self._runs: StudyRuns | None = None
        self._mend: Callable[[], str | None] = lambda: None
        self._is_missed = False  # until all is made up for, nothing is written
        self._has_gaps = False  # of runs that were never opened; what else there is, is whole
        self._is_mending = False
        self._look_at = 0.0  # on the clock
        self.parent = ""  # the study's own run

    def open(self) -> StudyRuns:
        """Connect, unless that is done. Raises TrackingAway, and TrackingError for a refusal."""
        if self._runs is None:
            self._runs = self._connect()
        return self._runs

    def endure(self, error: TrackingAway) -> None:
        """Go on without MLflow, say so once, and look for it now and then."""
        self._look_at = self._clock() + PAUSE_SECONDS
        if not self._is_missed:
            self._is_missed = True
            self._say(
                f"{error}. The study goes on, and what MLflow misses is written when it is back, "
                "or by the next `sweeper run` or `sweeper repair`"
            )

    def mend_with(self, mend: Callable[[], str | None]) -> None:
        """Complete the study's runs, and again whenever MLflow is back.

        Args:
            mend: Opens the study's run and writes what is missing; says what it did, or None.

        Raises:
            TrackingError: where MLflow refuses.
        """
        self._mend, self._has_gaps = mend, True
        self._catch_up(at_once=not self._is_missed)

    trial_run = _endured(StudyRuns.trial_run, "")
    ended_trial = _endured(StudyRuns.ended_trial, "")
    log_epochs = _endured(StudyRuns.log_epochs, None)
    finish_trial = _endured(StudyRuns.finish_trial, None)
    add_metrics = _endured(StudyRuns.add_metrics, None)
    log_datasets = _endured(StudyRuns.log_datasets, None)

    def study_run(
        self,
        study: str,
        *,
        study_id: str,
        description: str = "",
        params: Mapping[str, Value | None] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Open the study's own run, in which and below which all others are; see `StudyRuns`."""
        self.parent = self.open().study_run(
            study, study_id=study_id, description=description, params=params, tags=tags
        )
        return self.parent

    def finish_study(
        self,
        *,
        status: Status,
        artifacts: Mapping[str, str] | None = None,
    ) -> None:
        """Close the study's run, once what was missed is written; see `StudyRuns`."""
        self._catch_up(at_once=True)
        self.write(
            lambda runs: runs.finish_study(self.parent, status=status, artifacts=artifacts),
            None,
            run=self.parent,
        )

    def attach(
        self, study: str, *, study_id: str, artifacts: Mapping[str, str], note: str | None = None
    ) -> bool:
        """Add to the run of a study that no driver works on; see `StudyRuns`."""
        return self.open().attach(study, study_id=study_id, artifacts=artifacts, note=note)

    def former_id(self, study: str) -> str | None:
        """The id of the last study of this name that has a run; None where there is none."""
        return self.open().former_id(study)

    def written(self) -> dict[tuple[str, str], Written]:
        """What every run of the study holds, by its parent's id and its name."""
        return self.open().written()

    def removed(self) -> set[str]:
        """Names of the runs of the study that someone has deleted on MLflow's page."""
        return self.open().removed()

    def close_stale(self, *, live: Collection[str]) -> tuple[str, ...]:
        """Set every run that a dead driver left RUNNING to KILLED; see `StudyRuns`."""
        return self.open().close_stale(live=live)

    def save_view(self, study_view: StudyView) -> None:
        """Set up the experiment's page for the study; where MLflow refuses, it stays as it is."""
        self.open().save_view(study_view)

    @property
    def experiment_id(self) -> str:
        """MLflow's id; "" where it was never there."""
        return "" if self._runs is None else self._runs.experiment_id

    def deep_link(self, base_url: str) -> str:
        """Address of the study's trials, best first; "" where MLflow was never there."""
        return "" if self._runs is None else self._runs.deep_link(base_url)

    def write(self, work: Callable[[StudyRuns], Back], otherwise: Back, *, run: str) -> Back:
        """What ``work`` gives, or ``otherwise`` while MLflow is away.

        Args:
            work: Writes.
            otherwise: In place of what it gives.
            run: That it writes into, or below; "" for one that MLflow does not have.

        Raises:
            TrackingError: where MLflow refuses.
        """
        if self._is_mending:
            return work(self.open())
        self._catch_up()
        if self._is_missed or not run:
            self._has_gaps = True
            return otherwise
        try:
            return work(self.open())
        except TrackingAway as error:
            self.endure(error)
            return otherwise

    def _catch_up(self, *, at_once: bool = False) -> None:
        """Write what was missed, if MLflow is back."""
        due = at_once or self._clock() >= self._look_at
        if not due or not (self._is_missed or self._has_gaps):
            return
        self._is_mending = True
        try:
            told = self._mend()
        except TrackingAway as error:
            self.endure(error)
        else:
            self._is_missed = self._has_gaps = False
            self._look_at = self._clock() + PAUSE_SECONDS
            if told is not None:
                self._say(told)
        finally:
            self._is_mending = False
