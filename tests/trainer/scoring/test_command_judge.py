"""Where a command of the lab's own is found, and what is said of one that fails."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.toy_task import ToyReader, ToyTask

from trainer.contract import FAILURE, RESULT, TRAINED, TRIAL, EvaluateSpec, Job, TrainSpec
from trainer.errors import JudgeError
from trainer.jobs.run import run_folder
from trainer.policy.policy import PointerSelector
from trainer.scoring.command_judge import ask_command, command_digest
from trainer.scoring.opening import open_judge
from trainer.stage_store import POLICY, StageStore
from trainer.tasks import Inputs

FAIR = "import json\nprint(json.dumps({str(s): 0.5 for s in (1, 2, 3, 4)}))\n"
STAGE = "a-stage"


def spec(command: list[str], **evaluate: Any) -> TrainSpec:
    return TrainSpec.model_validate(
        {
            "policy": {"hidden_dim": 16},
            "phases": [{"rce": {"epochs": 2, "batch_size": 8}}],
            "evaluate": {"command": command, "checkpoint_format": "safetensors", **evaluate},
        }
    )


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code, "{checkpoint}"]


def toy(_: TrainSpec, __: str) -> Inputs:
    torch.set_num_threads(1)
    return Inputs(ToyTask(), ToyReader())


def asked(tmp_path: Path, chosen: TrainSpec) -> torch.Tensor:
    store = StageStore(tmp_path / "stages")
    policy = PointerSelector(width=12, hidden_dim=16)
    policy.initialise(0)
    info = {"phase": "start", "epoch": 0, "num_heads": 1, "metrics": {}}
    store.write(STAGE, {POLICY: policy.state_dict()}, info)
    return ask_command(store.folder(STAGE), chosen, device="cpu")[0]


def complaint(tmp_path: Path, chosen: TrainSpec) -> str:
    with pytest.raises(JudgeError) as caught:
        asked(tmp_path, chosen)
    return str(caught.value)


@pytest.mark.parametrize("place", ["judge.py", "tools/judge.py"])
def test_a_script_is_looked_for_beside_the_study_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    script = tmp_path / "studies" / place
    script.parent.mkdir(parents=True)
    script.write_text(FAIR)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    chosen = spec([sys.executable, place, "{checkpoint}"]).below(tmp_path / "studies")
    open_judge(chosen, ToyTask(), ToyReader())
    assert asked(tmp_path, chosen).tolist() == [[0.5] * 4]


def test_a_folder_of_its_own_is_relative_to_the_study_file() -> None:
    chosen = spec(["eval", "{checkpoint}"], folder="../lab").below(Path("/home/me/studies"))
    assert chosen.evaluate.folder == "/home/me/studies/../lab"
    assert (
        spec(["eval", "{checkpoint}"], folder="/lab").below(Path("/me")).evaluate.folder == "/lab"
    )


def test_a_program_beside_the_study_file_is_one_unless_it_is_on_the_path(tmp_path: Path) -> None:
    for name in ("judge", "sh"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho \'{"1": 1, "2": 1, "3": 1, "4": 1}\'\n')
        program.chmod(0o755)
    assert asked(tmp_path, spec(["judge", "{checkpoint}"]).below(tmp_path)).tolist() == [[1.0] * 4]
    assert asked(tmp_path, spec(["./sh", "{checkpoint}"]).below(tmp_path)).tolist() == [[1.0] * 4]
    said = complaint(tmp_path, spec(["sh", "-c", "exit 7", "{checkpoint}"]).below(tmp_path))
    assert "ended with exit code 7" in said


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ([sys.executable, "judge.py", "{checkpoint}"], "'judge.py' is no file in "),
        ([sys.executable, "/no/judge.py", "{checkpoint}"], "'/no/judge.py' is no file in "),
        (["no-such-judge", "{checkpoint}"], "'no-such-judge' is no program on the PATH"),
        (["./judge.sh", "{checkpoint}"], "'./judge.sh' is no program on the PATH"),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], missing: str
) -> None:
    studies, here = tmp_path / "studies", tmp_path / "here"
    for folder in (studies, here):
        folder.mkdir()
    for name in ("judge.py", "judge.sh"):
        (here / name).write_text(FAIR)  # in the current folder is not at the study file
        (here / name).chmod(0o755)
    monkeypatch.chdir(here)
    job = Job(spec=spec(command).below(studies), stages=Path("stages"))
    (here / TRIAL).write_text(json.dumps(job.to_json()))
    assert run_folder(here, toy) == "failed"
    failure = json.loads((here / FAILURE).read_text())
    assert failure["class"] == "input"
    assert failure["message"].startswith(f"evaluate.command: {missing}")
    assert str(studies) in failure["message"]
    assert "say in `evaluate.folder` where" in failure["message"]
    assert not (here / "stages").exists()


def test_words_that_are_no_files_stay_as_they_are(tmp_path: Path) -> None:
    code = "import json, sys; print(json.dumps({s: float(sys.argv[1]) for s in (1, 2, 3, 4)}))"
    command = [sys.executable, "-c", code, "0.25", "--as=judge.py", "{checkpoint}", "x" * 5000]
    chosen = spec(command).below(tmp_path)
    open_judge(chosen, ToyTask(), ToyReader())
    assert asked(tmp_path, chosen).tolist() == [[0.25] * 4]


def test_who_judges_is_the_same_wherever_the_folder_is(tmp_path: Path) -> None:
    digests = []
    for name, code in (("one", FAIR), ("two", FAIR), ("three", FAIR + "\n")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "judge.py").write_text(code)
        chosen = spec(["python", "judge.py", "{checkpoint}"]).below(folder)
        digests.append(command_digest(chosen.evaluate))
    assert digests[0] == digests[1] != digests[2]


def test_a_judge_that_reads_its_stdin_finds_it_empty(tmp_path: Path) -> None:
    code = f"import sys; assert sys.stdin.read() == ''\n{FAIR}"
    assert asked(tmp_path, spec(python(code))).tolist() == [[0.5] * 4]


def test_a_judge_that_takes_too_long_is_ended_and_says_what_it_had_said(tmp_path: Path) -> None:
    code = "import sys, time; print('loading', file=sys.stderr, flush=True); time.sleep(1000)"
    said = complaint(tmp_path, spec(python(code), timeout=2))
    assert "took longer than 2 s (`evaluate.timeout`) and was ended:\nloading" in said


def test_a_judge_that_fails_is_quoted_with_its_command(tmp_path: Path) -> None:
    code = "import sys; sys.exit('connection refused by http://judge:8000')"
    said = complaint(tmp_path, spec(python(code)))
    assert said.startswith(f"evaluate.command: {sys.executable} -c import sys")
    assert f"{STAGE}/{POLICY} ended with exit code 1:\nconnection refused by http" in said


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("not JSON", "the answer is not JSON"),
        ("[" * 100_000, "the answer is not JSON"),
        ('{"accuracy": {"1": null}}', "it has no fractions in [0, 1] for 1 shot(s)"),
        ('{"1": NaN, "2": 1, "3": 1, "4": 1}', "it has no fractions in [0, 1] for 1 shot(s)"),
        ('{"accuracy": 0.5}', "must be objects"),
    ],
    ids=["text", "nested", "null", "nan", "number"],
)
def test_an_answer_that_cannot_be_used_is_quoted_with_what_was_said_beside_it(
    tmp_path: Path, printed: str, reason: str
) -> None:
    script = tmp_path / "answer.txt"
    script.write_text(printed)
    code = (
        f"import sys; print('half a model', file=sys.stderr); print(open({str(script)!r}).read())"
    )
    said = complaint(tmp_path, spec(python(code)))
    assert reason in said
    assert printed[-100:] in said
    assert said.endswith("\nhalf a model")


def test_an_answer_that_is_no_text_is_a_judges_failure(tmp_path: Path) -> None:
    code = "import sys; open(sys.argv[2], 'wb').write(b'\\xff\\xfe')"
    assert "not JSON" in complaint(tmp_path, spec([*python(code), "{output}"]))


def test_a_judge_that_is_mended_scores_what_was_trained(tmp_path: Path) -> None:
    switch = tmp_path / "server"
    code = (
        f"import pathlib, sys; pathlib.Path({str(switch)!r}).exists() or sys.exit('down')\n{FAIR}"
    )
    job = Job(spec=spec(python(code)), stages=tmp_path / "stages")
    (tmp_path / TRIAL).write_text(json.dumps(job.to_json()))
    assert run_folder(tmp_path, toy) == "failed"
    failure = json.loads((tmp_path / FAILURE).read_text())
    assert (failure["class"], failure["message"].endswith(":\ndown")) == ("judge", True)
    trained = (tmp_path / TRAINED).read_text().splitlines()
    assert len(trained) == 2  # the head, and the first epoch
    stages = {path: path.stat().st_mtime_ns for path in tmp_path.glob("stages/*/stage.json")}
    switch.touch()
    assert run_folder(tmp_path, toy) == "completed"
    assert json.loads((tmp_path / RESULT).read_text())["score"] == 0.5
    assert len((tmp_path / TRAINED).read_text().splitlines()) == 3  # the second epoch, once
    assert all(path.stat().st_mtime_ns == then for path, then in stages.items())


def test_the_last_stage_is_scored_without_training_once_its_judge_is_mended(tmp_path: Path) -> None:
    switch = tmp_path / "server"
    code = (
        f"import pathlib, sys; pathlib.Path({str(switch)!r}).exists() or sys.exit('down')\n{FAIR}"
    )
    job = Job(spec=spec(python(code), every="last"), stages=tmp_path / "stages")
    (tmp_path / TRIAL).write_text(json.dumps(job.to_json()))
    assert run_folder(tmp_path, toy) == "failed"
    trained = (tmp_path / TRAINED).read_text()
    switch.touch()
    assert run_folder(tmp_path, toy) == "completed"
    assert (tmp_path / TRAINED).read_text() == trained
    assert json.loads((tmp_path / RESULT).read_text())["epochs_trained"] == 2  # by the first job


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(90, 90.0), (0.5, 0.5), ("90s", 90.0), ("10m", 600.0), ("1h30m", 5400.0), ("1.5 h", 5400.0)],
)
def test_a_time_limit_is_seconds_or_text_with_units(written: Any, seconds: float) -> None:
    chosen = spec(["judge", "{checkpoint}"], timeout=written)
    assert chosen.evaluate.timeout == seconds
    assert TrainSpec.model_validate(chosen.to_json()) == chosen


@pytest.mark.parametrize(
    "written", [0, -1, "0s", "10", "ten minutes", "10m!", True, "", float("nan")]
)
def test_what_is_no_time_limit_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="timeout"):
        spec(["judge", "{checkpoint}"], timeout=written)


@pytest.mark.parametrize("key", [{"timeout": 10}, {"folder": "lab"}])
def test_what_is_said_of_a_command_needs_one(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="of a `command`, but none is given; remove it"):
        EvaluateSpec.model_validate(key)
