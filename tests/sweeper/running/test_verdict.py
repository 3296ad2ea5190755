from typing import Any

import pytest

from sweeper.launchers.jobs import JobStatus
from sweeper.records import TrialState
from sweeper.running.derived import result_tags
from sweeper.running.instrument import another_instrument, dead_instrument, holds_out
from sweeper.running.verdict import MAX_ATTEMPTS, Verdict, judge
from trainer.contract import EvaluateSpec, TrainSpec

SCORED = {
    "score": 0.6,
    "accuracy": {"1": 0.6},
    "environment": {},
    "epochs_trained": 1,
    "reader_calls": {},
    "stage": "key",
}
FAILED = {"class": "not_finite", "message": "the loss is nan"}


def verdict(status: JobStatus, **options: Any) -> Verdict:
    defaults: dict[str, Any] = {
        "result": None,
        "failure": None,
        "pruned": False,
        "stopping": False,
        "attempt": 1,
    }
    chosen = {**defaults, **options}
    return judge(status, chosen.pop("result"), chosen.pop("failure"), **chosen)


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.LOST, JobStatus.CANCELLED])
def test_a_result_outweighs_what_became_of_the_job(status: JobStatus) -> None:
    assert verdict(status, result=SCORED) == Verdict(state=TrialState.COMPLETE, score=0.6)


def test_a_pruned_trial_is_pruned_even_where_it_finished_first() -> None:
    judged = verdict(JobStatus.COMPLETED, result=SCORED, pruned=True)
    assert (judged.state, judged.score) == (TrialState.PRUNED, None)


@pytest.mark.parametrize("score", [None, "0.6", float("nan"), 1.2, -0.1, True])
def test_a_result_without_a_usable_score_fails(score: Any) -> None:
    judged = verdict(JobStatus.COMPLETED, result={**SCORED, "score": score})
    assert (judged.state, judged.failure) == (TrialState.FAILED, "bad_result")
    assert repr(score) in judged.reason


def test_a_result_that_lacks_something_fails_and_names_it() -> None:
    judged = verdict(JobStatus.COMPLETED, result={"score": 0.6, "accuracy": {}})
    assert judged.failure == "bad_result"
    assert judged.reason == ("result.json lacks environment, epochs_trained, reader_calls, stage")


def test_a_full_disk_is_no_trials_fault() -> None:
    failure = {"class": "files", "message": "No space left on device"}
    judged = verdict(JobStatus.FAILED, failure=failure)
    assert (judged.state, judged.halt) == (TrialState.RUNNING, True)


def test_a_failure_carries_the_trainers_class_and_message() -> None:
    judged = verdict(JobStatus.FAILED, failure=FAILED)
    assert (judged.failure, judged.reason) == ("not_finite", "the loss is nan")


def test_a_failure_is_not_tried_again_but_a_lost_worker_is() -> None:
    assert not verdict(JobStatus.FAILED, failure=FAILED).retry
    assert verdict(JobStatus.LOST, attempt=MAX_ATTEMPTS - 1).retry
    given_up = verdict(JobStatus.LOST, attempt=MAX_ATTEMPTS)
    assert (given_up.state, given_up.failure, given_up.retry) == (TrialState.FAILED, "lost", False)


def test_what_is_stopped_with_the_driver_stays_open() -> None:
    judged = verdict(JobStatus.CANCELLED, stopping=True)
    assert (judged.state, judged.retry) == (TrialState.RUNNING, False)


def test_a_dead_instrument_is_said_with_its_numbers() -> None:
    groups = [{"group": "input_proj", "selections_changed": 0.25, "answers_changed": 0.0}]
    liveness = {"questions": 200, "alive": False, "groups": groups}
    reason = dead_instrument(liveness)
    assert reason is not None
    assert "input_proj             25.0 % of selections changed,    0.0 % of answers" in reason
    assert dead_instrument({**liveness, "alive": True}) is None


def test_a_dead_instrument_without_a_reader_speaks_of_scores() -> None:
    groups = [{"group": "input_proj", "selections_changed": 0.25, "answers_changed": 0.0}]
    liveness = {"questions": 160, "alive": False, "groups": groups}
    reason = dead_instrument(liveness, asks=False)
    assert reason is not None
    assert " 25.0 % of selections changed,    0.0 % of scores\n" in reason


@pytest.mark.parametrize("loss", [0.0, 4.8, 1e300])
def test_a_loss_has_no_upper_bound(loss: float) -> None:
    judged = verdict(JobStatus.COMPLETED, result={**SCORED, "accuracy": {}, "score": loss})
    assert judged == Verdict(state=TrialState.COMPLETE, score=loss)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -0.1, None])
def test_a_loss_that_is_none_fails(loss: Any) -> None:
    judged = verdict(JobStatus.COMPLETED, result={**SCORED, "accuracy": {}, "score": loss})
    assert (judged.state, judged.failure) == (TrialState.FAILED, "bad_result")
    assert judged.reason == f"result.json holds no finite loss, but {loss!r}"


FILES = {"name": "files", "rollouts": "a.json", "embeddings": "e.npy"}
LOSS = {"score": "validation_loss"}


def spec(**fields: Any) -> TrainSpec:
    return TrainSpec.model_validate(
        {"task": FILES, "start": "a.pt", "phases": [{"grpo": {}}], "evaluate": LOSS, **fields}
    )


CONTROLS = {
    "torch": "2",
    "device": "cpu",
    "data": "d",
    "training": "t",
    "start": "s",
    "reader": "r",
}
OTHER_DATA = spec(task={**FILES, "rollouts": "b.json"})
OTHER_START = spec(start="b.pt")


@pytest.mark.parametrize("trial", [spec(), OTHER_DATA, OTHER_START])
@pytest.mark.parametrize("part", ["torch", "device", "data", "reader"])
def test_what_scores_must_be_the_same_for_every_trial(trial: TrainSpec, part: str) -> None:
    environment = {**CONTROLS, part: "other"}
    found = another_instrument(environment, CONTROLS, spec=trial, first=spec())
    assert found == f"{part} 'other' instead of {CONTROLS[part]!r}"
    assert another_instrument(CONTROLS, CONTROLS, spec=trial, first=spec()) is None


@pytest.mark.parametrize(
    ("part", "free", "bound"),
    [("training", OTHER_DATA, OTHER_START), ("start", OTHER_START, OTHER_DATA)],
)
def test_data_and_start_differ_only_where_the_spec_says_so(
    part: str, free: TrainSpec, bound: TrainSpec
) -> None:
    environment = {**CONTROLS, part: "other"}
    assert another_instrument(environment, CONTROLS, spec=free, first=spec()) is None
    for trial in (spec(), bound):
        found = another_instrument(environment, CONTROLS, spec=trial, first=spec())
        assert found is not None
        assert found.startswith(f"{part} 'other' instead of")


def test_an_environment_that_lacks_a_part_is_another_one() -> None:
    old = {key: value for key, value in CONTROLS.items() if key != "data"}
    found = another_instrument(CONTROLS, old, spec=spec(), first=spec())
    assert found == "data 'd' instead of None"


@pytest.mark.parametrize(
    ("evaluate", "expected"),
    [
        ({}, True),
        (LOSS, False),
        ({"reader": "recorded"}, False),
        ({"command": ["judge", "{checkpoint}"]}, False),
        ({"command": ["judge", "{checkpoint}", "--split={split}"]}, True),
    ],
)
def test_questions_are_held_out_where_the_judge_knows_two_splits(
    evaluate: dict[str, Any], expected: bool
) -> None:
    assert holds_out(EvaluateSpec.model_validate(evaluate)) is expected


def test_tags_name_data_training_and_start_of_a_trial() -> None:
    tags = result_tags(spec(), {**SCORED, "environment": CONTROLS})
    assert tags == {
        "sweeper.data": "d",
        "sweeper.training": "t",
        "sweeper.start": "s",
        "sweeper.reader": "r",
        "sweeper.origin": "trained",
        "sweeper.stage": "key",
        "sweeper.torch": "2",
    }
    drawn = result_tags(spec(), {**SCORED, "environment": {**CONTROLS, "start": ""}})
    assert "sweeper.start" not in drawn
