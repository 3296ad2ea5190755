import pytest

from sweeper.launchers.jobs import JobReport, JobStatus
from sweeper.outcomes import Calls, Failure, FailureKind, Result
from sweeper.running.failures import MAX_ATTEMPTS, Step, classify, next_step

RESULT = Result(
    score=0.5,
    accuracy={"1": 0.5},
    stage="s",
    reader_calls=Calls(),
    epochs_trained=1,
    environment={},
)
LOST = JobReport(status=JobStatus.LOST, signal=9, cause="the worker of slot cpu-0 was killed")


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_result_outweighs_whatever_the_launcher_says(status: JobStatus) -> None:
    assert classify(JobReport(status=status), RESULT, is_leaving=False) is None


def test_the_trainers_own_reason_is_the_reason() -> None:
    failure = Failure(kind=FailureKind.NOT_FINITE, message="the loss is nan")
    assert classify(LOST, failure, is_leaving=True) is failure


def test_a_lost_job_carries_the_launchers_cause() -> None:
    assert classify(LOST, None, is_leaving=False, log_tail="Epoch 3\n") == Failure(
        kind=FailureKind.LOST, message="the worker of slot cpu-0 was killed"
    )


def test_without_a_cause_the_end_of_the_log_is_told() -> None:
    report = JobReport(status=JobStatus.COMPLETED)
    failure = classify(report, None, is_leaving=False, log_tail="Segmentation fault\n")
    assert failure == Failure(
        kind=FailureKind.LOST,
        message="the job ended as completed and left no result: Segmentation fault",
    )


@pytest.mark.parametrize("status", [s for s in JobStatus if s.is_terminal])
def test_only_a_job_that_was_asked_to_leave_may_leave_nothing(status: JobStatus) -> None:
    assert classify(JobReport(status=status), None, is_leaving=True) is None
    failure = classify(JobReport(status=status), None, is_leaving=False)
    assert failure is not None
    assert (failure.kind, status.value in failure.message) == (FailureKind.LOST, True)


@pytest.mark.parametrize("kind", list(FailureKind))
@pytest.mark.parametrize("attempts", [1, MAX_ATTEMPTS - 1, MAX_ATTEMPTS])
def test_what_is_lost_is_tried_again_and_a_full_disk_halts(
    kind: FailureKind, attempts: int
) -> None:
    step = next_step(Failure(kind=kind, message=""), attempts=attempts)
    if kind is FailureKind.FILES:
        assert step is Step.HALT
    elif kind is FailureKind.LOST and attempts < MAX_ATTEMPTS:
        assert step is Step.AGAIN
    else:
        assert step is Step.GIVE_UP
