"""How MLflow's pages present a study: a saved view (columns, order, charts) and the link to it.

Pure values; no MLflow. The view is the experiment tag that the page's "Save view" button writes.
Its format is MLflow's inner affair (seen in 3.17): a page that does not understand it says so and
shows its default view, and nothing else depends on it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from sweeper.store.tracking.keys import SCORE, metric_key

STUDY_ID = "sweeper.study_id"  # tag of every run
MAX_EXPERIMENT_TAG = 20_000  # characters; MLflow refuses longer ones
_SECTION = "results"
_COLUMN_WIDTH = 90  # pixels; the page's own 100-190 hide half of the parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyView:
    """What the runs page shows of a study, best trial first."""

    study: str  # its name: the view of a study that is started afresh replaces the older one
    study_id: str  # tells its runs from those of other studies of that name
    question: str = ""  # Markdown, shown on top of the experiment
    params: Sequence[str] = ()
    parts: Sequence[str] = ()  # metrics that a score is the mean of
    tags: Sequence[str] = ("sweeper.origin",)  # columns
    groups: Sequence[str] = ()  # phases in order of training; the last one's charts come first
    minimize: bool = False


def experiment_tags(view: StudyView, *, now: float) -> dict[str, str]:
    """Tags of the experiment: kind, main metric, the question, the saved view.

    Without `mlflow.experimentKind` a fresh browser opens the page for traces of language models;
    without the main metric its charts start with whatever metric comes first.

    Args:
        now: Seconds since 1970.
    """
    tags = {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": SCORE,
        "mlflow.experiment.primaryMetric.greaterIsBetter": str(not view.minimize),
    }
    if view.question:
        tags["mlflow.note.content"] = view.question
    milliseconds = round(now * 1000)
    envelope = {
        "name": f"Study {view.study}",
        "createdAt": milliseconds,
        "updatedAt": milliseconds,
        "state": json.dumps(_page_state(view), separators=(",", ":")),
    }
    tags[view_tag(view.study)] = json.dumps(envelope, separators=(",", ":"))
    return {key: value for key, value in tags.items() if len(value) <= MAX_EXPERIMENT_TAG}


def view_tag(study: str) -> str:
    """Tag of the experiment that holds the study's view."""
    return f"mlflow.sharedViewState.{_view_key(study)}"


def _view_key(study: str) -> str:
    return f"sweeper-{metric_key(study).replace('/', '-')}"


def experiment_link(
    base_url: str, experiment_id: str, *, study: str | None, minimize: bool = False
) -> str:
    """Address of the runs page, sorted by score: the saved view of ``study``, or the plain one."""
    query = {"workflowType": "machine_learning"}
    if study is None:
        query |= {"orderByKey": _column("metrics", SCORE), "orderByAsc": str(minimize).lower()}
    else:
        query["viewStateShareKey"] = _view_key(study)  # ignored as soon as an order is given, too
    return f"{base_url.rstrip('/')}/#/experiments/{experiment_id}/runs?{urlencode(query)}"


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _page_state(view: StudyView) -> dict[str, object]:
    finals = [SCORE, *map(metric_key, view.parts)]
    params = [metric_key(name) for name in view.params]
    columns = [
        *(_column("metrics", name) for name in finals),
        *(_column("params", name) for name in params),
        *(_column("tags", name) for name in view.tags),
    ]
    return {
        "searchFilter": study_filter(view.study_id),
        "orderByKey": _column("metrics", SCORE),
        "orderByAsc": view.minimize,
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": dict.fromkeys(columns, _COLUMN_WIDTH),
        "runsHiddenMode": "FIRST_20_RUNS",  # of the charts; the table shows all
        "compareRunSections": _sections(view.groups),
        "compareRunCharts": _charts(params, finals),
        "isAccordionReordered": True,  # else the page sorts the sections by name
    }


def _sections(groups: Sequence[str]) -> list[Mapping[str, object]]:
    """Sections by interest; the page fills them with charts by name and adds others below."""
    curves = [name for group in reversed(groups) for name in (f"{group}/accuracy", group)]
    return [
        {"uuid": uuid, "name": name, "display": True, "isReordered": True}
        for uuid, name in [(_SECTION, "Results"), *((name, name) for name in curves)]
    ]


def study_filter(study_id: str) -> str:
    """MLflow's condition for the runs of one study."""
    return f"tags.`{STUDY_ID}` = '{study_id}'"


def _charts(params: Sequence[str], finals: Sequence[str]) -> list[Mapping[str, object]]:
    parallel = {
        "type": "PARALLEL",
        "selectedParams": list(params),
        "selectedMetrics": [SCORE],
        "showAllRuns": True,
    }
    bars = [{"type": "BAR", "metricKey": name, "runsCountToCompare": 20} for name in finals]
    return [
        {
            "uuid": f"{_SECTION}-{index}",
            "metricSectionId": _SECTION,
            "deleted": False,
            "isGenerated": False,
            **chart,
        }
        for index, chart in enumerate([parallel, *bars] if params else bars)
    ]
