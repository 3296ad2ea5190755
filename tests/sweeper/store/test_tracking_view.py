import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sweeper.store.tracking.view import StudyView, experiment_link, experiment_tags

VIEW = StudyView(
    study="kl_lr",
    study_id="5f3a",
    question="How large?",
    params=["lr", "freeze"],
    parts=["shot_1", "shot_4"],
    groups=["rce", "grpo"],
)


def page_state(view: StudyView) -> Any:
    envelope = json.loads(
        experiment_tags(view, now=1.5)[f"mlflow.sharedViewState.sweeper-{view.study}"]
    )
    assert envelope["createdAt"] == 1500
    return json.loads(envelope["state"])


def test_the_view_shows_score_shots_and_parameters_sorted_best_first() -> None:
    state = page_state(VIEW)
    assert state["selectedColumns"] == state["columnOrder"]
    assert state["columnOrder"] == [
        "metrics.`score`",
        "metrics.`shot_1`",
        "metrics.`shot_4`",
        "params.`lr`",
        "params.`freeze`",
        "tags.`sweeper.origin`",
    ]
    assert state["orderByKey"] == "metrics.`score`"
    assert state["orderByAsc"] is False
    assert state["searchFilter"] == "tags.`sweeper.study_id` = '5f3a'"


def test_the_view_of_a_study_that_minimizes_shows_the_smallest_first() -> None:
    assert page_state(StudyView(study="s", study_id="5f3a", minimize=True))["orderByAsc"] is True


def test_results_come_above_the_last_phase_and_that_above_the_first() -> None:
    names = [section["name"] for section in page_state(VIEW)["compareRunSections"]]
    assert names == ["Results", "grpo/accuracy", "grpo", "rce/accuracy", "rce"]


def test_every_chart_of_the_view_lies_in_a_section_and_has_its_own_id() -> None:
    state = page_state(VIEW)
    sections = {section["uuid"] for section in state["compareRunSections"]}
    charts = state["compareRunCharts"]
    assert {chart["metricSectionId"] for chart in charts} <= sections
    assert len({chart["uuid"] for chart in charts}) == len(charts) == 4
    assert charts[0]["selectedParams"] == ["lr", "freeze"]


def test_a_view_that_is_too_large_for_mlflow_is_left_out_and_the_rest_stays() -> None:
    view = StudyView(study="s", study_id="5f3a", params=[f"parameter_{n}" for n in range(500)])
    tags = experiment_tags(view, now=0.0)
    assert not any(key.startswith("mlflow.sharedViewState") for key in tags)
    assert tags["mlflow.experiment.primaryMetric.name"] == "score"


def test_a_link_to_the_view_gives_no_order_for_that_would_make_the_page_ignore_the_view() -> None:
    link = experiment_link("http://127.0.0.1:5000/", "3", study="kl_lr")
    path, _, query = urlsplit(link).fragment.partition("?")
    assert path == "/experiments/3/runs"
    assert parse_qs(query) == {
        "workflowType": ["machine_learning"],
        "viewStateShareKey": ["sweeper-kl_lr"],
    }


def test_a_link_without_a_view_sorts_by_score() -> None:
    link = experiment_link("http://h:1", "3", study=None)
    assert link == (
        "http://h:1/#/experiments/3/runs?workflowType=machine_learning"
        "&orderByKey=metrics.%60score%60&orderByAsc=false"
    )
