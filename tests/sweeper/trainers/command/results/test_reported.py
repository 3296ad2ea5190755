import json
from pathlib import Path

import pytest

from sweeper import client
from sweeper.trainers.command.results import Point, Reported, ReportFile, ResultsError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportFile:
    path = tmp_path / "report.jsonl"
    monkeypatch.setenv("SWEEPER_REPORT", str(path))
    return ReportFile(path)


def test_nothing_is_new_before_there_is_a_file(file: ReportFile) -> None:
    assert file.news() == []


def test_each_call_of_the_client_is_heard_once(file: ReportFile) -> None:
    client.report(step=1, loss=0.5)
    client.report(scores={"a": 1.0}, group="math")
    assert file.news() == [
        Reported(step=1, metrics={"loss": 0.5}),
        Reported(group="math", scores={"a": 1.0}),
    ]
    assert file.news() == []
    client.report(step=2, loss=0.25)
    assert file.news() == [Reported(step=2, metrics={"loss": 0.25})]


def test_a_torn_line_waits_for_its_end(file: ReportFile) -> None:
    line = json.dumps({"format": 1, "step": 1, "metrics": {"loss": 0.5}})
    file.path.write_text(line)
    assert file.news() == []
    file.path.write_text(f"{line}\n")
    assert file.news() == [Reported(step=1, metrics={"loss": 0.5})]


def test_final_numbers_outweigh_the_last_by_step(file: ReportFile) -> None:
    client.done(accuracy=0.75)
    client.report(step=1, accuracy=0.5, loss=2.0)
    client.report(step=1, loss=1.0)
    file.news()
    outcome = file.outcome()
    assert outcome.metrics == {"accuracy": 0.75, "loss": 1.0}
    assert outcome.curve == (Point(1, {"accuracy": 0.5, "loss": 1.0}),)


def test_scores_of_questions_are_put_together_and_the_last_counts(file: ReportFile) -> None:
    client.report(scores={"a": 1.0, "b": 0.0})
    client.report(scores={"b": 0.5})
    client.report(scores={"a": 0.25}, group="math")
    file.news()
    assert file.outcome().questions == {"": {"a": 1.0, "b": 0.5}, "math": {"a": 0.25}}


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        '{"metrics": {"lo',
        '{"metrics": {"loss": "high"}}',
        '{"step": 0.5, "metrics": {}}',
        '{"scores": [1]}',
        "\\xff",
    ],
)
def test_a_damaged_line_is_counted_and_passed_over(line: str, file: ReportFile) -> None:
    file.path.write_bytes(line.encode().decode("unicode_escape").encode("latin-1") + b"\n")
    client.report(loss=1.0)
    assert file.news() == [Reported(metrics={"loss": 1.0})]
    assert file.outcome().warnings == ("report.jsonl: 1 unreadable line",)


def test_a_line_of_a_later_client_is_an_error_that_says_what_to_do(file: ReportFile) -> None:
    file.path.write_text('{"format": 2}\n')
    assert file.news() == []
    with pytest.raises(ResultsError, match=r"is of format 2, .* reads up to 1: .*client\.py"):
        file.outcome()


def test_following_takes_up_where_it_was(file: ReportFile) -> None:
    for step in range(200):
        client.report(step=step, loss=float(step))
        if step % 50 == 0:
            file.news()
    assert [told.step for told in file.news()] == [*range(151, 200)]
    assert file._offset == file.path.stat().st_size
