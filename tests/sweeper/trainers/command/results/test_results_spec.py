import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from sweeper.refusals import refusals
from sweeper.trainers.command.results import Results, Sources


class Study(BaseModel):
    """The part of a study file that holds results."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    results: Sources | None = None


def results(value: object) -> Results:
    return Results(Study.model_validate({"results": value}).results or ())


def refused(value: object) -> list[str]:
    """Every problem as the sweeper tells it."""
    with pytest.raises(ValidationError) as error:
        results(value)
    return [
        f"{'.'.join(map(str, refusal.where[2:]))}: {refusal.text}"
        for refusal in refusals(Study, error.value)
    ]


def test_one_source_stands_without_a_list() -> None:
    assert results({"file": "a.json", "metrics": {"loss": "/loss"}}).metrics == ("loss",)


def test_metrics_of_all_sources_are_promised_once() -> None:
    found = results(
        [
            {"stdout": [r"epoch (?P<epoch>\d+)", "loss=(?P<loss>) kl=(?P<kl>)"], "step": "epoch"},
            {"lm_eval": "out", "metrics": {"gsm8k": "gsm8k/exact_match"}},
            {"trainer_state": "out", "metrics": ["reward", "kl"]},
            {"reported": True},
        ]
    )
    assert found.metrics == ("loss", "kl", "gsm8k", "reward")
    assert not found.by_question


def test_questions_may_stand_alone() -> None:
    found = results({"by_question": {"file": "s.jsonl", "id": "doc_id", "score": "acc"}})
    assert found.by_question
    assert found.metrics == ()


def test_texts_with_macros_are_checked_once_these_are_filled_in() -> None:
    results({"stdout": "${name}=(?P<loss", "step": "${step}"})
    results({"file": "${trial.dir}/a**b.json", "metrics": {"loss": "/~${place}"}})


BY_QUESTION = {"file": "s.jsonl", "id": "doc_id", "score": "acc"}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            {},
            ": must say where numbers are: one of file, stdout, trainer_state, lm_eval, inspect, ",
        ),
        ({"fiel": "a.json"}, "fiel: unknown key; allowed: file, stdout, "),
        ({"file": "a", "stdout": "(?P<a>)"}, ": file, stdout are several sources; write a list"),
        ({"file": "a.json"}, ": `metrics` is missing beside `file`"),
        ({"file": "a.json", "metrics": {}}, ": `metrics` must name at least one"),
        ({"file": "a.json", "metrics": {"a%": "a"}}, ": `metrics` must have names of letters"),
        ({"file": "a.json", "metrics": {"a": "/~2"}}, "metrics.a: must be a JSON pointer"),
        ({"file": "**.json", "metrics": ["a"]}, "file: must have `**` between slashes only"),
        ({"stdout": "loss=(?P<loss"}, "stdout.0: must be a regular expression: missing >"),
        ({"stdout": "loss=([0-9]+)"}, ": `stdout` has no named group for a metric"),
        (
            {"stdout": "(?P<epoch>) (?P<loss>)", "step": "epochs"},
            ": `step` must be one of the named groups: epoch, loss",
        ),
        ({"stdout": "(?P<a>)", "format": "json"}, ": `format` has no meaning beside `stdout`"),
        ({"reported": True, "metrics": ["a"]}, ": `metrics` has no meaning beside `reported`"),
        ({"inspect": "l", "metrics": ["a"], "step": "s"}, ": `step` has no meaning beside `insp"),
        ({"by_question": {"file": "s.jsonl", "id": "a"}}, ": `by_question.score` is missing"),
        ({"by_question": {"file": "s.jsonl", "score": "a"}}, ": `by_question.id` is missing"),
        ({"reported": True, "by_question": {}}, ": `by_question.file` is missing"),
        (
            {"lm_eval": "out", "metrics": ["a"], "by_question": BY_QUESTION},
            ": `by_question.file` has no meaning beside `lm_eval`",
        ),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(value: object, problem: str) -> None:
    assert any(text.startswith(problem) for text in refused(value)), refused(value)
