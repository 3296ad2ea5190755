"""The runs of one study in an MLflow experiment, written by the driver alone.

One parent run a study, one child a trial. A run's status is always set by us: MLflow leaves the run
of a killed process RUNNING for ever. Runs are found again by the tags `sweeper.study_id` and
`sweeper.run`, so that a driver that died between two calls leaves no second copy; the study's name
would not do, for a study that is started afresh and other people's studies may have the same one.
"""

import contextlib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Metric,
    Param,
    Run,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException

from sweeper.errors import TrackingError
from sweeper.space import Value
from sweeper.tracking import view
from sweeper.tracking.keys import (
    MAX_PARAM,
    MAX_TAG,
    SCORE,
    Point,
    curve_points,
    finite_or_nan,
    metric_key,
    text,
)

Status = Literal["FINISHED", "FAILED", "KILLED"]

_STUDY, _RUN, _PARENT = "sweeper.study", "sweeper.run", "mlflow.parentRunId"
_GONE = "RESOURCE_DOES_NOT_EXIST"
_MAX_METRICS, _MAX_PARAMS = 1000, 100  # a batch; a batch of tags is as long as one of parameters
_MAX_DIGEST = 36
_PAGE = 1000


class Tracking:
    """What a study writes to MLflow. Every method raises TrackingError if MLflow refuses."""

    def __init__(
        self, client: MlflowClient, experiment_id: str, *, now: Callable[[], float]
    ) -> None:
        self.experiment_id = experiment_id
        self._client = client
        self._now = now
        self._study = self._study_id = ""
        self._known: dict[tuple[str, str], str] = {}  # (parent run, name) -> run
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
        self._study, self._study_id = study, study_id
        tags = {**(tags or {}), "mlflow.note.content": description}
        with _told("the study's run could not be opened"):
            self._known = {
                (run.data.tags.get(_PARENT, ""), run.data.tags[_RUN]): run.info.run_id
                for run in self._search()
                if _RUN in run.data.tags
            }
            return self._open("", study, run_name=study, params=params or {}, tags=tags)

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
        if run_id is not None:
            self._known[parent, name] = run_id
        with _told(f"the run of {name} could not be opened"):
            return self._open(
                parent,
                name,
                run_name=name,
                params=params or {},
                tags={**(tags or {}), **_numbered(number), _PARENT: parent},
                points=[Point(SCORE, math.nan, 0, 0)],
            )

    def ended_trial(
        self,
        parent: str,
        *,
        name: str,
        number: int | None = None,
        score: float | None,
        accuracy: Mapping[int, float],
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Value | None] | None = None,
        tags: Mapping[str, str] | None = None,
        ended: float | None = None,
    ) -> str:
        """Write the run of a trial that has ended already, and return its id.

        The same as ``trial_run`` and ``finish_trial``, in half of the transactions; a run that was
        begun before is completed by these.
        """
        if self._active_run(self._known.get((parent, name))) is not None:
            run_id = self.trial_run(parent, name=name, number=number, params=params, tags=tags)
            self.finish_trial(
                run_id,
                status="FINISHED",
                score=score,
                accuracy=accuracy,
                metrics=metrics,
                ended=ended,
            )
            return run_id
        timestamp = self._milliseconds(ended)
        points = _final_points(score, accuracy, metrics or {}, timestamp)
        with _told(f"the run of {name} could not be written"):
            run_id = self._create(
                parent,
                name,
                run_name=name,
                params=params or {},
                tags=self._run_tags(name, {**(tags or {}), **_numbered(number), _PARENT: parent}),
                points=points,
            )
            self._client.set_terminated(
                run_id, status="FINISHED", end_time=max(timestamp, self._milliseconds())
            )
        return run_id

    def log_epochs(
        self, run_id: str, lines: Iterable[Mapping[str, Any]], *, groups: Sequence[str] = ()
    ) -> None:
        """Copy lines of `metrics.jsonl`; a line that is logged twice stays one point.

        Args:
            run_id: Of the trial.
            lines: As `trainer.contract.read_metrics` returns them.
            groups: Names of the spec's phases, see ``phase_groups``.
        """
        with _told("epochs could not be logged"):
            self._log(run_id, [point for line in lines for point in curve_points(line, groups)])

    def finish_trial(
        self,
        run_id: str,
        *,
        status: Status,
        score: float | None = None,
        accuracy: Mapping[int, float] | None = None,
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
            score: Fraction in [0, 1]; None unless the trial is complete.
            accuracy: Fraction by number of shots; logged as `shot_1` ...
            metrics: Further numbers by name.
            tags: Such as the class of the failure.
            ended: Seconds since 1970, the time of all these numbers. Default: now.
        """
        timestamp = self._milliseconds(ended)
        points = _final_points(score, accuracy or {}, metrics or {}, timestamp)
        with _told("final numbers could not be logged"):
            self._log(run_id, points, tags=tags or {})
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
            Point(metric_key(name), finite_or_nan(value), self._milliseconds(at), 0)
            for name, value in metrics.items()
        ]
        with _told("held-out scores could not be logged"):
            if self._active_run(run_id) is not None:
                self._log(run_id, points)

    def finish_study(
        self,
        run_id: str,
        *,
        status: Status,
        artifacts: Mapping[str, str] | None = None,
        note: str | None = None,
        ended: float | None = None,
    ) -> None:
        """Attach what the study found and close its run.

        Args:
            run_id: Of the study.
            status: KILLED for a study that was interrupted.
            artifacts: Text by the path it gets below the run's artifacts; replaces an older one.
            note: Markdown that replaces the description.
            ended: Seconds since 1970. Default: now.
        """
        with _told("the study's run could not be closed"):
            for name, content in (artifacts or {}).items():
                self._client.log_text(run_id, content, name)
            if note is not None:
                self._log(run_id, tags={"mlflow.note.content": note})
            self._client.set_terminated(run_id, status=status, end_time=self._milliseconds(ended))

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
        self._study_id = study_id
        with _told("the report could not be logged"):
            runs = (run for run in self._search() if run.data.tags.get(_RUN) == study)
            run = next((run for run in runs if _PARENT not in run.data.tags), None)
            if run is None:
                return False
            for name, content in artifacts.items():
                self._client.log_text(run.info.run_id, content, name)
            if note is not None:
                self._log(run.info.run_id, tags={"mlflow.note.content": note})
        return True

    def log_datasets(self, run_id: str, digests: Mapping[str, str]) -> None:
        """Say which data, questions and reader the run used: name -> digest (36 characters)."""
        inputs = [
            DatasetInput(Dataset(name, digest[:_MAX_DIGEST], source_type="sweeper", source=name))
            for name, digest in digests.items()
        ]
        with _told("the datasets could not be logged"):
            self._client.log_inputs(run_id, datasets=inputs)

    def close_stale(self, *, live: Collection[str]) -> tuple[str, ...]:
        """Set every run with this study's id that a dead driver left RUNNING to KILLED.

        Args:
            live: Runs to leave alone: the study's own, and those of jobs that still run.

        Returns:
            The runs that were closed.
        """
        with _told("runs of a dead driver could not be closed"):
            stale = [
                run.info.run_id
                for run in self._search("attributes.status = 'RUNNING'")
                if run.info.run_id not in live
            ]
            for run_id in stale:
                self._client.set_terminated(run_id, status="KILLED", end_time=self._milliseconds())
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

    def _open(
        self,
        parent: str,
        name: str,
        *,
        run_name: str,
        params: Mapping[str, Value | None],
        tags: Mapping[str, str],
        points: Sequence[Point] = (),
    ) -> str:
        """Set the run RUNNING that ``name`` has below ``parent``; make one where there is none.

        A driver that died while it made the run left it without params and points: a known run
        gets those that it lacks. Those that it has stay, for MLflow refuses to change a param.
        """
        tags = self._run_tags(name, tags)
        known = self._active_run(self._known.get((parent, name)))
        if known is not None:
            known_id: str = known.info.run_id
            has_params, has_metrics = known.data.params, known.data.metrics
            self._client.update_run(known_id, status="RUNNING")
            self._log(
                known_id,
                [point for point in points if point.key not in has_metrics],
                params={k: v for k, v in params.items() if metric_key(k) not in has_params},
                tags=tags,
            )
            return known_id
        return self._create(
            parent, name, run_name=run_name, params=params, tags=tags, points=points
        )

    def _create(
        self,
        parent: str,
        name: str,
        *,
        run_name: str,
        params: Mapping[str, Value | None],
        tags: Mapping[str, str],
        points: Sequence[Point],
    ) -> str:
        run = self._client.create_run(
            self.experiment_id,
            start_time=self._milliseconds(),
            run_name=run_name,
            tags=dict(_tag_texts(tags)),
        )
        created: str = run.info.run_id
        self._known[parent, name] = created
        self._log(created, points, params=params)
        return created

    def _run_tags(self, name: str, tags: Mapping[str, str]) -> dict[str, str]:
        """Tags by which a run is found again, beside its own."""
        return {**tags, _STUDY: self._study, view.STUDY_ID: self._study_id, _RUN: name}

    def _active_run(self, run_id: str | None) -> Run | None:
        """The run if it still exists: users delete runs on MLflow's page."""
        if run_id is None:
            return None
        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != _GONE:  # a server that does not answer has not lost the run
                raise
            return None
        return run if run.info.lifecycle_stage == "active" else None

    def _log(
        self,
        run_id: str,
        points: Sequence[Point] = (),
        *,
        params: Mapping[str, Value | None] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write everything in as few transactions as MLflow allows; each costs milliseconds."""
        metrics = [Metric(key, value, time, step) for key, value, time, step in points]
        settings = [
            Param(metric_key(name), text(value, MAX_PARAM))
            for name, value in (params or {}).items()
            if value is not None
        ]
        labels = [RunTag(key, value) for key, value in _tag_texts(tags or {})]
        while metrics or settings or labels:
            room = _MAX_METRICS - len(settings[:_MAX_PARAMS]) - len(labels[:_MAX_PARAMS])
            self._client.log_batch(
                run_id, metrics[:room], settings[:_MAX_PARAMS], labels[:_MAX_PARAMS]
            )
            metrics, settings, labels = (
                metrics[room:],
                settings[_MAX_PARAMS:],
                labels[_MAX_PARAMS:],
            )

    def _search(self, *conditions: str) -> Iterator[Run]:
        """All runs of the study that are not deleted and for which the conditions hold."""
        condition = " AND ".join((view.study_filter(self._study_id), *conditions))
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id],
                condition,
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=_PAGE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _milliseconds(self, seconds: float | None = None) -> int:
        return round((self._now() if seconds is None else seconds) * 1000)


def _numbered(number: int | None) -> dict[str, str]:
    return {} if number is None else {"sweeper.trial": str(number)}


def _final_points(
    score: float | None,
    accuracy: Mapping[int, float],
    metrics: Mapping[str, float],
    timestamp: int,
) -> list[Point]:
    """A trial's final numbers, the score first: MLflow compares runs by it."""
    shots = {f"shot_{count}": value for count, value in sorted(accuracy.items())}
    finals = {**({} if score is None else {SCORE: score}), **shots, **metrics}
    return [
        Point(metric_key(name), finite_or_nan(value), timestamp, 0)
        for name, value in finals.items()
    ]


def _tag_texts(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((metric_key(key), text(value, MAX_TAG)) for key, value in tags.items())


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn MLflow's refusals into one message for the user."""
    try:
        yield
    except (MlflowException, OSError) as error:
        raise TrackingError(f"MLflow: {what}: {error}") from error
