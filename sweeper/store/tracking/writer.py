"""How runs are written to MLflow: found or made, in as few transactions as it takes."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException

from sweeper.addresses import masked
from sweeper.errors import TrackingAway, TrackingError
from sweeper.space import Value
from sweeper.store.sqlite_file import advice_on
from sweeper.store.tracking import view
from sweeper.store.tracking.absence import is_away
from sweeper.store.tracking.keys import MAX_PARAM, MAX_TAG, Point, metric_key, text
from sweeper.store.tracking.places import ARTIFACTS
from sweeper.store.tracking.run_rows import PARENT, RUN, Place, Written, read_runs

STUDY = "sweeper.study"  # tag
_GONE = "RESOURCE_DOES_NOT_EXIST"
ENDED_BY = ("sweeper.failure", "sweeper.reason")  # tags of a run that has ended, and no other
_MAX_METRICS, _MAX_PARAMS = 1000, 100  # a batch; a batch of tags is as long as one of parameters
_PAGE = 1000


class RunWriter:
    """The runs of one study, by the name that each has below its parent."""

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        *,
        now: Callable[[], float],
        file: Path | None,
        folder: Path | None,
    ) -> None:
        self._client = client
        self._file = file  # of the database; None: of a server
        self._folder = folder  # of the database, where relative places of artifacts begin
        self._experiment_id = experiment_id
        self._known: dict[Place, str] = {}  # its id
        self._looked_up: dict[Place, Written] | None = None
        self._now = now
        self._study = self._study_id = ""

    def turn_to(self, study: str, study_id: str) -> None:
        """Write for this study from now on."""
        self._study, self._study_id = study, study_id

    def find_known(self) -> None:
        """Look up the runs that an earlier driver has made."""
        self._looked_up = self._look_up()
        self._known = {place: run.run_id for place, run in self._looked_up.items()}

    def written(self) -> dict[Place, Written]:
        """What every run of the study holds, by its parent's id and its name.

        Right after ``find_known`` it is what that has looked up.
        """
        looked_up, self._looked_up = self._looked_up, None
        return self._look_up() if looked_up is None else looked_up

    def _look_up(self) -> dict[Place, Written]:
        if self._file is not None:
            found = read_runs(self._file, self._experiment_id, self._study_id)
            if found is not None:
                return found
        return {
            (run.data.tags.get(PARENT, ""), run.data.tags[RUN]): Written(
                run_id=run.info.run_id,
                status=run.info.status,
                params=set(run.data.params),
                metrics=run.data.metrics,
            )
            for run in self.search()
            if RUN in run.data.tags
        }

    def former_id(self, study: str) -> str | None:
        """The id of the last study of this name that has a run; None where there is none."""
        found = self._client.search_runs(
            [self._experiment_id],
            f"tags.`{STUDY}` = '{study}' AND tags.`{RUN}` = '{study}'",  # names hold no quotes
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        return found[0].data.tags.get(view.STUDY_ID) if found else None

    def removed(self) -> set[str]:
        """Names of the runs of the study that someone has deleted on MLflow's page."""
        found = self.search(view_type=ViewType.DELETED_ONLY)
        return {run.data.tags[RUN] for run in found if RUN in run.data.tags}

    def open(
        self,
        parent: str,
        name: str,
        *,
        params: Mapping[str, Value | None],
        tags: Mapping[str, str],
        points: Sequence[Point] = (),
        run_id: str | None = None,
    ) -> str:
        """Set the run RUNNING that ``name`` has below ``parent``; make one where there is none.

        A driver that died while it made the run left it without params and points: a known run
        gets those that it lacks. Those that it has stay, for MLflow refuses to change a param.
        ``run_id`` is the run that the caller knows of.
        """
        if run_id is not None:  # the name outweighs it: a database may have been made anew
            self._known.setdefault((parent, name), run_id)
        known = self.find(parent, name)
        if known is not None:
            known_id: str = known.info.run_id
            has_params, has_metrics = known.data.params, known.data.metrics
            self._client.update_run(known_id, status="RUNNING")
            for key in ENDED_BY:
                if key in known.data.tags:
                    self._client.delete_tag(known_id, key)
            self.log(
                known_id,
                [point for point in points if point.key not in has_metrics],
                params={k: v for k, v in params.items() if metric_key(k) not in has_params},
                tags=self._run_tags(name, tags),
            )
            return known_id
        return self.create(parent, name, params=params, tags=tags, points=points)

    def create(
        self,
        parent: str,
        name: str,
        *,
        params: Mapping[str, Value | None],
        tags: Mapping[str, str],
        points: Sequence[Point],
    ) -> str:
        """Make the run ``name`` below ``parent`` and return its id; it is RUNNING."""
        run = self._client.create_run(
            self._experiment_id,
            start_time=self.milliseconds(),
            run_name=name,
            tags=dict(_tag_texts(self._run_tags(name, tags))),
        )
        created: str = run.info.run_id
        self._known[parent, name] = created
        self.log(created, points, params=params)
        return created

    def find(self, parent: str, name: str) -> Run | None:
        """The run that ``name`` has below ``parent``, if it still exists."""
        return self.active(self._known.get((parent, name)))

    def active(self, run_id: str | None) -> Run | None:
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

    def log(
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

    def attach(self, run_id: str, artifacts: Mapping[str, str]) -> None:
        """Write texts below the run's artifacts, each at its path; they replace older ones.

        MLflow itself would take a relative place from the current folder.
        """
        if not artifacts:
            return
        place = Path(self._client.get_run(run_id).info.artifact_uri)
        follows = self._folder is not None and str(place).startswith(ARTIFACTS)
        for name, content in artifacts.items():
            if self._folder is None or not follows:
                self._client.log_text(run_id, content, name)
                continue
            path = self._folder / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def search(self, *conditions: str, view_type: int = ViewType.ACTIVE_ONLY) -> Iterator[Run]:
        """All runs of the study, by default that are not deleted, for which the conditions hold."""
        condition = " AND ".join((view.study_filter(self._study_id), *conditions))
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                condition,
                run_view_type=view_type,
                max_results=_PAGE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def milliseconds(self, seconds: float | None = None) -> int:
        """MLflow's form of a time, by default of now. Milliseconds since 1970."""
        return round((self._now() if seconds is None else seconds) * 1000)

    def _run_tags(self, name: str, tags: Mapping[str, str]) -> dict[str, str]:
        """Tags by which a run is found again, beside its own."""
        return {**tags, STUDY: self._study, view.STUDY_ID: self._study_id, RUN: name}


def _tag_texts(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((metric_key(key), text(value, MAX_TAG)) for key, value in tags.items())


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn MLflow's refusals into one message for the user."""
    try:
        yield
    except (MlflowException, OSError) as error:
        said = str(error).partition("\n[SQL:")[0]
        if is_away(error):
            raise TrackingAway(f"MLflow does not answer: {what}") from error
        raise TrackingError(f"MLflow: {what}: {advice_on(said) or masked(said)}") from error
