from typing import Any

import pytest

from sweeper.jobs import JobStatus
from sweeper.records import TrialState
from sweeper.verdict import MAX_ATTEMPTS, Verdict, dead_instrument, judge

SCORED = {
    "score": 0.6,
    "accuracy": {"1": 0.6},
    "environment": {},
    "epochs_trained": 1,
    "reader_calls_asked": 0,
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
    assert judged.reason == (
        "result.json lacks environment, epochs_trained, reader_calls_asked, stage"
    )


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
