from pathlib import Path

import pytest

from sweeper.launchers.jobs import JobReport, JobStatus
from sweeper.outcomes import Calls, Failure, FailureKind, Result
from sweeper.running.failures import Step, classify, next_step
from sweeper.study.sections import Retry

RESULT = Result(
    score=0.5,
    accuracy={"1": 0.5},
    stage="s",
    reader_calls=Calls(),
    epochs_trained=1,
    environment={},
)
LOST = JobReport(status=JobStatus.LOST)
LOG, WORKERS = Path("trial/log.txt"), Path("workers/cpu-0.log")
MOST = Retry().attempts


def ended(code: int) -> JobReport:
    cause = f"the worker of slot cpu-0 ended with exit code {code}"
    return JobReport(status=JobStatus.LOST, exit_code=code, cause=cause, log=WORKERS)


def killed(number: int) -> JobReport:
    cause = f"the worker of slot cpu-0 was ended by signal {number}"
    return JobReport(status=JobStatus.LOST, signal=number, cause=cause, log=WORKERS)


def failed(report: JobReport, log_tail: str = "") -> Failure:
    failure = classify(report, None, is_leaving=False, log=LOG, log_tail=log_tail)
    assert failure is not None
    return failure


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_result_outweighs_whatever_the_launcher_says(status: JobStatus) -> None:
    assert classify(JobReport(status=status), RESULT, is_leaving=False) is None


def test_the_trainers_own_reason_is_the_reason() -> None:
    failure = Failure(kind=FailureKind.NOT_FINITE, message="the loss is nan")
    assert classify(killed(9), failure, is_leaving=True, log_tail="MemoryError") is failure


@pytest.mark.parametrize(
    ("report", "tail", "kind"),
    [
        (killed(9), "", FailureKind.KILLED),
        (killed(9), "MemoryError", FailureKind.KILLED),
        (killed(15), "", FailureKind.PREEMPTED),
        (killed(11), "", FailureKind.ERROR),  # SIGSEGV
        (killed(6), "terminate called: std::bad_alloc", FailureKind.OUT_OF_HOST_MEMORY),
        (ended(0), "", FailureKind.BAD_RESULT),
        (ended(1), "", FailureKind.ERROR),
        (ended(1), "MemoryError", FailureKind.OUT_OF_HOST_MEMORY),
        (ended(1), "[Errno 12] Cannot allocate memory", FailureKind.OUT_OF_HOST_MEMORY),
        (ended(1), "torch.OutOfMemoryError: CUDA out of memory", FailureKind.OUT_OF_MEMORY),
        (ended(1), "OSError: No space left on device", FailureKind.FILES),
        (ended(1), "line 3: 812 Killed  python x.py", FailureKind.KILLED),
        (JobReport(status=JobStatus.COMPLETED), "", FailureKind.BAD_RESULT),
        (JobReport(status=JobStatus.FAILED), "", FailureKind.ERROR),
        (JobReport(status=JobStatus.CANCELLED), "", FailureKind.LOST),
        (LOST, "", FailureKind.LOST),
    ],
)
def test_each_end_without_a_word_of_the_trainer_has_its_kind(
    report: JobReport, tail: str, kind: FailureKind
) -> None:
    assert failed(report, tail).kind is kind


def test_a_job_that_wrote_nothing_names_the_log_of_its_launcher() -> None:
    assert failed(ended(1)).message == (
        "the worker of slot cpu-0 ended with exit code 1: it broke off without a result; "
        "see workers/cpu-0.log"
    )


def test_a_job_that_wrote_something_is_quoted_and_its_own_log_named() -> None:
    assert failed(killed(11), "Epoch 3\n").message == (
        "the worker of slot cpu-0 was ended by signal 11: it broke off without a result (Epoch 3); "
        "see trial/log.txt"
    )


def test_a_failure_in_the_words_of_a_library_has_the_kind_of_these_words() -> None:
    bug = Failure(kind=FailureKind.ERROR, message="SystemError: returned NULL")
    disk = Failure(kind=FailureKind.ERROR, message="SafetensorError: No space left on device")
    kinds = [
        classify(LOST, bug, is_leaving=False),
        classify(LOST, bug, is_leaving=False, log_tail="MemoryError\n...\nSystemError"),
        classify(LOST, disk, is_leaving=False),
    ]
    assert [failure and failure.kind for failure in kinds] == [
        FailureKind.ERROR,
        FailureKind.OUT_OF_HOST_MEMORY,
        FailureKind.FILES,
    ]


@pytest.mark.parametrize("status", [s for s in JobStatus if s.is_terminal])
def test_only_a_job_that_was_asked_to_leave_may_leave_nothing(status: JobStatus) -> None:
    assert classify(JobReport(status=status), None, is_leaving=True) is None
    assert status.value in failed(JobReport(status=status)).message


@pytest.mark.parametrize("kind", list(FailureKind))
def test_what_the_setting_is_to_blame_for_is_never_tried_again(kind: FailureKind) -> None:
    failure, often = Failure(kind=kind, message=""), {kind: 9}
    step = next_step(failure, attempts=1, most=often)
    if kind is FailureKind.FILES:
        assert step is Step.HALT
    elif kind.is_settings:
        assert step is Step.GIVE_UP
    else:
        elsewhere = Step.ALONE if kind.is_memory else Step.ELSEWHERE
        assert step is (elsewhere if kind.is_slots or kind.is_memory else Step.AGAIN)
        assert next_step(failure, attempts=9, most=often) is Step.GIVE_UP


def test_every_kind_that_may_be_tried_again_has_its_number_in_the_study_file() -> None:
    named = {kind for kind in FailureKind if not kind.is_settings} - {FailureKind.FILES}
    assert set(MOST) == named
