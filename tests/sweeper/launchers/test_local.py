"""What the local launcher promises beyond the contract of all launchers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from fakes.fake_nvml import Card, Cards

from sweeper.errors import LauncherError, LauncherUnavailable
from sweeper.launchers.devices import GpuShare, Slot
from sweeper.launchers.jobs import JobId, JobRequest, JobStatus, Needs, Room
from sweeper.launchers.leases import GpuLeases, Lease, lock_name
from sweeper.launchers.local import LocalLauncher, find_slots, open_local

FAKE_WORKER = Path(__file__).parents[2] / "fakes" / "worker.py"
COMMAND = (sys.executable, "-I", "-S", str(FAKE_WORKER))
DEADLINE = 20.0  # seconds; reached only when a promise is broken
Step = Sequence[str | int]
EPOCH: Step = ["epoch", 1]
FOR_EVER: Step = ["await", "never"]
DRIVER = """
import signal, sys
from pathlib import Path
from sweeper.launchers.jobs import JobRequest
from sweeper.launchers.local import open_local

signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
logs, folder, *command = sys.argv[1:]
launcher = open_local(devices="cpu", log_folder=Path(logs))
request = JobRequest(folder=Path(folder), argv=tuple(command), worker=tuple(command))
job = launcher.submit(request)
launcher.poll([job], timeout=20.0)
print("running", flush=True)
while not (status := launcher.poll([job], timeout=0.05)[job].status).is_terminal:
    pass
print(status.value, flush=True)
launcher.close()
"""

Open = Callable[..., LocalLauncher]


def cpu_slots(count: int) -> list[Slot]:
    return [
        Slot(name=f"cpu-{n}", device="cpu", environment={"HIDDEN": "yes"}) for n in range(count)
    ]


@pytest.fixture
def open_launcher(tmp_path: Path) -> Iterator[Open]:
    opened: list[LocalLauncher] = []

    def open_one(slots: Sequence[Slot] | int = 1, **settings: Any) -> LocalLauncher:
        settings = {"log_folder": tmp_path / "logs", **settings}
        opened.append(
            LocalLauncher(cpu_slots(slots) if isinstance(slots, int) else slots, **settings)
        )
        return opened[-1]

    yield open_one
    for launcher in opened:
        launcher.close()


def job(
    folder: Path, *steps: Step, threads: int = 1, worker: tuple[str, ...] | None = COMMAND
) -> JobRequest:
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text(json.dumps({"do": steps}))
    return JobRequest(folder=folder, argv=COMMAND, worker=worker, needs=Needs(threads=threads))


def ending(launcher: LocalLauncher, job_id: JobId) -> JobStatus:
    deadline = time.monotonic() + DEADLINE
    while not (status := launcher.poll([job_id], timeout=DEADLINE)[job_id].status).is_terminal:
        assert time.monotonic() < deadline, status
    return status


def run(launcher: LocalLauncher, folder: Path, **settings: Any) -> dict[str, str]:
    """Run a job and return the environment that it found."""
    job_id = launcher.submit(job(folder, ["environment", "here"], **settings))
    assert ending(launcher, job_id) is JobStatus.COMPLETED
    found: dict[str, str] = json.loads((folder / "here").read_text())
    return found


def test_no_process_starts_before_the_first_job(open_launcher: Open, tmp_path: Path) -> None:
    launcher = open_launcher(2)
    launcher.poll([])
    assert launcher.guard_pids == {}
    run(launcher, tmp_path / "a")
    assert list(launcher.guard_pids) == ["cpu-0"]


def test_a_worker_that_was_started_early_takes_the_first_job(
    open_launcher: Open, tmp_path: Path
) -> None:
    launcher = open_launcher(2)
    launcher.warm_up(job(tmp_path / "warm"))
    launcher.warm_up(job(tmp_path / "warmer"))
    assert list(launcher.guard_pids) == ["cpu-0"]
    guard = launcher.guard_pids["cpu-0"]
    run(launcher, tmp_path / "a")
    assert launcher.guard_pids == {"cpu-0": guard}


def test_warm_worker_takes_the_next_job(open_launcher: Open, tmp_path: Path) -> None:
    launcher = open_launcher()
    assert run(launcher, tmp_path / "a")["pid"] == run(launcher, tmp_path / "b")["pid"]


def test_job_finds_its_slots_environment_and_threads(open_launcher: Open, tmp_path: Path) -> None:
    environment = run(open_launcher(), tmp_path / "a", threads=3)
    names = ("HIDDEN", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH")
    assert [environment[name] for name in names] == ["yes", "3", "3", "3", os.environ["PATH"]]


def test_job_with_other_threads_gets_another_worker(open_launcher: Open, tmp_path: Path) -> None:
    launcher = open_launcher()
    first = run(launcher, tmp_path / "a", threads=1)
    second = run(launcher, tmp_path / "b", threads=2)
    assert first["pid"] != second["pid"]
    assert second["OMP_NUM_THREADS"] == "2"
    assert not psutil.pid_exists(int(first["pid"]))


def test_killed_worker_is_replaced_and_the_log_says_what_happened(
    open_launcher: Open, tmp_path: Path
) -> None:
    launcher = open_launcher()
    lost = launcher.submit(job(tmp_path / "a", EPOCH, FOR_EVER))
    launcher.poll([lost], timeout=DEADLINE)
    (worker,) = psutil.Process(launcher.guard_pids["cpu-0"]).children()
    worker.kill()
    assert ending(launcher, lost) is JobStatus.LOST
    log = (tmp_path / "logs" / "worker-cpu-0.log").read_text()
    assert log == (f"sweeper: the worker was killed by SIGKILL during {tmp_path}/a\n")
    run(launcher, tmp_path / "b")


def kill_idle_worker(launcher: LocalLauncher) -> None:
    guard = launcher.guard_pids["cpu-0"]
    (worker,) = psutil.Process(guard).children()
    worker.kill()
    os.waitid(os.P_PID, guard, os.WEXITED | os.WNOWAIT)


def test_worker_that_dies_idle_takes_no_job_with_it(open_launcher: Open, tmp_path: Path) -> None:
    launcher = open_launcher()
    first = run(launcher, tmp_path / "a")
    kill_idle_worker(launcher)
    assert run(launcher, tmp_path / "b")["pid"] != first["pid"]


def test_garbage_on_stdout_is_ignored(open_launcher: Open, tmp_path: Path) -> None:
    launcher = open_launcher()
    steps = [
        ["print", text]
        for text in (
            "Epoch 1: 100%",
            '{"event": "epoch"}',
            '{"event": "ended", "folder": "/another", "status": "failed"}',
            '{"event": 5}',
            "{",
        )
    ]
    job_id = launcher.submit(job(tmp_path / "a", *steps))
    assert ending(launcher, job_id) is JobStatus.COMPLETED


def test_end_that_was_said_before_the_cancel_counts(open_launcher: Open, tmp_path: Path) -> None:
    launcher = open_launcher()
    run(launcher, tmp_path / "a")  # a warm worker takes the next job without a poll
    end = json.dumps({"event": "ended", "folder": f"{tmp_path}/b", "status": "completed"})
    job_id = launcher.submit(job(tmp_path / "b", ["print", end], ["environment", "here"]))
    deadline = time.monotonic() + DEADLINE
    while not (tmp_path / "b" / "here").exists():
        assert time.monotonic() < deadline
    launcher.cancel(job_id)
    assert launcher.poll([job_id])[job_id].status is JobStatus.COMPLETED


def test_end_with_a_status_that_nobody_knows_is_a_failure(
    open_launcher: Open, tmp_path: Path
) -> None:
    launcher = open_launcher()
    job_id = launcher.submit(job(tmp_path / "a", ["end", "exhausted"]))
    assert ending(launcher, job_id) is JobStatus.FAILED


def test_worker_that_never_gets_ready_is_an_error_with_its_last_words(
    open_launcher: Open, tmp_path: Path
) -> None:
    program = "import sys; sys.exit('No module named torch')"
    launcher = open_launcher()
    worker = (sys.executable, "-I", "-S", "-c", program)
    job_id = launcher.submit(job(tmp_path / "a", worker=worker))
    with pytest.raises(
        LauncherError,
        match=r"(?s)cpu-0 ended with exit code 1 before it was ready"
        r", 3 times.*Command: .*End of its log:\nNo module named torch$",
    ):
        launcher.poll([job_id], timeout=DEADLINE)
    log = (tmp_path / "logs" / "worker-cpu-0.log").read_text()
    assert log.count("No module named torch") == 3


def test_worker_that_fails_to_start_twice_gets_a_third_chance_every_time(
    open_launcher: Open, tmp_path: Path
) -> None:
    program = f"""
import os, runpy, sys
with open({str(tmp_path / "starts")!r}, "a") as file:
    file.write("x")
    if file.tell() % 3:
        sys.exit(1)
runpy.run_path({str(FAKE_WORKER)!r}, run_name="__main__")
"""
    launcher, worker = open_launcher(), (sys.executable, "-I", "-S", "-c", program)
    run(launcher, tmp_path / "a", worker=worker)
    kill_idle_worker(launcher)
    run(launcher, tmp_path / "b", worker=worker)
    assert (tmp_path / "starts").read_text() == 6 * "x"


def test_worker_command_that_does_not_exist_is_named(open_launcher: Open, tmp_path: Path) -> None:
    launcher = open_launcher()
    job_id = launcher.submit(job(tmp_path / "a", worker=("no-such-trainer",)))
    with pytest.raises(LauncherError, match="cannot start 'no-such-trainer'"):
        launcher.poll([job_id], timeout=DEADLINE)


def test_log_folder_that_cannot_be_made_is_an_error_of_poll(
    open_launcher: Open, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    launcher = open_launcher(log_folder=tmp_path / "file" / "logs")
    job_id = launcher.submit(job(tmp_path / "a"))
    with pytest.raises(LauncherError, match="Cannot start a worker"):
        launcher.poll([job_id], timeout=DEADLINE)


def test_launcher_needs_a_slot(open_launcher: Open) -> None:
    with pytest.raises(LauncherUnavailable, match="no slot"):
        open_launcher(0)


def test_opening_on_the_cpu_gives_the_slots_asked_for(tmp_path: Path) -> None:
    with open_local(devices="cpu", slots_per_device=3, log_folder=tmp_path) as launcher:
        assert [slot.device for slot in launcher.slots()] == ["cpu"] * 3


def test_slots_are_found_without_starting_anything() -> None:
    assert [slot.name for slot in find_slots(devices="cpu", slots_per_device=2)] == [
        "cpu-0",
        "cpu-1",
    ]


def test_a_gpu_that_is_free_is_added_and_one_that_others_use_is_not(
    open_launcher: Open, tmp_path: Path
) -> None:
    leases = GpuLeases(Cards([Card(), Card(pids=[1]), Card()]), folder=tmp_path / "slots")
    launcher = open_launcher([gpu_slot()], leases=leases)
    with pytest.raises(LauncherUnavailable, match="1 can be had: GPU 1 is used by other programs"):
        launcher.add(2)
    assert [slot.name for slot in launcher.slots()] == ["gpu-0"]
    launcher.add(1)
    assert [slot.name for slot in launcher.slots()] == ["gpu-0", "gpu-2"]
    assert leases.refusal(GpuShare(uuid="GPU-c", index=2, share=0, shares=1)) is None  # not taken


def test_a_gpu_is_given_back_once_its_job_has_ended(open_launcher: Open, tmp_path: Path) -> None:
    slot = gpu_slot()
    assert slot.share is not None
    leases = GpuLeases(Cards([Card(), Card()]), folder=tmp_path / "slots")
    launcher = open_launcher([slot], leases=leases)
    job_id = launcher.submit(job(tmp_path / "trial", EPOCH, ["await", "go"]))
    launcher.poll([job_id], timeout=DEADLINE)
    launcher.add(1)
    launcher.retire("gpu-0")
    assert leases.refusal(slot.share) == "GPU 0 is in use by another driver"
    (tmp_path / "trial" / "go").touch()
    launcher.poll([job_id], timeout=DEADLINE)
    launcher.poll([])
    assert leases.refusal(slot.share) is None


def gpu_slot() -> Slot:
    share = GpuShare(uuid="GPU-a", index=0, share=0, shares=1)
    return Slot(name="gpu-0", device="cuda", environment={}, share=share)


def shared_cards(count: int) -> list[Slot]:
    """Cards of two slots each, the first slots of all before the second ones."""
    return [
        Slot(
            name=f"gpu-{index}-{share}",
            device="cuda",
            environment={},
            share=GpuShare(uuid=f"GPU-{'abc'[index]}", index=index, share=share, shares=2),
        )
        for share in range(2)
        for index in range(count)
    ]


def on_cards(open_launcher: Open, count: int, folder: Path) -> LocalLauncher:
    leases = GpuLeases(Cards([Card() for _ in range(count)]), folder=folder / "slots")
    return open_launcher(shared_cards(count), leases=leases)


def wait_for_run(launcher: LocalLauncher, job_id: JobId) -> str:
    deadline = time.monotonic() + DEADLINE
    while (report := launcher.poll([job_id], timeout=0.02)[job_id]).status is JobStatus.QUEUED:
        assert time.monotonic() < deadline
    return report.slot


def alone(request: JobRequest, room: Room) -> JobRequest:
    return replace(request, needs=replace(request.needs, alone_on=room))


def test_a_job_has_one_card_alone_while_others_go_on_with_theirs(
    open_launcher: Open, tmp_path: Path
) -> None:
    launcher = on_cards(open_launcher, 2, tmp_path)
    busy = launcher.submit(job(tmp_path / "a", ["await", "go"]))
    assert wait_for_run(launcher, busy) == "gpu-0-0"
    first = launcher.submit(alone(job(tmp_path / "b", ["await", "go"]), "device"))
    assert wait_for_run(launcher, first) == "gpu-1-0"  # the card that was empty
    beside = launcher.submit(job(tmp_path / "c", ["await", "go"]))
    assert wait_for_run(launcher, beside) == "gpu-0-1"
    last = launcher.submit(job(tmp_path / "d"))
    second = launcher.submit(alone(job(tmp_path / "e"), "device"))
    assert sorted(launcher.guard_pids) == ["gpu-0-0", "gpu-0-1", "gpu-1-0"]
    for name in ("a", "b", "c"):
        (tmp_path / name / "go").touch()
    assert ending(launcher, second) is JobStatus.COMPLETED
    assert ending(launcher, last) is JobStatus.COMPLETED


def test_a_job_that_is_alone_on_the_host_waits_for_every_card(
    open_launcher: Open, tmp_path: Path
) -> None:
    launcher = on_cards(open_launcher, 2, tmp_path)
    busy = launcher.submit(job(tmp_path / "a", ["await", "go"]))
    wait_for_run(launcher, busy)
    hungry = launcher.submit(alone(job(tmp_path / "b", ["await", "go"]), "host"))
    assert launcher.poll([hungry], timeout=0.02)[hungry].status is JobStatus.QUEUED
    (tmp_path / "a" / "go").touch()
    slot = wait_for_run(launcher, hungry)
    other = launcher.submit(job(tmp_path / "c"))
    assert list(launcher.guard_pids) == [slot]  # no process began for the other
    (tmp_path / "b" / "go").touch()
    assert ending(launcher, other) is JobStatus.COMPLETED


def test_idle_workers_give_their_memory_to_a_job_that_is_alone(
    open_launcher: Open, tmp_path: Path
) -> None:
    launcher = open_launcher(2)
    both = [launcher.submit(job(tmp_path / name, ["await", "go"])) for name in ("a", "b")]
    for name, job_id in zip("ab", both, strict=True):
        wait_for_run(launcher, job_id)
        (tmp_path / name / "go").touch()
        ending(launcher, job_id)
    assert len(launcher.guard_pids) == 2
    hungry = launcher.submit(alone(job(tmp_path / "c", ["await", "go"]), "device"))
    slot = wait_for_run(launcher, hungry)
    assert list(launcher.guard_pids) == [slot]


def test_job_waits_while_a_foreign_process_is_on_the_card(
    open_launcher: Open, tmp_path: Path
) -> None:
    card = Card(pids=[1])
    leases = GpuLeases(Cards([card]), folder=tmp_path / "slots")
    launcher = open_launcher([gpu_slot()], leases=leases, retry_interval=0.01)
    job_id = launcher.submit(job(tmp_path / "a"))
    assert launcher.poll([job_id], timeout=0.05)[job_id].status is JobStatus.QUEUED
    assert launcher.refusals == {"gpu-0": "GPU 0 is used by other programs (process 1)"}
    card.pids = ()
    assert ending(launcher, job_id) is JobStatus.COMPLETED
    assert launcher.refusals == {}


def test_nothing_is_refused_where_no_job_waits(open_launcher: Open, tmp_path: Path) -> None:
    leases = GpuLeases(Cards([Card(pids=[1])]), folder=tmp_path / "slots")
    launcher = open_launcher([gpu_slot()], leases=leases)
    launcher.cancel(launcher.submit(job(tmp_path / "a")))
    assert launcher.refusals == {}


def test_card_is_leased_as_long_as_a_worker_lives_on_it(
    open_launcher: Open, tmp_path: Path
) -> None:
    slot = gpu_slot()
    assert slot.share is not None
    leases = GpuLeases(Cards([Card()]), folder=tmp_path / "slots")
    launcher = open_launcher([slot], leases=leases)
    assert launcher.slots()[0].device == "cuda"
    run(launcher, tmp_path / "a")
    lock = tmp_path / "slots" / lock_name(slot.share)
    assert lock.read_text() == str(launcher.guard_pids["gpu-0"])
    assert leases.acquire(slot.share) == "GPU 0 is in use by another driver"
    launcher.close()
    assert isinstance(leases.acquire(slot.share), Lease)


def test_lease_is_given_back_when_no_worker_can_be_started(
    open_launcher: Open, tmp_path: Path
) -> None:
    slot = gpu_slot()
    assert slot.share is not None
    (tmp_path / "file").touch()
    leases = GpuLeases(Cards([Card()]), folder=tmp_path / "slots")
    launcher = open_launcher([slot], leases=leases, log_folder=tmp_path / "file")
    launcher.submit(job(tmp_path / "a"))
    assert isinstance(leases.acquire(slot.share), Lease)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A driver in a process group of its own, whose one job runs until the file `go` appears."""
    job(tmp_path / "a", ["daemon", "daemon"], ["environment", "here"], EPOCH, ["await", "go"])
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "logs"), str(tmp_path / "a"), *COMMAND],
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        yield process
        process.kill()


def test_interrupt_of_the_drivers_group_leaves_the_job_alone(
    driver: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "interrupted\n"
    (tmp_path / "a" / "go").touch()
    assert driver.stdout.readline() == "completed\n"


def test_killed_driver_takes_worker_and_daemon_along(
    driver: subprocess.Popen[str], tmp_path: Path
) -> None:
    pids = [
        json.loads((tmp_path / "a" / "here").read_text())["pid"],
        int((tmp_path / "a" / "daemon").read_text()),
    ]
    processes = [psutil.Process(pid) for pid in pids]
    driver.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=DEADLINE)
    assert not alive


def test_a_lost_job_names_the_log_in_which_its_end_stands(
    open_launcher: Open, tmp_path: Path
) -> None:
    launcher = open_launcher()
    lost = launcher.submit(job(tmp_path / "a", ["kill", signal.SIGSEGV]))
    ending(launcher, lost)
    report = launcher.poll([lost])[lost]
    log = tmp_path / "logs" / "worker-cpu-0.log"
    assert report.cause == "the worker of slot cpu-0 was ended by SIGSEGV"
    assert (report.signal, report.slot, report.log) == (signal.SIGSEGV, "cpu-0", log)
    assert "was ended by SIGSEGV" in log.read_text()


def test_a_job_without_a_worker_gets_a_process_of_its_own_and_keeps_its_log(
    open_launcher: Open, tmp_path: Path
) -> None:
    launcher = open_launcher()
    first = run(launcher, tmp_path / "a", worker=None)
    cold = launcher.submit(job(tmp_path / "b", ["print", "hello"], worker=None))
    assert ending(launcher, cold) is JobStatus.COMPLETED
    assert "hello" in (tmp_path / "b" / "log.txt").read_text()
    assert run(launcher, tmp_path / "c", worker=None)["pid"] != first["pid"]
    run(launcher, tmp_path / "d")  # a warm one takes the slot again


def test_a_job_of_its_own_that_reads_finds_nothing_to_read(
    open_launcher: Open, tmp_path: Path
) -> None:
    """It would wait for ever where the driver held the other end."""
    launcher = open_launcher()
    job_id = launcher.submit(job(tmp_path / "a", ["read", "heard"], worker=None))
    assert ending(launcher, job_id) is JobStatus.COMPLETED
    assert (tmp_path / "a" / "heard").read_text() == ""


def test_a_job_of_its_own_says_in_its_log_why_it_ended(open_launcher: Open, tmp_path: Path) -> None:
    launcher = open_launcher()
    job_id = launcher.submit(job(tmp_path / "a", ["no such step", 1], worker=None))
    assert ending(launcher, job_id) is JobStatus.FAILED
    log = tmp_path / "a" / "log.txt"
    report = launcher.poll([job_id])[job_id]
    assert (report.cause, report.log) == ("the job on slot cpu-0 ended with exit code 1", log)
    assert "ValueError: no such step" in log.read_text()


def test_a_worker_of_another_environment_is_another_worker(
    open_launcher: Open, tmp_path: Path
) -> None:
    launcher = open_launcher()
    pids = []
    for name, environment in {
        "a": {"X": "1", "Y": "2"},
        "b": {"Y": "2", "X": "1"},
        "c": {"X": "1"},
    }.items():
        request = replace(job(tmp_path / name, ["environment", "here"]), environment=environment)
        assert ending(launcher, launcher.submit(request)) is JobStatus.COMPLETED
        pids.append(json.loads((tmp_path / name / "here").read_text())["pid"])
    assert pids[0] == pids[1] != pids[2]
