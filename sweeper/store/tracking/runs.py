"""The runs of one study in an MLflow experiment, written by the driver alone.

One parent run a study, one child a trial. A run's status is always set by us: MLflow leaves the run
of a killed process RUNNING for ever. Runs are found again by the tags `sweeper.study_id` and
`sweeper.run`, so that a driver that died between two calls leaves no second copy; the study's name
would not do, for a study that is started afresh and other people's studies may have the same one.
"""

import contextlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput
from mlflow.exceptions import MlflowException

from sweeper.outcomes import Epoch
from sweeper.space import Value
from sweeper.store.tracking import view
from sweeper.store.tracking.keys import (
    SCORE,
    Point,
    curve_points,
    final_points,
    finite_or_nan,
    metric_key,
)
from sweeper.store.tracking.run_rows import PARENT, RUN, Place, Written
from sweeper.store.tracking.writer import RunWriter, explained

Status = Literal["FINISHED", "FAILED", "KILLED"]

_MAX_DIGEST = 36


class StudyRuns:
    """What a study writes to MLflow. Every method raises TrackingError if MLflow refuses, and
    TrackingAway while nobody answers.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        *,
        now: Callable[[], float],
        file: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        self.experiment_id = experiment_id
        self._client = client
        self._now = now
        self._runs = RunWriter(client, experiment_id, now=now, file=file, folder=folder)
        self._view: view.StudyView | None = None
        self._view_is_saved = False

    def study_run(
        self,
        study: str,
        *,
        study_id: str,
        description: str = "",
        params: Mapping[str, Value | None] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Open the parent run of ``study`` and return its id: the one it has already, or a new one.

        It gets no score: MLflow hides the trials behind it as soon as it takes part in the sorting.

        Args:
            study: Its name, for people.
            study_id: Random letters and digits, drawn once and kept in the study's database.
            description: Markdown.
            params: What is fixed for the whole study; a value that the run has already stays.
            tags: Written at every opening.
        """
        self._runs.turn_to(study, study_id)
        tags = {**(tags or {}), "mlflow.note.content": description}
        with explained("the study's run could not be opened"):
            self._runs.find_known()
            return self._runs.open("", study, params=params or {}, tags=tags)

    def trial_run(
        self,
        parent: str,
        *,
        name: str,
        number: int | None = None,
        params: Mapping[str, Value | None] | None = None,
        tags: Mapping[str, str] | None = None,
        run_id: str | None = None,
    ) -> str:
        """Open the run of a trial and return its id; a resumed trial gets its own run back.

        A run starts with the score NaN: MLflow compares runs by the metric that they got first. Its
        pages sort NaN after every number.

        Args:
            parent: Run of the study, or of the trial that this is a seed of.
            name: `trial 7`, `control random`: unique below the parent.
            number: The trial's number, where it has one.
            params: Values by plain name, inactive ones (None) are left out; a value that the run
                has already stays.
            tags: Written at every opening.
            run_id: The run that the trial had before, if known.
        """
        with explained(f"the run of {name} could not be opened"):
            return self._runs.open(
                parent,
                name,
                params=params or {},
                tags={**(tags or {}), **_numbered(number), PARENT: parent},
                points=[Point(SCORE, math.nan, 0, 0)],
                run_id=run_id,
            )

    def ended_trial(
        self,
        parent: str,
        *,
        name: str,
        number: int | None = None,
        score: float | None,
        parts: Mapping[str, float],
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Value | None] | None = None,
        tags: Mapping[str, str] | None = None,
        ended: float | None = None,
        status: Status = "FINISHED",
    ) -> str:
        """Write the run of a trial that has ended already, and return its id.

        The same as ``trial_run`` and ``finish_trial``, in half of the transactions; a run that was
        begun before is completed by these.
        """
        if self._runs.find(parent, name) is not None:
            run_id = self.trial_run(parent, name=name, number=number, params=params, tags=tags)
            self.finish_trial(
                run_id,
                status=status,
                score=score,
                parts=parts,
                metrics=metrics,
                ended=ended,
            )
            return run_id
        timestamp = self._runs.milliseconds(ended)
        points = [] if score is not None else [Point(SCORE, math.nan, 0, 0)]
        points += final_points(score, parts, metrics or {}, timestamp)
        with explained(f"the run of {name} could not be written"):
            run_id = self._runs.create(
                parent,
                name,
                params=params or {},
                tags={**(tags or {}), **_numbered(number), PARENT: parent},
                points=points,
            )
            self._client.set_terminated(
                run_id, status=status, end_time=max(timestamp, self._runs.milliseconds())
            )
        return run_id

    def log_epochs(
        self, run_id: str, epochs: Iterable[Epoch], *, groups: Sequence[str] = ()
    ) -> None:
        """Copy epochs; one that is logged twice stays one point.

        Args:
            run_id: Of the trial.
            epochs: In any order.
            groups: Names of the spec's phases, see ``phase_groups``.
        """
        with explained("epochs could not be logged"):
            self._runs.log(
                run_id, [point for epoch in epochs for point in curve_points(epoch, groups)]
            )

    def finish_trial(
        self,
        run_id: str,
        *,
        status: Status,
        score: float | None = None,
        parts: Mapping[str, float] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        ended: float | None = None,
    ) -> None:
        """Write a trial's final numbers and close its run.

        To finish a run again, at every resume, is harmless with the same numbers and the same
        ``ended``: a point that is there already is not added. Another ``ended`` is another point.

        Args:
            run_id: Of the trial.
            status: KILLED for a trial that was interrupted and will be resumed.
            score: As measured; None unless the trial is complete.
            parts: Of the score, by the names that they get here, such as `shot_1`.
            metrics: Further numbers by name.
            tags: Such as the class of the failure.
            ended: Seconds since 1970, the time of all these numbers. Default: now.
        """
        timestamp = self._runs.milliseconds(ended)
        points = final_points(score, parts or {}, metrics or {}, timestamp)
        with explained("final numbers could not be logged"):
            self._runs.log(run_id, points, tags=tags or {})
            begun = self._client.get_run(run_id).info.start_time  # may be opened after its job
            self._client.set_terminated(run_id, status=status, end_time=max(timestamp, begun))

    def add_metrics(self, run_id: str, metrics: Mapping[str, float], *, at: float) -> None:
        """Add final numbers to a run that has ended; its status and its end stay.

        A run that someone has deleted gets none.

        Args:
            run_id: Of the trial.
            metrics: By name.
            at: Seconds since 1970. The same numbers at the same time are the same points.
        """
        points = [
            Point(metric_key(name), finite_or_nan(value), self._runs.milliseconds(at), 0)
            for name, value in metrics.items()
        ]
        with explained("held-out scores could not be logged"):
            if self._runs.active(run_id) is not None:
                self._runs.log(run_id, points)

    def finish_study(
        self,
        run_id: str,
        *,
        status: Status,
        artifacts: Mapping[str, str] | None = None,
    ) -> None:
        """Attach what the study found and close its run.

        Args:
            run_id: Of the study.
            status: KILLED for a study that was interrupted.
            artifacts: Text by the path it gets below the run's artifacts; replaces an older one.
        """
        with explained("the study's run could not be closed"):
            self._client.set_terminated(run_id, status=status, end_time=self._runs.milliseconds())
            self._runs.attach(run_id, artifacts or {})  # last: what cannot be written holds no run

    def attach(
        self, study: str, *, study_id: str, artifacts: Mapping[str, str], note: str | None = None
    ) -> bool:
        """Add to the run of a study that no driver works on, and leave its status as it is.

        Args:
            study: Its name.
            study_id: As ``study_run`` was given it.
            artifacts: Text by the path it gets; replaces an older one.
            note: Markdown that replaces the description; None leaves it.

        Returns:
            Whether there is such a run: users delete runs on MLflow's page.
        """
        self._runs.turn_to(study, study_id)
        with explained("the report could not be logged"):
            runs = (run for run in self._runs.search() if run.data.tags.get(RUN) == study)
            run = next((run for run in runs if PARENT not in run.data.tags), None)
            if run is None:
                return False
            self._runs.attach(run.info.run_id, artifacts)
            if note is not None:
                self._runs.log(run.info.run_id, tags={"mlflow.note.content": note})
        return True

    def log_datasets(self, run_id: str, digests: Mapping[str, str]) -> None:
        """Say which data, questions and reader the run used: name -> digest (36 characters)."""
        inputs = [
            DatasetInput(Dataset(name, digest[:_MAX_DIGEST], source_type="sweeper", source=name))
            for name, digest in digests.items()
        ]
        with explained("the datasets could not be logged"):
            self._client.log_inputs(run_id, datasets=inputs)

    def former_id(self, study: str) -> str | None:
        """The id of the last study of this name that has a run; None where there is none."""
        with explained("the study's runs could not be read"):
            return self._runs.former_id(study)

    def written(self) -> dict[Place, Written]:
        """What every run of the study holds, by its parent's id and its name."""
        with explained("the study's runs could not be read"):
            return self._runs.written()

    def removed(self) -> set[str]:
        """Names of the runs of the study that someone has deleted on MLflow's page."""
        with explained("the study's runs could not be read"):
            return self._runs.removed()

    def close_stale(self, *, live: Collection[str]) -> tuple[str, ...]:
        """Set every run with this study's id that a dead driver left RUNNING to KILLED.

        Args:
            live: Runs to leave alone: the study's own, and those of jobs that still run.

        Returns:
            The runs that were closed.
        """
        with explained("runs of a dead driver could not be closed"):
            stale = [
                run.info.run_id
                for run in self._runs.search("attributes.status = 'RUNNING'")
                if run.info.run_id not in live
            ]
            for run_id in stale:
                self._client.set_terminated(
                    run_id, status="KILLED", end_time=self._runs.milliseconds()
                )
        return tuple(stale)

    def save_view(self, study_view: view.StudyView) -> None:
        """Set up the experiment's page for the study; where MLflow refuses, it stays as it is."""
        self._view = study_view
        tags = view.experiment_tags(study_view, now=self._now())
        with contextlib.suppress(MlflowException):
            for key, value in tags.items():
                self._client.set_experiment_tag(self.experiment_id, key, value)
            self._view_is_saved = view.view_tag(study_view.study) in tags

    def deep_link(self, base_url: str) -> str:
        """Address of the study's trials, best first, on the MLflow that listens at ``base_url``."""
        return view.experiment_link(
            base_url,
            self.experiment_id,
            study=self._view.study if self._view and self._view_is_saved else None,
            minimize=self._view is not None and self._view.minimize,
        )


def _numbered(number: int | None) -> dict[str, str]:
    return {} if number is None else {"sweeper.trial": str(number)}
