"""Trial folders of a program, worked through in this process."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import filelock
import psutil
import pytest
from fakes.waiting import wait_for

from sweeper.outcomes import (
    LOG,
    STOP,
    TRIAL,
    Check,
    Failure,
    Result,
    job_digest,
    read_epochs,
    read_json,
    write_json_atomic,
)
from sweeper.trainers import Surroundings, command_trainer
from sweeper.trainers.command import process, work
from sweeper.trainers.command.left import read_own
from sweeper.trainers.command.work import work_through

PROGRAM = str(Path(__file__).parents[3] / "fakes" / "tiny_program.py")
SECTION: dict[str, Any] = {
    "command": [sys.executable, PROGRAM, "--out=${trial.dir}/out", "${args}"],
    "results": {"file": "${trial.dir}/out/metrics.json", "metrics": {"accuracy": "/eval/accuracy"}},
    "params": {"rate": 0.5, "epochs": 2, "how": "well"},
}

NUMBER = {"stdout": r"accuracy=(?P<accuracy>)"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "sweeps" / "my study ü" / "trials" / "0003"
    made.mkdir(parents=True)
    return made


def ask(folder: Path, *, controls: list[str] | None = None, how: str = "well", **keys: Any) -> None:
    """Write the folder's job: ``keys`` are those of the study file."""
    section = {**SECTION, **keys}
    section["params"] = {**section["params"], "how": how}
    training = command_trainer().training(
        section, seed=None, repeat=0, below=folder.parents[3], trusted=False
    )
    job = training.job(Surroundings(stages=Path("../../../stages")), controls=controls)
    write_json_atomic(folder / TRIAL, job)


def failure(folder: Path) -> Failure:
    assert work_through(folder) == "failed"
    left = read_own(folder)
    assert isinstance(left, Failure)
    return left


def test_a_program_that_ends_well_has_a_result_and_its_curve(folder: Path) -> None:
    pattern = {"stdout": r"epoch (?P<step>\d+): accuracy=(?P<accuracy>)", "step": "step"}
    ask(folder, results=[SECTION["results"], pattern])
    told: list[str] = []
    assert work_through(folder, on_epoch=lambda: told.append("epoch")) == "completed"
    left = read_own(folder)
    assert isinstance(left, Result)
    assert left.score == 0.25
    epochs = read_epochs(folder)[0]
    assert [(epoch.epoch, epoch.score) for epoch in epochs] == [(1, 0.5), (2, 0.25)]
    assert told == ["epoch", "epoch"]
    assert work_through(folder) == "completed"
    assert (folder / "out/runs").read_text() == "once\n"


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("exits 3", "error", "run ended with exit code 3, and printed nothing"),
        ("runs out of memory", "error", "end of its log: torch.OutOfMemoryError: CUDA out of"),
        ("is killed", "killed", "run was ended by signal 9"),
        ("writes nothing", "bad_result", "no new result: no file matches"),
        ("writes half", "bad_result", "metrics.json"),
        ("diverges", "not_finite", "accuracy is nan"),
        ("names it otherwise", "bad_result", "acc"),
    ],
)
def test_what_went_wrong_is_named(folder: Path, how: str, kind: str, words: str) -> None:
    ask(folder, how=how)
    found = failure(folder)
    assert found.kind.value == kind
    assert words in found.message


def test_a_result_that_was_there_before_is_none(folder: Path) -> None:
    (folder / "out").mkdir()
    old = folder / "out/metrics.json"
    old.write_text('{"eval": {"accuracy": 0.9}}')
    os.utime(old, (1_000_000_000, 1_000_000_000))
    ask(folder, how="writes nothing")
    assert "older than the trial" in failure(folder).message
    ask(folder, how="writes nothing", fresh=["${trial.dir}/out/*.json"])
    assert "no file matches" in failure(folder).message
    assert not old.exists()


@pytest.mark.parametrize("how", ["hangs", "ignores SIGTERM"])
def test_a_program_that_never_ends_is_ended(
    folder: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "GRACE", 0.2)
    ask(folder, how=how, time_limit=1.0)
    found = failure(folder)
    assert found.kind.value == "timeout"
    assert "run was ended after 1 s, its time_limit; the end of its log: ready" in found.message


@pytest.mark.parametrize("how", ["leaves a child", "leaves a child that left its session"])
def test_no_child_is_left_behind(folder: Path, how: str) -> None:
    ask(folder, how=how)
    assert work_through(folder) == "completed"
    pid = int((folder / "out/child").read_text())
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_of_a_flood_both_ends_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.Log.__init__, "__kwdefaults__", {"limit": 2**20})
    ask(folder, how="floods")
    assert work_through(folder) == "completed"
    sizes = [(folder / name).stat().st_size for name in (LOG, "log.head.txt")]
    assert max(sizes) < 2**20 + process.BLOCK + 1
    assert "used rate: 0.5" in (folder / LOG).read_text()


def test_a_value_that_was_not_used_is_told(folder: Path) -> None:
    effective = {"rate": {"stdout": r"used rate: (?P<v>\S+)"}}
    ask(folder, effective=effective)
    assert work_through(folder) == "completed"
    ask(folder, effective=effective, how="ignores its rate")
    found = failure(folder)
    assert found.kind.value == "not_applied"
    assert found.message == "rate: the program has used 0.125, and was given 0.5"


def test_a_line_that_must_not_come_ends_it(folder: Path) -> None:
    ask(folder, how="diverges", abort_if="accuracy=nan")
    found = failure(folder)
    assert found.kind.value == "not_finite"
    assert "abort_if: epoch 1: accuracy=nan" in found.message


def test_a_program_or_a_folder_that_is_not_there_is_told(folder: Path) -> None:
    ask(folder, command=["no-such-program"])
    assert "'no-such-program' cannot be run in" in failure(folder).message
    ask(folder, cwd="nowhere")
    assert "nowhere: No such file" in failure(folder).message


def test_one_that_is_asked_to_stop_leaves_no_result(folder: Path) -> None:
    ask(folder, how="hangs")
    (folder / STOP).touch()
    assert work_through(folder) == "stopped"
    assert read_own(folder) is None


def test_one_that_asks_whether_to_stop_has_time_to_and_its_numbers_are_no_result(
    folder: Path,
) -> None:
    code = (
        "import time; from sweeper.client import done, report, should_stop\n"
        "report(step=1, score=0.5)\n"
        "while not should_stop(): time.sleep(0.01)\n"
        "open('left', 'w').close(); done(score=0.5)"
    )
    ask(folder, command=[sys.executable, "-c", code], results=None)
    assert work_through(folder, on_epoch=(folder / STOP).touch) == "stopped"
    assert (folder.parents[3] / "left").exists()
    assert read_own(folder) is None
    (folder / STOP).unlink()
    ask(folder, command=[sys.executable, "-c", code.replace("while not", "if")], results=None)
    assert work_through(folder) == "completed"


def test_a_step_that_has_ended_well_is_not_run_again(folder: Path) -> None:
    train = [*SECTION["command"][:2], "--out=${trial.dir}/out"]
    fails = [sys.executable, "-c", "import sys; sys.exit(int(open('gate').read()))"]
    steps = [{"name": "train", "command": train}, {"name": "evaluate", "command": fails}]
    section = {"command": None, "steps": steps, "params": {"rate": 0.5}}
    gate = folder.parents[3] / "gate"
    gate.write_text("1")
    ask(folder, **section)
    assert "evaluate ended with exit code 1" in failure(folder).message
    gate.write_text("0")
    assert work_through(folder) == "completed"
    assert (folder / "out/runs").read_text() == "once\n"
    ask(folder, **section, seed=1)  # another job
    assert work_through(folder) == "completed"
    assert (folder / "out/runs").read_text() == "once\nonce\n"


def test_the_controls_are_the_first_setting_once_more(folder: Path) -> None:
    ask(folder, controls=["repeat", "reseed"])
    assert work_through(folder) == "completed"
    left = read_own(folder)
    assert isinstance(left, Check)
    assert {name: scores.score for name, scores in left.controls.items()} == {
        "repeat": 0.25,
        "reseed": 0.25,
    }
    seeds = {
        name: (read_json(folder / name / TRIAL) or {})["spec"]["program"].get("seed", 0)
        for name in left.controls
    }
    assert seeds == {"repeat": 0, "reseed": 1}
    (folder / "result.json").unlink()
    ask(folder, controls=["repeat"], how="exits 3")
    assert "the control repeat: run ended with exit code 3" in failure(folder).message


def test_the_program_finds_its_values_in_files_and_variables(folder: Path) -> None:
    code = (
        "import json, os; from sweeper.client import params, report, seed\n"
        "report(scores={'a': 1, 'b': 0.0})\n"
        "report(score=0.5, rate=params()['rate'], seed=seed())\n"
        "print(os.environ['TOLD'], os.environ['SWEEPER_TRIAL'], os.environ['SWEEPER_STUDY'])"
    )
    env = {"TOLD": "${rate} $$ ${study.name}"}
    ask(folder, command=[sys.executable, "-c", code], results=None, env=env, seed=4)
    assert work_through(folder) == "completed"
    assert "0.5 $ my study ü 0003 my study ü" in (folder / LOG).read_text()
    [epoch] = read_epochs(folder)[0]
    assert epoch.metrics == {"score": 0.5, "rate": 0.5, "seed": 4}
    left = read_own(folder)
    assert isinstance(left, Result)
    assert (left.questions, left.accuracy) == (2, {"score": 0.5})
    found = command_trainer().scores(folder / "../../../stages", left.evaluation, 0)
    assert found is not None
    assert found[0].tolist() == [[1.0], [0.0]]


def test_scores_by_question_that_are_not_the_scores_are_left_out_and_that_is_said(
    folder: Path,
) -> None:
    code = "from sweeper.client import report; report(scores={'a': 1}); report(score=0.5)"
    ask(folder, command=[sys.executable, "-c", code], results=None)
    assert work_through(folder) == "completed"
    left = read_own(folder)
    assert isinstance(left, Result)
    assert (left.questions, left.accuracy, left.evaluation) == (None, {}, None)
    said = "the mean of the scores by question is 1, and the score is 0.5"
    assert said in (folder / LOG).read_text()


def test_config_files_are_written_and_files_collected(folder: Path) -> None:
    below = folder.parents[3]
    (below / "base.yaml").write_text("optimizer: {lr: 1.0}  # as it was\n")
    config = {
        "from": "base.yaml",
        "to": "${trial.dir}/config.yaml",
        "set": {"optimizer.lr": "${rate}"},
    }
    ask(folder, configs=[config], collect=["${trial.dir}/out/*.json"])
    assert work_through(folder) == "completed"
    assert (folder / "config.yaml").read_text() == "optimizer: {lr: 0.5}  # as it was\n"
    assert (folder / "collected/metrics.json").exists()


def test_an_input_that_cannot_be_read_is_told_and_another_content_is_another_job(
    folder: Path,
) -> None:
    ask(folder, inputs=["data.json"])
    assert "data.json cannot be read" in failure(folder).message
    data = folder.parents[3] / "data.json"
    jobs = []
    for content in ("[1]", "[2]"):
        data.write_text(content)
        ask(folder, inputs=["data.json"])
        assert work_through(folder) == "completed"
        left = read_own(folder)
        assert isinstance(left, Result)
        jobs.append(left.job)
    assert jobs[0] != jobs[1]


def test_a_parameter_may_name_an_input_and_only_then_it_may_differ(folder: Path) -> None:
    below = folder.parents[3]
    for name in ("a", "b"):
        (below / f"{name}.json").write_text(name)
    section = {**SECTION, "inputs": ["${data}.json"]}
    a, b = (
        command_trainer().training(
            {**section, "params": {"data": name}}, seed=None, repeat=0, below=below, trusted=False
        )
        for name in ("a", "b")
    )
    assert (list(b.may_differ(a)), list(a.may_differ(a))) == (["input ${data}.json"], [])
    ask(folder, inputs=["${how}.json"])
    assert "well.json cannot be read" in failure(folder).message
    (below / "well.json").write_text("c")
    ask(folder, inputs=["${how}.json"])
    assert work_through(folder) == "completed"
    left = read_own(folder)
    assert isinstance(left, Result)
    assert set(left.environment) == {"device", "input ${how}.json"}


def test_a_null_byte_in_a_value_is_a_failure_and_no_traceback(folder: Path) -> None:
    ask(folder, how="a\0b")
    found = failure(folder)
    assert (found.kind.value, found.message) == ("configuration", "embedded null byte")


def test_of_two_files_of_one_name_the_second_is_left_out_and_that_is_said(folder: Path) -> None:
    below = folder.parents[3]
    for name in ("a", "b"):
        (below / name).mkdir()
        (below / name / "same.txt").write_text(name)
    ask(folder, collect=["*/same.txt"])
    assert work_through(folder) == "completed"
    kept = (folder / "collected/same.txt").read_text()
    other = {"a": "b", "b": "a"}[kept]
    said = f"collect: {below / other / 'same.txt'} is left out: another file has its name"
    assert said in (folder / LOG).read_text()


def test_the_last_line_of_a_step_is_ended_before_the_next_one(folder: Path) -> None:
    steps = [
        {"name": name, "command": [sys.executable, "-c", f"print('{name}', end='')"]}
        for name in ("train", "evaluate")
    ]
    results = {"stdout": "^(?P<accuracy>)$"}
    ask(folder, command=None, steps=steps, results=results)
    failure(folder)
    assert (folder / LOG).read_text() == "train\nevaluate\n"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_a_finished_step_has_printed_counts_after_a_crash(folder: Path) -> None:
    gate = folder.parents[3] / "gate"
    fails = python("print('accuracy=0.9'); import sys; sys.exit(int(open('gate').read()))")
    passes = python("print('evaluated')")
    steps = [
        {"name": "train", "command": python("print('accuracy=0.5', end='')")},
        {"name": "check", "command": passes},
        {"name": "evaluate", "command": fails},
    ]
    gate.write_text("1")
    ask(folder, command=None, steps=steps, results=NUMBER)
    assert "evaluate ended with exit code 1" in failure(folder).message
    steps[2]["command"] = passes  # of a trial that tells no more after its crash
    ask(folder, command=None, steps=steps, results=NUMBER)
    content = read_json(folder / "steps.json") or {}
    assert [step["name"] for step in content["steps"]] == ["train", "check"]
    job = job_digest(read_json(folder / TRIAL) or {})
    write_json_atomic(folder / "steps.json", {**content, "job": job})
    assert work_through(folder) == "completed"
    left = read_own(folder)
    assert isinstance(left, Result)
    assert left.score == 0.5


def test_a_value_told_at_the_beginning_of_a_flood_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process.Log.__init__, "__kwdefaults__", {"limit": 2**16})
    code = "print('rate=0.25')\nfor _ in range(9): print('x' * 2**15)"
    effective = {"rate": {"stdout": r"rate=(?P<v>\S+)"}}
    ask(folder, command=python(f"{code}; print('accuracy=1')"), effective=effective, results=NUMBER)
    assert failure(folder).message == "rate: the program has used 0.25, and was given 0.5"


def test_a_last_line_without_an_end_is_a_line(folder: Path) -> None:
    ask(folder, command=python("print('accuracy=0.5', end='')"), results=NUMBER)
    assert work_through(folder) == "completed"
    ask(folder, command=python("print('loss=nan', end='')"), results=NUMBER, abort_if="loss=nan")
    assert failure(folder).message == "run was ended: abort_if: loss=nan"


def test_a_line_that_comes_in_pieces_ends_it_too(folder: Path) -> None:
    code = (
        "import sys, time\n"
        "for piece in ('accuracy=1\\nloss=', 'n', 'an', '\\n'):\n"
        "    sys.stdout.write(piece); sys.stdout.flush(); time.sleep(0.1)\n"
        "time.sleep(1000)"
    )
    ask(folder, command=python(code), results=NUMBER, abort_if="^loss=nan$", time_limit=60.0)
    assert failure(folder).message == "run was ended: abort_if: loss=nan"


@pytest.mark.parametrize(
    ("number", "kind"), [(15, "preempted"), (2, "preempted"), (9, "killed"), (11, "error")]
)
def test_a_signal_that_ended_it_says_whose_fault_it_was(
    folder: Path, number: int, kind: str
) -> None:
    code = f"import os, signal; signal.signal(2, signal.SIG_DFL); os.kill(os.getpid(), {number})"
    ask(folder, command=python(code), results=NUMBER)
    found = failure(folder)
    assert (found.kind.value, found.message) == (
        kind,
        f"run was ended by signal {number}, and printed nothing",
    )


def test_one_that_would_read_what_another_trial_wrote_has_no_result(folder: Path) -> None:
    """The first writes into a folder that both use; the second begins meanwhile, writes nothing."""
    other = folder.with_name("0004")
    other.mkdir()
    begun, go = (folder.parents[3] / name for name in ("begun", "go"))
    code = (
        "import json, os, time\n"
        "os.makedirs('out', exist_ok=True); open('begun', 'w').close()\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
        "json.dump({'accuracy': 0.5}, open('out/m.json', 'w'))"
    )
    shared = {
        "exclusive": "out",
        "fresh": ["out/*.json"],
        "results": {"file": "out/m.json", "metrics": {"accuracy": "/accuracy"}},
    }
    ask(folder, command=python(code), **shared)
    ask(other, command=python("pass"), **shared)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(work_through, folder)
        wait_for(begun.exists)
        second = threads.submit(work_through, other)
        time.sleep(0.3)  # it would begin in this time
        go.touch()
        assert (first.result(), second.result()) == ("completed", "failed")
    left = read_own(other)
    assert isinstance(left, Failure)
    assert "no file matches 'out/m.json'" in left.message


def test_steps_are_run_again_where_another_trial_has_used_the_path_since(folder: Path) -> None:
    other = folder.with_name("0004")
    other.mkdir()
    (folder.parents[3] / "out").mkdir()
    train = python("open('out/model', 'w').write('${rate}')")
    evaluate = python(
        "import sys; sys.exit(1) if open('gate').read() == 'shut' else"
        " print('accuracy=' + open('out/model').read())"
    )
    steps = [{"name": "train", "command": train}, {"name": "evaluate", "command": evaluate}]
    section = {"command": None, "steps": steps, "exclusive": "out", "results": NUMBER}
    gate = folder.parents[3] / "gate"
    ask(folder, **section, params={"rate": 0.5})
    ask(other, **section, params={"rate": 0.125})
    gate.write_text("shut")
    assert work_through(folder) == "failed"
    gate.write_text("open")
    assert work_through(other) == "completed"
    assert work_through(folder) == "completed"
    left = read_own(folder)
    assert isinstance(left, Result)
    assert left.score == 0.5


def test_one_that_waits_for_the_path_of_another_can_be_stopped(folder: Path) -> None:
    ask(folder, exclusive="out")
    (folder / STOP).touch()
    with filelock.FileLock(folder.parents[3] / "out.lock"):
        assert work_through(folder) == "stopped"
    assert not (folder / "out").exists()
