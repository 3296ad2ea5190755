"""Files as Hugging Face's Trainer, lm-evaluation-harness and Inspect write them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.trainers.command.results import Outcome, Point, ResultsError

Write = Callable[..., Path]
Read = Callable[..., Outcome]


# trainer_state.json

LOG = [
    {"step": 10, "epoch": 0.5, "loss": 0.75, "reward": 0.25, "rewards/digits/mean": 0.25},
    {"step": 20, "epoch": 1.0, "loss": float("nan"), "reward": 0.5, "rewards/digits/mean": 0.5},
    {"step": 20, "epoch": 1.0, "eval_loss": 2.0},
    {"step": 20, "epoch": 1.0, "train_runtime": 2.5, "total_flos": 0},
]


def test_the_log_of_the_last_checkpoint_is_read(write: Write, read: Read) -> None:
    for steps in (9, 10):
        write(f"out/checkpoint-{steps}/trainer_state.json", {"log_history": LOG[:1]}, after=5)
    write("out/checkpoint-20/trainer_state.json", {"log_history": LOG}, after=5)
    write("out/checkpoint-100/trainer_state.json", {"log_history": LOG[:1]}, after=-5)
    metrics = {"reward": "reward", "digits": "rewards/digits/mean", "eval": "eval_loss"}
    found = read(trainer_state="out", metrics=metrics)
    assert found.metrics == {"reward": 0.5, "digits": 0.5, "eval": 2.0}
    assert found.curve == (
        Point(10, {"reward": 0.25, "digits": 0.25}),
        Point(20, {"reward": 0.5, "digits": 0.5, "eval": 2.0}),
    )


def test_the_state_beside_the_model_counts_where_it_is_the_last(write: Write, read: Read) -> None:
    write("out/checkpoint-10/trainer_state.json", {"log_history": LOG[:1]}, after=5)
    write("out/trainer_state.json", {"log_history": LOG}, after=6)
    assert read(trainer_state="out", metrics=["reward"]).metrics == {"reward": 0.5}


def test_a_folder_without_a_checkpoint_says_how_there_will_be_one(write: Write, read: Read) -> None:
    write("out/config.json", {})
    with pytest.raises(
        ResultsError, match=r"no new result: .*/out has config\.json; .*`--save_strategy steps`"
    ):
        read(trainer_state="out", metrics=["reward"])


def test_an_old_checkpoint_is_no_result(write: Write, read: Read) -> None:
    write("out/checkpoint-10/trainer_state.json", {"log_history": LOG}, after=-60)
    with pytest.raises(ResultsError, match=r"no new result: .*older than the trial"):
        read(trainer_state="out/checkpoint-*/trainer_state.json", metrics=["reward"])


def test_a_key_that_was_never_logged_is_told_with_those_that_were(write: Write, read: Read) -> None:
    write("s.json", {"log_history": LOG})
    with pytest.raises(ResultsError, match=r"no row has 'rewards'.*did you mean 'reward'\?"):
        read(trainer_state="s.json", metrics=["rewards"])
    write("s.json", {"loss": 1})
    with pytest.raises(ResultsError, match=r"is no trainer_state\.json with a `log_history`"):
        read(trainer_state="s.json", metrics=["reward"])


# lm-evaluation-harness

RESULTS = {
    "results": {
        "gsm8k": {
            "alias": "gsm8k",
            "exact_match,strict-match": 0.5,
            "exact_match_stderr,strict-match": 0.1,
            "exact_match,flexible-extract": 0.75,
        },
        "digits": {"alias": "digits", "acc,none": 0.25, "acc_stderr,none": "N/A"},
    },
    "n-samples": {"digits": {"original": 4, "effective": 4}},
}
NAME = "out/org__model/results_2026-11-28T02-17-16.123456.json"


def test_tasks_are_read_by_metric_and_filter(write: Write, read: Read) -> None:
    write(NAME, RESULTS)
    metrics = {"strict": "gsm8k/exact_match,strict-match", "acc": "digits/acc"}
    assert read(lm_eval="out", metrics=metrics).metrics == {"strict": 0.5, "acc": 0.25}


def test_several_runs_of_one_trial_are_read_together_and_the_newest_counts(
    write: Write, read: Read
) -> None:
    write(NAME, RESULTS)
    write(NAME.replace("02-17", "02-18"), {"results": {"gsm8k": {"acc,none": 1}}}, after=2)
    write(NAME.replace("02-17", "02-19"), {"results": {"digits": {"acc,none": 0.5}}}, after=3)
    found = read(lm_eval="out", metrics={"gsm8k": "gsm8k/acc", "digits": "digits/acc,none"})
    assert found.metrics == {"gsm8k": 1.0, "digits": 0.5}


def test_an_output_path_that_is_a_file_leaves_the_model_out(write: Write, read: Read) -> None:
    write("x/res_2026-11-28T02-17-16.123456.json", RESULTS)
    assert read(lm_eval="x/res.json", metrics={"a": "digits/acc"}).metrics == {"a": 0.25}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("gsm8k/exact_match", "has several filters: gsm8k/exact_match,flexible-extract, gsm8k/"),
        ("gsm8k/acc", "no results of 'gsm8k/acc'; there are digits/acc,none, gsm8k/exact_match,"),
        ("digit/acc,none", r"did you mean 'digits/acc,none'\?"),
        ("digits/alias", "no results of 'digits/alias'"),
    ],
)
def test_a_task_or_metric_that_is_not_there_is_told(
    key: str, message: str, write: Write, read: Read
) -> None:
    write(NAME, RESULTS)
    with pytest.raises(ResultsError, match=message):
        read(lm_eval="out", metrics={"score": key})


def sample(doc: int, answer: str, score: float) -> str:
    line = {"doc_id": doc, "filter": answer, "metrics": ["exact_match"], "exact_match": score}
    return json.dumps(line) + "\n"


def samples(task: str, minute: int = 17) -> str:
    return f"out/org__model/samples_{task}_2026-11-28T02-{minute}-16.123456.jsonl"


def test_samples_are_scores_by_task_document_and_filter(write: Write, read: Read) -> None:
    write(NAME, RESULTS)
    both = sample(0, "strict-match", 0) + sample(0, "flexible-extract", 1)
    write(samples("gsm8k"), both)
    write(samples("my_task"), sample(0, "none", 1))
    metrics = {"acc": "digits/acc"}
    found = read(lm_eval="out", metrics=metrics, by_question={"score": "exact_match"})
    assert found.questions == {
        "": {"gsm8k/0/strict-match": 0.0, "gsm8k/0/flexible-extract": 1.0, "my_task/0": 1.0}
    }
    one = {"score": "exact_match,flexible-extract", "group": "task"}
    found = read(lm_eval="out", metrics=metrics, by_question=one)
    assert found.questions == {"gsm8k": {"0/flexible-extract": 1.0}}


def test_a_filter_that_no_sample_has_is_suggested(write: Write, read: Read) -> None:
    write(NAME, RESULTS)
    write(samples("gsm8k"), sample(0, "strict-match", 0))
    with pytest.raises(ResultsError, match="no sample has filter 'strict'; there are strict-match"):
        read(
            lm_eval="out", metrics={"a": "digits/acc"}, by_question={"score": "exact_match,strict"}
        )


def test_the_newest_samples_of_a_task_count(write: Write, read: Read) -> None:
    write(NAME, RESULTS)
    write(samples("gsm8k", 18), sample(0, "none", 1), after=3)
    write(samples("gsm8k", 17), sample(0, "none", 0), after=2)
    found = read(lm_eval="out", metrics={"a": "digits/acc"}, by_question={"score": "exact_match"})
    assert found.questions == {"": {"gsm8k/0": 1.0}}


def test_results_without_samples_say_how_there_will_be_some(write: Write, read: Read) -> None:
    write(NAME, RESULTS)
    with pytest.raises(ResultsError, match="scores by question need `--log_samples`"):
        read(lm_eval="out", metrics={"a": "digits/acc"}, by_question={"score": "exact_match"})


# Inspect


def log(**changes: object) -> dict[str, object]:
    samples = [
        {"id": 1, "epoch": 1, "scores": {"match": {"value": "C"}}},
        {"id": 1, "epoch": 2, "scores": {"match": {"value": "I"}}},
        {"id": "b", "epoch": 1, "scores": {"match": {"value": 0.25}}},
        {"id": "b", "epoch": 2, "scores": {"match": {"value": True}}},
    ]
    score = {"name": "match", "scorer": "match", "metrics": {"accuracy": {"value": 0.5}}}
    return {"status": "success", "results": {"scores": [score]}, "samples": samples, **changes}


@pytest.mark.parametrize("key", ["accuracy", "match/accuracy"])
def test_metrics_of_a_log_are_read_by_scorer(key: str, write: Write, read: Read) -> None:
    write("logs/a.json", log())
    assert read(inspect="logs", metrics={"acc": key}).metrics == {"acc": 0.5}


def test_samples_of_a_log_are_scores_by_id_and_epochs_are_averaged(
    write: Write, read: Read
) -> None:
    write("logs/a.json", log())
    found = read(inspect="logs/*.json", metrics=["accuracy"], by_question={})
    assert found.questions == {"": {"1": 0.5, "b": 0.625}}


def test_an_evaluation_that_failed_is_no_result_although_its_log_is_new(
    write: Write, read: Read
) -> None:
    write("logs/a.json", log(status="error", error={"message": "model not found"}))
    with pytest.raises(ResultsError, match="ended with status 'error': model not found"):
        read(inspect="logs", metrics=["accuracy"])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("acuracy", r"no metric 'acuracy'; there are match/accuracy; did you mean 'accuracy'\?"),
        ("other/accuracy", r"no metric 'other/accuracy'"),
    ],
)
def test_a_metric_that_a_log_lacks_is_told(
    key: str, message: str, write: Write, read: Read
) -> None:
    write("a.json", log())
    with pytest.raises(ResultsError, match=message):
        read(inspect="a.json", metrics={"acc": key})


def test_a_metric_of_several_scorers_needs_one(write: Write, read: Read) -> None:
    scores = [
        {"name": name, "metrics": {"accuracy": {"value": value}}}
        for name, value in (("match", 0.5), ("model", 0.25))
    ]
    write("a.json", log(results={"scores": scores}))
    with pytest.raises(ResultsError, match="several scorers have metric 'accuracy'; there are ma"):
        read(inspect="a.json", metrics=["accuracy"])
    assert read(inspect="a.json", metrics={"acc": "model/accuracy"}).metrics == {"acc": 0.25}


@pytest.mark.parametrize(
    ("scores", "score", "message"),
    [
        ({"match": {"value": "X"}}, None, "sample 1 has 'X'"),
        ({"match": {"value": "C"}}, "model", "no scorer 'model'; there are match"),
        ({"a": {"value": 1}, "b": {"value": 1}}, None, "no scorer null; there are a, b"),
        ({}, None, "a sample has no scores"),
    ],
)
def test_samples_without_the_asked_score_are_told(
    scores: object, score: str | None, message: str, write: Write, read: Read
) -> None:
    write("a.json", log(samples=[{"id": 1, "epoch": 1, "scores": scores}]))
    with pytest.raises(ResultsError, match=message):
        read(inspect="a.json", metrics=["accuracy"], by_question={"score": score})


def test_a_packed_log_says_how_to_have_a_plain_one(read: Read) -> None:
    with pytest.raises(ResultsError, match="run it with `--log-format json`"):
        read(inspect="logs/*.eval", metrics=["accuracy"])


def test_another_json_file_is_no_log(write: Write, read: Read) -> None:
    write("a.json", {"accuracy": 1})
    with pytest.raises(ResultsError, match="is no log of Inspect: it has no `status`"):
        read(inspect="a.json", metrics=["accuracy"])
