"""What every launcher promises, whatever its backend."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from fakes.plain_launcher import PlainLauncher

from sweeper.errors import LauncherError
from sweeper.launchers.devices import Slot
from sweeper.launchers.jobs import JobId, JobRequest, JobStatus, Launcher, Needs
from sweeper.launchers.local import LocalLauncher

FAKE_WORKER = Path(__file__).parents[1] / "fakes" / "worker.py"
DEADLINE = 20.0  # seconds; reached only when a promise is broken

Step = Sequence[str | int]
Job = Callable[..., JobRequest]
EPOCH: Step = ["epoch", 1]
FOR_EVER: Step = ["await", "never"]


PROGRAM = (sys.executable, "-I", "-S", str(FAKE_WORKER))


def local(tmp_path: Path, slots: int) -> Launcher:
    return LocalLauncher(
        [Slot(name=f"cpu-{n}", device="cpu", environment={}) for n in range(slots)],
        log_folder=tmp_path / "logs",
    )


def plain(tmp_path: Path, slots: int) -> Launcher:
    return PlainLauncher(slots)


KINDS = {"warm": local, "cold": local, "plain": plain}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Of launcher, and whether its processes stay warm."""
    return str(request.param)


@pytest.fixture
def open_launcher(kind: str, tmp_path: Path) -> Iterator[Callable[[int], Launcher]]:
    opened: list[Launcher] = []

    def open_one(slots: int) -> Launcher:
        opened.append(KINDS[kind](tmp_path, slots))
        return opened[-1]

    yield open_one
    for launcher in opened:
        launcher.close()


@pytest.fixture
def job(kind: str) -> Callable[..., JobRequest]:
    """Makes a folder whose trial.json says what to do, and the request to do it."""

    def make(folder: Path, *steps: Step) -> JobRequest:
        folder.mkdir(parents=True)
        (folder / "trial.json").write_text(json.dumps({"do": steps}))
        worker = PROGRAM if kind == "warm" else None
        return JobRequest(folder=folder, argv=PROGRAM, worker=worker)

    return make


@pytest.fixture
def launcher(open_launcher: Callable[[int], Launcher]) -> Launcher:
    return open_launcher(1)


def ending(launcher: Launcher, job_id: JobId) -> JobStatus:
    """Poll, as a driver does, until the job has ended."""
    deadline = time.monotonic() + DEADLINE
    while not (status := launcher.poll([job_id], timeout=DEADLINE)[job_id].status).is_terminal:
        assert time.monotonic() < deadline, status
    return status


def poll_for_news(launcher: Launcher, *job_ids: JobId) -> list[JobStatus]:
    """Poll once, and fail if that took until the timeout."""
    deadline = time.monotonic() + DEADLINE
    statuses = launcher.poll(job_ids, timeout=DEADLINE)
    assert time.monotonic() < deadline, "no news arrived"
    return [statuses[job_id].status for job_id in job_ids]


def statuses(launcher: Launcher, *job_ids: JobId) -> list[JobStatus]:
    reports = launcher.poll(job_ids, timeout=DEADLINE)
    return [reports[job_id].status for job_id in job_ids]


def statuses_now(launcher: Launcher, *job_ids: JobId) -> list[JobStatus]:
    reports = launcher.poll(job_ids)
    return [reports[job_id].status for job_id in job_ids]


def wait_until_running(launcher: Launcher, job_id: JobId, sign: Path | None = None) -> None:
    """Poll until the job runs and, where it is to give a sign of life, has given it."""
    deadline = time.monotonic() + DEADLINE
    while launcher.poll([job_id], timeout=0.02)[job_id].status is not JobStatus.RUNNING or (
        sign is not None and not sign.exists()
    ):
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("last_step", "expected"),
    [
        (["end", "completed"], {JobStatus.COMPLETED}),
        (["end", "failed"], {JobStatus.FAILED}),
        (["end", "stopped"], {JobStatus.CANCELLED, JobStatus.COMPLETED}),  # nothing went wrong
        (["exit", 1], {JobStatus.LOST, JobStatus.FAILED}),
        (["kill", 9], {JobStatus.LOST}),
    ],
)
def test_job_ends_as_its_trainer_says(
    launcher: Launcher, job: Job, tmp_path: Path, last_step: Step, expected: set[JobStatus]
) -> None:
    job_id = launcher.submit(job(tmp_path / "trial", EPOCH, last_step))
    assert ending(launcher, job_id) in expected


def test_the_report_of_a_job_that_broke_off_says_why(
    launcher: Launcher, job: Job, tmp_path: Path
) -> None:
    killed = launcher.submit(job(tmp_path / "a", ["kill", 9]))
    ending(launcher, killed)
    report = launcher.poll([killed])[killed]
    assert (report.signal, report.exit_code) == (9, None)
    assert "KILL" in report.cause
    for code in (3, 255):  # the latter is the code of no signal
        ended = launcher.submit(job(tmp_path / str(code), ["exit", code]))
        ending(launcher, ended)
        report = launcher.poll([ended])[ended]
        assert (report.signal, report.exit_code) == (None, code)
        assert f"exit code {code}" in report.cause


def test_a_job_finds_the_environment_of_its_request(
    launcher: Launcher, job: Job, tmp_path: Path
) -> None:
    for value in ("one", "another"):
        request = job(tmp_path / value, ["environment", "here"])
        job_id = launcher.submit(replace(request, environment={"SWEEPER_TEST": value}))
        assert ending(launcher, job_id) is JobStatus.COMPLETED
        assert json.loads((tmp_path / value / "here").read_text())["SWEEPER_TEST"] == value


def test_ended_job_stays_as_it_ended(launcher: Launcher, job: Job, tmp_path: Path) -> None:
    job_id = launcher.submit(job(tmp_path / "trial"))
    assert ending(launcher, job_id) is JobStatus.COMPLETED
    launcher.cancel(job_id)
    assert launcher.poll([job_id])[job_id].status is JobStatus.COMPLETED


def test_submitted_job_is_queued_until_it_runs(
    launcher: Launcher, job: Job, tmp_path: Path
) -> None:
    first = launcher.submit(job(tmp_path / "a", EPOCH, FOR_EVER))
    second = launcher.submit(job(tmp_path / "b"))
    wait_until_running(launcher, first)
    reports = launcher.poll([first, second])
    assert [reports[job_id].status for job_id in (first, second)] == [
        JobStatus.RUNNING,
        JobStatus.QUEUED,
    ]


@pytest.mark.parametrize("kind", ["warm", "cold"], indirect=True)
def test_poll_wakes_for_every_news_once(launcher: Launcher, job: Job, tmp_path: Path) -> None:
    job_id = launcher.submit(job(tmp_path / "trial", EPOCH, ["await", "go"]))
    assert poll_for_news(launcher, job_id) == [JobStatus.RUNNING]
    (tmp_path / "trial" / "go").touch()
    assert poll_for_news(launcher, job_id) == [JobStatus.COMPLETED]


@pytest.mark.parametrize("last_step", [["end", "completed"], ["exit", 1]])
def test_poll_wakes_for_the_end_of_any_job(
    launcher: Launcher, job: Job, tmp_path: Path, last_step: Step
) -> None:
    launcher.submit(job(tmp_path / "a", last_step))
    waiting = launcher.submit(job(tmp_path / "b", FOR_EVER))
    poll_for_news(launcher, waiting)


def test_two_slots_run_two_jobs_at_the_same_time(
    open_launcher: Callable[[int], Launcher], job: Job, tmp_path: Path
) -> None:
    launcher = open_launcher(2)
    assert [slot.device for slot in launcher.slots()] == ["cpu", "cpu"]
    other = {"a": "b", "b": "a"}
    ids = [
        launcher.submit(
            job(tmp_path / name, ["environment", "here"], ["await", f"../{other[name]}/here"])
        )
        for name in other
    ]
    assert [ending(launcher, job_id) for job_id in ids] == [JobStatus.COMPLETED] * 2


def test_more_jobs_than_slots_run_in_order_of_submission(
    launcher: Launcher, job: Job, tmp_path: Path
) -> None:
    ids = [launcher.submit(job(tmp_path / str(n), ["environment", "here"])) for n in range(4)]
    assert ending(launcher, ids[-1]) is JobStatus.COMPLETED
    assert set(statuses(launcher, *ids)) == {JobStatus.COMPLETED}
    assert all(launcher.attach(job_id) for job_id in ids)
    starts = [(tmp_path / str(n) / "here").stat().st_mtime_ns for n in range(4)]
    assert starts == sorted(starts)


def test_death_of_one_job_leaves_the_next_alone(
    launcher: Launcher, job: Job, tmp_path: Path
) -> None:
    dying = launcher.submit(job(tmp_path / "a", ["exit", 9]))
    living = launcher.submit(job(tmp_path / "b"))
    assert ending(launcher, dying) in (JobStatus.LOST, JobStatus.FAILED)
    assert ending(launcher, living) is JobStatus.COMPLETED


def test_cancel_stops_a_running_job(launcher: Launcher, job: Job, tmp_path: Path) -> None:
    job_id = launcher.submit(job(tmp_path / "a", EPOCH, FOR_EVER))
    wait_until_running(launcher, job_id)
    launcher.cancel(job_id)
    assert ending(launcher, job_id) is JobStatus.CANCELLED
    assert ending(launcher, launcher.submit(job(tmp_path / "b"))) is JobStatus.COMPLETED


def test_cancelled_job_of_the_queue_never_starts(
    launcher: Launcher, job: Job, tmp_path: Path
) -> None:
    running = launcher.submit(job(tmp_path / "a", ["await", "go"]))
    queued = launcher.submit(job(tmp_path / "b", ["environment", "here"]))
    last = launcher.submit(job(tmp_path / "c"))
    launcher.cancel(queued)
    (tmp_path / "a" / "go").touch()
    assert ending(launcher, last) is JobStatus.COMPLETED
    assert statuses(launcher, running, queued) == [JobStatus.COMPLETED, JobStatus.CANCELLED]
    assert not (tmp_path / "b" / "here").exists()


def test_cancel_twice_is_harmless(launcher: Launcher, job: Job, tmp_path: Path) -> None:
    job_id = launcher.submit(job(tmp_path / "trial", FOR_EVER))
    launcher.cancel(job_id)
    launcher.cancel(job_id)
    assert ending(launcher, job_id) is JobStatus.CANCELLED


@pytest.mark.parametrize("kind", ["warm", "cold"], indirect=True)
def test_cancel_takes_a_daemonised_process_along(
    launcher: Launcher, job: Job, tmp_path: Path
) -> None:
    job_id = launcher.submit(job(tmp_path / "trial", ["daemon", "pid"], EPOCH, FOR_EVER))
    assert poll_for_news(launcher, job_id) == [JobStatus.RUNNING]
    daemon = psutil.Process(int((tmp_path / "trial" / "pid").read_text()))
    launcher.cancel(job_id)
    daemon.wait(DEADLINE)


def slot_of(launcher: Launcher, request: JobRequest, *not_on: str) -> str:
    """Where a job has run that was to be kept off some slots."""
    needs = replace(request.needs, not_on=frozenset(not_on))
    job_id = launcher.submit(replace(request, needs=needs))
    assert ending(launcher, job_id) is JobStatus.COMPLETED
    return launcher.poll([job_id])[job_id].slot


def test_a_job_runs_on_no_slot_that_it_excludes_while_others_are_left(
    open_launcher: Callable[[int], Launcher], job: Job, tmp_path: Path
) -> None:
    launcher = open_launcher(2)
    first, second = (slot.name for slot in launcher.slots())
    for number, (excluded, other) in enumerate([(first, second), (second, first)] * 2):
        assert slot_of(launcher, job(tmp_path / str(number)), excluded) == other
    assert slot_of(launcher, job(tmp_path / "all"), first, second) in (first, second)


def test_a_job_that_waits_for_another_slot_holds_nobody_up(
    open_launcher: Callable[[int], Launcher], job: Job, tmp_path: Path
) -> None:
    launcher = open_launcher(2)
    first, second = (slot.name for slot in launcher.slots())
    at_work = launcher.submit(job(tmp_path / "a", ["await", "go"]))
    wait_until_running(launcher, at_work)
    mine = launcher.poll([at_work])[at_work].slot
    needs = Needs(not_on=frozenset({first, second} - {mine}))
    waiting = launcher.submit(replace(job(tmp_path / "b"), needs=needs))
    assert slot_of(launcher, job(tmp_path / "c")) != mine
    (tmp_path / "a" / "go").touch()
    assert ending(launcher, waiting) is JobStatus.COMPLETED
    assert launcher.poll([waiting])[waiting].slot == mine


def test_a_job_that_is_to_be_alone_waits_for_those_in_hand_and_new_ones_for_it(
    open_launcher: Callable[[int], Launcher], job: Job, tmp_path: Path
) -> None:
    launcher = open_launcher(3)
    at_work = launcher.submit(job(tmp_path / "a", ["await", "go"]))
    wait_until_running(launcher, at_work)
    request = job(tmp_path / "b", ["environment", "here"], ["await", "go"])
    alone = launcher.submit(replace(request, needs=Needs(alone_on="device")))
    later = launcher.submit(job(tmp_path / "c", ["environment", "here"]))
    queued = JobStatus.QUEUED
    assert statuses_now(launcher, alone, later) == [queued, queued]
    (tmp_path / "a" / "go").touch()
    assert ending(launcher, at_work) is JobStatus.COMPLETED
    wait_until_running(launcher, alone, tmp_path / "b" / "here")
    assert statuses_now(launcher, later) == [queued]
    (tmp_path / "b" / "go").touch()
    assert ending(launcher, alone) is JobStatus.COMPLETED
    assert ending(launcher, later) is JobStatus.COMPLETED


def test_a_retired_slot_takes_no_further_job(
    open_launcher: Callable[[int], Launcher], job: Job, tmp_path: Path
) -> None:
    launcher = open_launcher(2)
    slot_of(launcher, job(tmp_path / "before"))
    first, second = (slot.name for slot in launcher.slots())
    launcher.retire(first)
    assert [slot.name for slot in launcher.slots()] == [second]
    names = [slot_of(launcher, job(tmp_path / str(number)), second) for number in range(2)]
    assert names == [second] * 2


def test_slots_are_added_beside_those_that_there_are(
    open_launcher: Callable[[int], Launcher], job: Job, tmp_path: Path
) -> None:
    launcher = open_launcher(2)
    first, second = (slot.name for slot in launcher.slots())
    launcher.retire(second)
    launcher.add(2)
    names = [slot.name for slot in launcher.slots()]
    assert names[0] == first
    assert len(set(names)) == 3
    assert second not in names  # whatever it lost is not held against another
    ids = [launcher.submit(job(tmp_path / str(n), EPOCH, ["await", "go"])) for n in range(3)]
    for job_id in ids:
        wait_until_running(launcher, job_id)
    assert {report.slot for report in launcher.poll(ids).values()} == set(names)


def test_a_job_after_a_renewal_has_a_process_of_its_own(
    launcher: Launcher, job: Job, tmp_path: Path
) -> None:
    pids = []
    for name in ("a", "b"):
        slot = slot_of(launcher, job(tmp_path / name, ["environment", "here"]))
        pids.append(json.loads((tmp_path / name / "here").read_text())["pid"])
        launcher.renew(slot)
    assert len(set(pids)) == 2


def test_unknown_job_is_lost(launcher: Launcher) -> None:
    stranger = JobId("of-a-driver-that-died")
    assert statuses(launcher, stranger) == [JobStatus.LOST]
    assert not launcher.attach(stranger)
    launcher.cancel(stranger)


@pytest.mark.parametrize("kind", ["warm", "cold"], indirect=True)
def test_close_ends_what_runs_and_takes_no_more(
    launcher: Launcher, job: Job, tmp_path: Path
) -> None:
    job_id = launcher.submit(job(tmp_path / "a", ["daemon", "pid"], EPOCH, FOR_EVER))
    assert poll_for_news(launcher, job_id) == [JobStatus.RUNNING]
    daemon = psutil.Process(int((tmp_path / "a" / "pid").read_text()))
    launcher.close()
    launcher.close()
    daemon.wait(DEADLINE)
    assert statuses(launcher, job_id) == [JobStatus.CANCELLED]
    with pytest.raises(LauncherError, match="closed"):
        launcher.submit(job(tmp_path / "b"))
