"""The engine, with a launcher that does what each test says."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.scripted_launcher import (
    ScriptedLauncher,
    Step,
    cancelled,
    lost,
    queued,
    running,
    writes,
)
from fakes.toy_task import toy_inputs

from sweeper.errors import SweeperError
from sweeper.launchers.jobs import JobStatus
from sweeper.outcomes import Failure, FailureKind, Result
from sweeper.running.work import Work
from sweeper.running.works import EndedAs, EpochsOf, Works
from sweeper.study.sections import Limits, Retry
from sweeper.trainers import Command, builtin_trainer
from trainer.contract import Job, TrainSpec, read_epochs
from trainer.evaluation_batch import LAID_OUT, evaluation_batch, set_evaluation_batch
from trainer.jobs.run import run_folder
from trainer.tasks import Inputs

ENDED = {"completed": JobStatus.COMPLETED, "broken": JobStatus.LOST}  # of the real trainer
RESULT = {
    "score": 0.5,
    "accuracy": {"1": 0.5},
    "stage": "s",
    "reader_calls": {"needed": 0, "asked": 0, "stage": 0, "store": 0, "equal": 0},
    "epochs_trained": 1,
    "environment": {},
}
EPOCH = {
    "phase": "grpo",
    "phase_index": 0,
    "epoch": 1,
    "stage": "s",
    "metrics": {"score": 0.5},
    "timing": {"ended": 1.0},
}
done = writes("result.json", RESULT, JobStatus.COMPLETED)
waits = writes("waiting.json", {"stage": "abc"}, JobStatus.CANCELLED)


class Made:
    """Claims on stages: free once a test says so."""

    def __init__(self, *, free: bool = False) -> None:
        self.free = free

    def is_free(self, key: str) -> bool:
        return self.free


class Engine:
    """Works with all that a test looks at."""

    def __init__(
        self, folder: Path, scripts: Sequence[Sequence[Step]], slots: int, **limits: Any
    ) -> None:
        self.folder = folder
        self.now = 0.0
        self.launcher = ScriptedLauncher(*scripts, slots=slots)
        self.claims = Made()
        self.said: list[str] = []
        self.stopping = False
        self.works = Works(
            self.launcher,
            builtin_trainer(),
            self.claims,
            retry=Retry(),
            limits=Limits(**limits),
            clock=lambda: self.now,
            stopping=lambda: self.stopping,
            say=self.said.append,
        )

    def work(self, name: str) -> Work:
        command = Command(argv=("train",), worker=("serve",), threads=3, sparing=("--few",))
        return Work(label=name, folder=self.folder / name, job={"do": name}, command=command)


Open = Callable[..., Engine]


@pytest.fixture
def engine(tmp_path: Path) -> Open:
    return lambda *scripts, slots=1, **limits: Engine(tmp_path, scripts, slots, **limits)


def test_a_work_is_told_its_epochs_and_its_result(engine: Open) -> None:
    epoch = writes("metrics.jsonl", EPOCH, JobStatus.RUNNING)

    def newline(folder: Path) -> JobStatus:
        with (folder / "metrics.jsonl").open("a") as file:
            file.write("\n")
        return JobStatus.RUNNING

    here = engine([epoch, newline, done])
    ticket = here.works.start(here.work("a"))
    assert here.works.news() == []  # a torn line waits
    [news] = here.works.news()
    assert isinstance(news, EpochsOf)
    assert [e.score for e in news.epochs] == [0.5]
    [ended] = here.works.news()
    assert ended == EndedAs(ticket, Result.model_validate(RESULT))
    request = here.launcher.submitted[0]
    assert (request.argv, request.worker, request.needs.threads) == (("train",), ("serve",), 3)
    assert json.loads((here.folder / "a" / "trial.json").read_text()) == {"do": "a"}


def test_a_result_that_is_there_needs_no_job(engine: Open) -> None:
    here = engine([done])
    here.works.finish({"first": here.works.start(here.work("a"))})
    again = here.works.start(here.work("a"))
    assert isinstance(here.works.finish({"again": again})["again"], Result)
    assert len(here.launcher.submitted) == 1


def test_who_waits_is_called_at_every_look_and_once_the_result_is_there(engine: Open) -> None:
    calls: list[None] = []
    here = engine([running, running, done])
    ticket = here.works.start(here.work("a"))
    here.works.finish({"a": ticket}, while_waiting=lambda: calls.append(None))
    assert len(calls) == 3


def test_a_lost_job_is_tried_again_and_then_told(engine: Open) -> None:
    here = engine([lost], [running, lost], [lost])
    [end] = here.works.finish({"a": here.works.start(here.work("a"))}).values()
    message = "the job ended as lost: it left no result, and nobody knows why"
    message += f"; see {here.folder / 'a' / 'log.txt'}"
    assert end == Failure(kind=FailureKind.LOST, message=message)
    assert here.said == [f"a: {message}; tried again"] * 2


def test_each_kind_of_failure_has_attempts_of_its_own(engine: Open) -> None:
    empty = writes("log.txt", "nothing", JobStatus.COMPLETED)
    here = engine([lost], [lost], [empty], [done])
    assert isinstance(here.works.finish({"a": here.works.start(here.work("a"))})["a"], Result)


def test_what_an_earlier_job_wrote_does_not_class_a_later_one(engine: Open) -> None:
    memory = writes("log.txt", "MemoryError", JobStatus.FAILED)
    here = engine([memory], [lost], [lost], [lost])
    [end] = here.works.finish({"a": here.works.start(here.work("a"))}).values()
    assert isinstance(end, Failure)
    assert (end.kind, "MemoryError" in end.message) == (FailureKind.LOST, False)


def test_a_lost_job_that_succeeds_at_last_is_no_failure(engine: Open) -> None:
    here = engine([lost], [lost], [done])
    assert isinstance(here.works.finish({"a": here.works.start(here.work("a"))})["a"], Result)


def test_what_the_training_says_of_itself_is_not_tried_again(engine: Open) -> None:
    failure = {"class": "not_finite", "message": "the loss is nan"}
    here = engine([writes("failure.json", failure, JobStatus.FAILED)])
    [end] = here.works.finish({"a": here.works.start(here.work("a"))}).values()
    assert end == Failure(kind=FailureKind.NOT_FINITE, message="the loss is nan")


def test_a_full_disk_halts_and_says_what_to_make_usable(engine: Open) -> None:
    failure = {"class": "files", "message": "[Errno 28] No space left on device"}
    here = engine([writes("failure.json", failure, JobStatus.FAILED)])
    ticket = here.works.start(here.work("a"))
    with pytest.raises(SweeperError, match=r"a: \[Errno 28\] No space.* make .*/a usable"):
        here.works.finish({"a": ticket})


def test_a_work_waits_for_a_stage_without_a_slot_while_others_run(engine: Open) -> None:
    here = engine([waits], [running, running, done], [done])
    first = here.works.start(here.work("a"))
    assert not here.works.has_free_slot()
    assert here.works.news() == []
    assert here.works.has_free_slot()
    second = here.works.start(here.work("b"))
    here.works.news()
    here.claims.free = True
    here.works.news()  # no slot is free yet
    assert len(here.launcher.submitted) == 2
    assert here.works.news() == [EndedAs(second, Result.model_validate(RESULT))]
    assert here.works.news() == [EndedAs(first, Result.model_validate(RESULT))]


def test_a_stage_that_was_waited_for_costs_no_attempt(engine: Open) -> None:
    here = engine([waits], [waits], [waits], [lost], [done])
    here.claims.free = True
    assert isinstance(here.works.finish({"a": here.works.start(here.work("a"))})["a"], Result)


def test_all_are_asked_to_stop_with_the_driver_and_what_has_no_result_stays_open(
    engine: Open,
) -> None:
    here = engine([waits], [running, lost], slots=2)
    waiting = here.works.start(here.work("a"))
    at_work = here.works.start(here.work("b"))
    here.works.news()
    here.stopping = True
    assert here.works.finish({"a": waiting, "b": at_work}) == {"a": None, "b": None}
    assert (here.folder / "b" / "stop").exists()
    assert here.said == []


def test_a_work_that_was_asked_to_leave_is_not_tried_again(engine: Open) -> None:
    for last in (lost, cancelled, waits):
        here = engine([running, last])
        ticket = here.works.start(here.work(last.__name__))
        here.works.news()
        here.works.ask_to_stop(ticket)
        assert here.works.news() == [EndedAs(ticket, None)]
        assert here.said == []


def test_a_work_that_waits_for_a_stage_leaves_at_once_though_others_go_on(engine: Open) -> None:
    here = engine([waits], [running, running, done], slots=2)
    waiting = here.works.start(here.work("a"))
    here.works.start(here.work("b"))
    here.works.news()
    here.works.ask_to_stop(waiting)
    here.claims.free = True  # it would be submitted now
    assert here.works.news() == [EndedAs(waiting, None)]
    assert len(here.launcher.submitted) == 2


def test_a_job_that_has_not_begun_is_not_begun_to_be_stopped(engine: Open) -> None:
    here = engine([queued])
    ticket = here.works.start(here.work("a"))
    here.works.ask_to_stop(ticket)
    assert here.works.news() == [EndedAs(ticket, None)]
    assert len(here.launcher.cancelled) == 1


def test_a_job_that_nobody_asked_to_leave_is_tried_again(engine: Open) -> None:
    here = engine([cancelled], [cancelled], [done])
    ticket = here.works.start(here.work("a"))
    assert isinstance(here.works.finish({"a": ticket})["a"], Result)
    assert [line.endswith("; tried again") for line in here.said] == [True] * 2


def test_a_job_that_waited_and_then_dies_does_not_wait_for_ever(engine: Open) -> None:
    here = engine([waits], [lost], [lost], [lost])
    here.claims.free = True
    [end] = here.works.finish({"a": here.works.start(here.work("a"))}).values()
    assert isinstance(end, Failure)
    assert end.kind is FailureKind.LOST


def test_the_failure_of_an_earlier_run_is_not_that_of_a_job_that_dies(engine: Open) -> None:
    failure = {"class": "files", "message": "a full disk"}
    here = engine([writes("failure.json", failure, JobStatus.FAILED)], [lost], [done])
    with pytest.raises(SweeperError, match="a full disk"):
        here.works.finish({"a": here.works.start(here.work("a"))})
    again = Works(
        here.launcher,
        builtin_trainer(),
        here.claims,
        retry=Retry(),
        limits=Limits(),
        stopping=bool,
        say=print,
    )
    assert isinstance(again.finish({"a": again.start(here.work("a"))})["a"], Result)


def test_a_result_that_breaks_a_rule_is_gone_before_the_next_job(engine: Open) -> None:
    """The trainer takes a result that it finds for its own: it would never be made anew."""

    def trains(folder: Path) -> JobStatus:
        assert not (folder / "result.json").exists()
        return done(folder)

    broken = writes("result.json", {**RESULT, "score": 2.0}, JobStatus.COMPLETED)
    here = engine([broken], [trains])
    assert isinstance(here.works.finish({"a": here.works.start(here.work("a"))})["a"], Result)


def test_a_folder_that_cannot_be_read_is_the_machines_fault(engine: Open) -> None:
    def unreadable(folder: Path) -> JobStatus:
        (folder / "metrics.jsonl").mkdir()
        return JobStatus.RUNNING

    here = engine([unreadable])
    ticket = here.works.start(here.work("a"))
    with pytest.raises(
        SweeperError, match=r"a: the files in .*/a cannot be used: .*make .* usable"
    ):
        here.works.finish({"a": ticket})


def test_files_that_make_no_sense_are_written_anew_and_else_that_works_failure(
    engine: Open,
) -> None:
    def damaged(folder: Path) -> JobStatus:
        assert not (folder / "metrics.jsonl").exists()
        (folder / "metrics.jsonl").write_text("[1]\n")
        return JobStatus.RUNNING

    here = engine([damaged, done], [running, done], [damaged, done], slots=2)
    bad, good = here.works.start(here.work("a")), here.works.start(here.work("b"))
    ends = here.works.finish({"bad": bad, "good": good})
    assert isinstance(ends["bad"], Failure)
    assert ends["bad"].kind is FailureKind.BAD_RESULT
    assert ends["bad"].message.startswith("metrics.jsonl, line 1: no object, but b'[1]")
    assert isinstance(ends["good"], Result)


def test_a_folder_of_a_later_version_is_not_touched(engine: Open) -> None:
    here = engine([done])
    work = here.work("a")
    here.works.finish({"a": here.works.start(work)})
    (work.folder / "result.json").write_text(json.dumps({**RESULT, "format": 99}))
    with pytest.raises(SweeperError, match=r"result\.json is of format 99, and this version reads"):
        here.works.start(work)
    assert json.loads((work.folder / "result.json").read_text())["format"] == 99


def test_one_call_to_the_launcher_serves_all_works(engine: Open) -> None:
    here = engine([running, done], [running, done], slots=2)
    tickets = {name: here.works.start(here.work(name)) for name in ("a", "b")}
    here.works.finish(tickets)
    assert here.launcher.polled == [["1", "2"], ["1", "2"]]


def slots_of(here: Engine) -> list[str]:
    return [slot.name for slot in here.launcher.slots()]


def test_what_may_be_the_slots_fault_is_tried_on_another_and_the_process_made_anew(
    engine: Open,
) -> None:
    here = engine([lost], [done], slots=2)
    assert isinstance(here.works.finish({"a": here.works.start(here.work("a"))})["a"], Result)
    assert [r.needs.not_on for r in here.launcher.submitted] == [set(), {"slot-0"}]
    assert here.launcher.renewed == ["slot-0"]


def test_what_is_no_slots_fault_is_tried_where_it_was(engine: Open) -> None:
    failure = {"class": "judge", "message": "exit code 1"}
    here = engine([writes("failure.json", failure, JobStatus.FAILED)], [done], slots=2)
    assert isinstance(here.works.finish({"a": here.works.start(here.work("a"))})["a"], Result)
    assert [r.needs.not_on for r in here.launcher.submitted] == [set(), set()]
    assert here.launcher.renewed == []


def test_a_slot_that_loses_what_others_do_not_is_taken_out(engine: Open) -> None:
    here = engine([lost], [done], [lost], [done], [done], slots=2)
    for name in ("a", "b", "c"):
        assert isinstance(here.works.finish({"x": here.works.start(here.work(name))})["x"], Result)
    assert slots_of(here) == ["slot-1"]
    assert here.said[-1] == (
        "slot slot-0 is taken out: 2 jobs that it lost have ended well on others"
    )
    assert here.launcher.submitted[-1].needs.not_on == set()


def out_of(kind: str) -> Step:
    return writes("failure.json", {"class": kind, "message": "no memory"}, JobStatus.LOST)


def test_what_ran_out_of_memory_is_done_alone_then_in_smaller_batches_then_given_up(
    engine: Open,
) -> None:
    here = engine(*[[out_of("out_of_memory")]] * 3, slots=2)
    [end] = here.works.finish({"a": here.works.start(here.work("a"))}).values()
    requests = here.launcher.submitted
    assert [r.needs.alone_on for r in requests] == [None, "device", "device"]
    assert [r.worker for r in requests] == [("serve",), ("serve",), ("serve", "--few")]
    assert [r.argv for r in requests] == [("train",), ("train",), ("train", "--few")]
    assert here.said == [
        "a: no memory; tried again, alone on its device",
        "a: no memory; tried again, alone on its device and with a smaller evaluation batch",
    ]
    assert end == Failure(
        kind=FailureKind.OUT_OF_MEMORY,
        message="no memory; this was alone on its device and with a smaller evaluation batch",
    )


def test_the_memory_of_the_host_is_shared_by_all_slots_and_stays_scarce(engine: Open) -> None:
    memory, devices = out_of("out_of_host_memory"), out_of("out_of_memory")
    here = engine([memory], [lost], [devices], [done])
    assert isinstance(here.works.finish({"a": here.works.start(here.work("a"))})["a"], Result)
    needs = [r.needs.alone_on for r in here.launcher.submitted]
    assert needs == [None, "host", "host", "host"]
    assert [r.argv[1:] for r in here.launcher.submitted] == [(), (), (), ("--few",)]
    assert here.said[0] == "a: no memory; tried again, alone on this host"


def test_a_trainer_without_smaller_batches_is_asked_for_none(engine: Open) -> None:
    here = engine(*[[out_of("out_of_memory")]] * 3)
    work = here.work("a")
    plain = replace(work, command=Command(argv=("train",), worker=None, threads=1))
    here.works.finish({"a": here.works.start(plain)})
    assert [r.argv for r in here.launcher.submitted] == [("train",)] * 3
    assert here.said[1] == "a: no memory; tried again, alone on its device"


def test_no_slot_is_taken_out_for_memory_that_ran_out_on_it(engine: Open) -> None:
    here = engine(*[[out_of("out_of_memory")], [done]] * 3, slots=2)
    for name in ("a", "b", "c"):
        assert isinstance(here.works.finish({"x": here.works.start(here.work(name))})["x"], Result)
    assert slots_of(here) == ["slot-0", "slot-1"]
    assert here.launcher.renewed == ["slot-0"] * 3
    assert [r.needs.not_on for r in here.launcher.submitted] == [set(), {"slot-0"}] * 3


def test_the_real_trainer_gets_by_with_a_smaller_batch_and_scores_the_same(engine: Open) -> None:
    spec = TrainSpec.model_validate(
        {
            "policy": {"hidden_dim": 16},
            "phases": [
                {"rce": {"epochs": 1, "lr": 3e-3, "batch_size": 8}},
                {"grpo": {"epochs": 1, "lr": 3e-3, "batch_size": 8}},
            ],
            "evaluate": {"questions": 32, "holdout": 32},
        }
    )

    def hungry(spec: TrainSpec, device: str) -> Inputs:
        """The toy task, on a device whose memory is enough for ten questions."""
        if evaluation_batch() > 10:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return toy_inputs()

    def trains(folder: Path) -> JobStatus:
        options = here.launcher.submitted[-1].argv[1:]
        set_evaluation_batch(int(options[1]) if options else LAID_OUT)
        try:
            return ENDED[run_folder(folder, hungry)]
        finally:
            set_evaluation_batch(LAID_OUT)

    here = engine(*[[trains]] * 3)
    plain = here.folder / "plain"
    plain.mkdir()
    (plain / "trial.json").write_text(json.dumps(Job(spec=spec, stages=plain / "s").to_json()))
    assert run_folder(plain, lambda spec, device: toy_inputs()) == "completed"
    work = Work(
        label="a",
        folder=here.folder / "a",
        job=Job(spec=spec, stages=here.folder / "a" / "s").to_json(),
        command=Command(
            argv=("train",), worker=None, threads=1, sparing=("--evaluation-batch", "9")
        ),
    )
    [end] = here.works.finish({"a": here.works.start(work)}).values()
    assert isinstance(end, Result)
    assert end == builtin_trainer().left(plain)
    metrics = [[e.metrics for e in read_epochs(f)[0]] for f in (plain, work.folder)]
    assert metrics[0] == metrics[1]
    assert [len(epochs) for epochs in metrics] == [2, 2]
    assert len(here.said) == 2


def test_without_a_slot_the_study_stops_and_says_so(engine: Open) -> None:
    here = engine([running])
    here.works.start(here.work("a"))
    here.launcher.retire("slot-0")
    with pytest.raises(SweeperError, match="no slot is left to run jobs on"):
        here.works.news()


def looks(here: Engine, *times: float) -> list[EpochsOf | EndedAs]:
    """What the engine tells, looking at these seconds of its clock."""
    told: list[EpochsOf | EndedAs] = []
    for here.now in times:
        told += here.works.news()
    return told


def test_a_job_that_takes_too_long_is_asked_to_leave_then_killed_and_classed(
    engine: Open,
) -> None:
    here = engine([running] * 9, trial_time=100.0, grace=10.0)
    ticket = here.works.start(here.work("a"))
    stop = here.folder / "a" / "stop"
    assert looks(here, 5.0, 104.0) == []
    assert not stop.exists()
    assert looks(here, 105.0, 114.0) == []
    assert stop.exists()
    assert looks(here, 115.0) == [
        EndedAs(
            ticket,
            Failure(
                kind=FailureKind.TIMEOUT,
                message="it took longer than 1m40s (`limits: {trial_time}`)",
            ),
        )
    ]
    assert here.launcher.cancelled == ["1"]


def test_a_job_that_leaves_in_time_has_still_taken_too_long(engine: Open) -> None:
    here = engine([running, running, cancelled], trial_time=100.0)
    here.works.start(here.work("a"))
    [ended] = looks(here, 0.0, 100.0, 101.0)
    assert isinstance(ended, EndedAs)
    assert isinstance(ended.end, Failure)
    assert ended.end.kind is FailureKind.TIMEOUT


def test_a_result_that_comes_late_is_a_result(engine: Open) -> None:
    here = engine([running, running, done], trial_time=100.0)
    here.works.start(here.work("a"))
    [ended] = looks(here, 0.0, 100.0, 101.0)
    assert isinstance(ended, EndedAs)
    assert isinstance(ended.end, Result)


def test_a_silent_job_is_tried_on_another_slot_without_the_request_to_stop(engine: Open) -> None:
    here = engine([running] * 9, [running, done], slots=2, stall=60.0, grace=10.0)
    here.works.start(here.work("a"))
    assert looks(here, 0.0, 60.0, 70.0) == []
    assert here.said == [
        "a: no epoch and nothing in its log for 1m (`limits: {stall}`); tried again"
    ]
    assert not (here.folder / "a" / "stop").exists()
    assert here.launcher.submitted[1].needs.not_on == {"slot-0"}
    [ended] = looks(here, 71.0, 200.0)
    assert isinstance(ended, EndedAs)
    assert isinstance(ended.end, Result)


def test_epochs_and_lines_in_the_log_are_signs_of_life(engine: Open) -> None:
    def epoch(folder: Path) -> JobStatus:
        (folder / "metrics.jsonl").write_text(json.dumps(EPOCH) + "\n")
        return JobStatus.RUNNING

    line = writes("log.txt", "step 3", JobStatus.RUNNING)
    here = engine([running, epoch, line, running, done], stall=60.0)
    here.works.start(here.work("a"))
    told = looks(here, 0.0, 59.0, 118.0, 177.0, 236.0)
    assert [type(news) for news in told] == [EpochsOf, EndedAs]
    assert not (here.folder / "a" / "stop").exists()


def test_a_job_that_does_not_leave_with_the_driver_is_killed_and_stays_open(
    engine: Open,
) -> None:
    here = engine([running] * 9, grace=10.0)
    ticket = here.works.start(here.work("a"))
    looks(here, 0.0)
    here.stopping = True
    here.works.ask_all_to_stop()
    assert looks(here, 5.0) == []
    here.works.ask_all_to_stop()  # the driver asks again and again
    assert looks(here, 10.0) == [EndedAs(ticket, None)]
    assert here.said == []
