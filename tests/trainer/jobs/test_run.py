import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from fakes.toy_task import toy_inputs

from trainer.__main__ import main
from trainer.contract import (
    DATA,
    FAILURE,
    METRICS,
    RESULT,
    STOP,
    TRAINED,
    TRIAL,
    Check,
    Failure,
    FailureKind,
    Job,
    Result,
    TrainSpec,
    read_epochs,
    read_own,
)
from trainer.errors import InputError, NotFiniteError, StageError
from trainer.jobs.run import InputCache, prepare_torch, read_trial, run_folder
from trainer.tasks import Inputs


def spec(**rce: Any) -> TrainSpec:
    settings = {"epochs": 2, "lr": 3e-3, "batch_size": 8, **rce}
    return TrainSpec.model_validate(
        {
            "policy": {"hidden_dim": 16},
            "phases": [{"rce": settings}],
            "evaluate": {"questions": 32, "holdout": 32},
        }
    )


def toy(_: TrainSpec, __: str) -> Any:
    return toy_inputs()


def dear(_: TrainSpec, __: str) -> Any:
    """The toy task, with a reader whose answers are worth keeping."""
    inputs = toy_inputs()
    inputs.reader.worth_storing = True
    return inputs


def raising(error: BaseException) -> Any:
    def load(_: TrainSpec, __: str) -> Inputs:
        raise error

    return load


def trial(folder: Path, **changes: Any) -> Path:
    """A trial folder whose `trial.json` is a good job but for ``changes``."""
    folder.mkdir(exist_ok=True)
    job = Job(spec=spec(), stages=Path("stages")).to_json()
    (folder / TRIAL).write_text(json.dumps({**job, **changes}))
    return folder


def failure(folder: Path) -> dict[str, str]:
    content: dict[str, str] = json.loads((folder / FAILURE).read_text())
    assert list(content) == ["format", "class", "message"]
    return content


def test_a_good_job_leaves_a_result_and_no_failure(tmp_path: Path) -> None:
    epochs: list[int] = []
    folder = trial(tmp_path)
    (folder / FAILURE).write_text('{"class": "files", "message": "of an earlier attempt"}')
    assert run_folder(folder, toy, on_epoch=lambda: epochs.append(1)) == "completed"
    assert 0.0 <= json.loads((folder / RESULT).read_text())["score"] <= 1.0
    assert len(epochs) == len(read_epochs(folder)[0]) == 2
    assert not (folder / FAILURE).exists()


def test_a_job_with_controls_checks_the_instrument(tmp_path: Path) -> None:
    assert run_folder(trial(tmp_path, controls=["random"]), toy) == "completed"
    result = json.loads((tmp_path / RESULT).read_text())
    assert list(result["controls"]) == ["random"]
    assert result["liveness"]["alive"]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_folder_with_a_result_is_done_and_left_as_it_is(tmp_path: Path) -> None:
    run_folder(trial(tmp_path), toy)
    before = files_in(tmp_path)
    assert run_folder(tmp_path, raising(AssertionError("loads nothing"))) == "completed"
    assert files_in(tmp_path) == before


def as_before_results_named_their_job(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "job"}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("controls", [None, ["random"]])
@pytest.mark.parametrize(
    "other",
    [
        {"spec": spec(epochs=3).to_json()},
        {"spec": spec(lr=1e-3).to_json()},
        {"spec": {**spec().to_json(), "evaluate": {"questions": 32, "split": "holdout"}}},
        {"controls": []},
    ],
    ids=["epochs", "lr", "split", "controls"],
)
def test_a_result_of_another_job_is_put_aside_and_the_own_one_made(
    tmp_path: Path, named: bool, controls: Any, other: dict[str, Any]
) -> None:
    job = {"stages": "../stages", "controls": controls}
    mine, others = trial(tmp_path / "mine", **job), trial(tmp_path / "other", **{**job, **other})
    if controls is not None and other.keys() & {"controls", "spec"}:
        other_spec = {**spec().to_json(), "seed": 1}  # a check trains up to where its phase begins
        others = trial(tmp_path / "other", **job, spec=other_spec)
    assert run_folder(others, toy) == "completed"
    result = json.loads((others / RESULT).read_text())
    own = mine / RESULT
    own.write_text(json.dumps(result if named else as_before_results_named_their_job(result)))
    strange = own.read_bytes()
    left = read_own(mine)
    assert isinstance(left, Failure)
    assert left.kind is FailureKind.BAD_RESULT
    assert left.message.startswith("result.json is of another job: ")
    assert run_folder(mine, toy) == "completed"
    assert (mine / "result.json.damaged-0").read_bytes() == strange
    assert isinstance(read_own(mine), Result if controls is None else Check)


@pytest.mark.parametrize("controls", [None, ["random"]])
def test_an_own_result_is_known_with_and_without_its_name(tmp_path: Path, controls: Any) -> None:
    folder = trial(tmp_path, controls=controls)
    assert run_folder(folder, toy) == "completed"
    result = json.loads((folder / RESULT).read_text())
    (folder / RESULT).write_text(json.dumps(as_before_results_named_their_job(result)))
    assert isinstance(read_own(folder), Result | Check)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "{}",
        "[" * 100_000,
        '{"format": "one"}',
        '{"score": 0.5, "accuracy": {"1": null}}',
        '{"score": NaN}',
        '{"controls": []}',
        '{"controls": {"random": 0.3}, "liveness": null}',
        b"\xff\xfe",
    ],
    ids=lambda content: str(content[:20]),
)
@pytest.mark.parametrize("changes", ["all", "part"])
def test_a_result_that_makes_no_sense_is_made_again_from_the_stages(
    tmp_path: Path, content: str | bytes, changes: str
) -> None:
    folder = trial(tmp_path)
    assert run_folder(folder, toy) == "completed"
    before = json.loads((folder / RESULT).read_text())
    if changes == "all" or not isinstance(content, str) or not content.startswith("{"):
        (folder / RESULT).write_bytes(content.encode() if isinstance(content, str) else content)
    else:
        (folder / RESULT).write_text(json.dumps({**before, **json.loads(content), "job": 5}))
    assert not isinstance(read_own(folder), Result | Check)
    assert run_folder(folder, toy) == "completed"
    after = json.loads((folder / RESULT).read_text())
    assert after == before


@pytest.mark.parametrize("damage", ["torn", "nonsense", "zeros", "list", "missing", "null"])
@pytest.mark.parametrize("line", [0, 1])
def test_damaged_lines_are_put_aside_and_written_anew_from_the_stages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str, line: int
) -> None:
    folder = trial(tmp_path)
    assert run_folder(folder, toy) == "completed"
    lines = (folder / METRICS).read_bytes().splitlines(keepends=True)
    before = [json.loads(text) for text in lines]
    without = json.dumps({key: value for key, value in before[line].items() if key != "stage"})
    lines[line] = {
        "torn": lines[line][:40] + b"\n",
        "nonsense": b"\xff\x00[[[\n",
        "zeros": b"\0" * (len(lines[line]) - 1) + b"\n",  # as a power cut leaves them
        "list": b"[]\n",
        "missing": without.encode() + b"\n",
        "null": b"null\n",
    }[damage]
    damaged = b"".join(lines)
    (folder / METRICS).write_bytes(damaged)
    assert len(read_epochs(folder)[0]) == line
    assert isinstance(read_own(folder), Failure)
    assert run_folder(folder, raising(AssertionError("loads nothing"))) == "failed"
    assert run_folder(folder, toy) == "completed"
    assert (folder / f"{METRICS}.damaged-0").read_bytes() == damaged
    assert f"metrics.jsonl, line {line + 1}: " in caplog.text
    assert "kept as metrics.jsonl.damaged-0" in caplog.text
    after = [json.loads(text) for text in (folder / METRICS).read_text().splitlines()]
    told = [{key: value for key, value in entry.items() if key != "timing"} for entry in after]
    assert sorted(told, key=str) == sorted(
        ({key: value for key, value in entry.items() if key != "timing"} for entry in before),
        key=str,
    )
    assert all(entry["timing"]["trained"] for entry in after)
    assert json.loads((folder / RESULT).read_text())["epochs_trained"] == 2


def test_epochs_are_told_again_where_the_file_was_written_anew(tmp_path: Path) -> None:
    run_folder(trial(tmp_path), toy)
    whole = (tmp_path / METRICS).read_bytes()
    first, second = whole.splitlines(keepends=True)
    (tmp_path / METRICS).write_bytes(b"damaged\n" + second)
    epochs, offset = read_epochs(tmp_path)
    assert (epochs, offset) == ([], 0)
    (tmp_path / METRICS).write_bytes(second + first)
    epochs, offset = read_epochs(tmp_path, offset=offset)
    assert [epoch.epoch for epoch in epochs] == [2, 1]
    assert offset == len(whole)
    for former in (len(first) - 1, len(whole) + 1):
        assert len(read_epochs(tmp_path, offset=former)[0]) == 2
    assert read_epochs(tmp_path, offset=offset) == ([], offset)


def test_a_stop_file_ends_the_training_after_an_epoch_and_the_next_run_goes_on(
    tmp_path: Path,
) -> None:
    (trial(tmp_path) / STOP).touch()
    assert run_folder(tmp_path, toy) == "stopped"
    assert len(read_epochs(tmp_path)[0]) == 1
    assert not (tmp_path / RESULT).exists()
    assert not (tmp_path / FAILURE).exists()
    (tmp_path / STOP).unlink()
    assert run_folder(tmp_path, toy) == "completed"
    assert len(read_epochs(tmp_path)[0]) == 2


@pytest.mark.parametrize(
    ("error", "failure_class", "message"),
    [
        (InputError("no data in /data"), "input", "no data in /data"),
        (NotFiniteError("the loss is nan"), "not_finite", "the loss is nan"),
        (StageError("stage 1 is damaged"), "stage", "stage 1 is damaged"),
        (OSError(2, "No such file or directory", "/x"), "files", "No such file or directory: '/x'"),
        (torch.OutOfMemoryError("tried 2 GiB"), "out_of_memory", "tried 2 GiB"),
        (MemoryError(), "out_of_host_memory", "no memory is left"),
        (OSError(12, "Cannot allocate memory"), "out_of_host_memory", "Cannot allocate memory"),
        (ZeroDivisionError("division"), "error", "ZeroDivisionError: division"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_went_wrong_is_left_as_a_class_and_a_message(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    failure_class: str,
    message: str,
) -> None:
    no_memory = failure_class in ("out_of_memory", "out_of_host_memory")
    assert run_folder(trial(tmp_path), raising(error)) == ("broken" if no_memory else "failed")
    assert failure(tmp_path)["class"] == failure_class
    assert failure(tmp_path)["message"].endswith(message)
    said = capsys.readouterr().err
    assert f"failed ({failure_class}): {failure(tmp_path)['message']}\n" in said
    assert ("Traceback" in said) == (failure_class == "error")


def test_a_loss_that_is_not_finite_fails_as_itself(tmp_path: Path) -> None:
    folder = trial(tmp_path, spec=spec(lr=1e30, max_grad_norm=1e30).to_json())
    assert run_folder(folder, toy) == "failed"
    assert failure(folder)["class"] == "not_finite"
    assert failure(folder)["message"].startswith("rce epoch 1, step ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "trial.json does not exist; `sweeper export STUDY --trial-dir "),
        ("", "trial.json is not a job: Expecting value: line 1 column 1 (char 0)"),
        ("{", "trial.json is not a job: Expecting property name"),
        ("[]", "trial.json is not a job: must be an object"),
        ("{}", "trial.json is not a job: it has no 'spec'"),
        ('{"spec": {"phases": []}, "stages": "s"}', "spec.phases: needs at least one phase"),
        (b"\xff", "trial.json is not a job: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_folder_without_a_proper_job_fails_with_the_reason(
    tmp_path: Path, content: str | bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / TRIAL).write_bytes(content.encode() if isinstance(content, str) else content)
    assert run_folder(tmp_path, toy) == "failed"
    assert failure(tmp_path)["class"] == ("configuration" if "spec." in message else "input")
    assert message in failure(tmp_path)["message"]


def test_every_bad_field_of_a_spec_is_named_at_once(tmp_path: Path) -> None:
    bad = {"phases": [{"rce": {"lr": -1.0, "epochs": True}}], "sed": 1}
    with pytest.raises(InputError) as caught:
        read_trial(trial(tmp_path, spec=bad))
    assert str(caught.value).splitlines() == [
        f"{tmp_path / TRIAL} is not a job:",
        "  spec.phases.0.rce.lr: Input should be greater than 0, but got -1.0",
        "  spec.phases.0.rce.epochs: Input should be a valid integer, but got True",
        "  spec.sed: Extra inputs are not permitted, but got 1",
    ]


def test_a_trial_file_that_is_a_folder_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / TRIAL).mkdir()
    with pytest.raises(InputError, match=r"trial\.json cannot be read: Is a directory"):
        read_trial(tmp_path)


def test_a_folder_that_vanished_is_a_failure_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_folder(tmp_path / "gone", toy) == "failed"
    said = capsys.readouterr().err
    assert "failed (input)" in said
    assert f"cannot write {tmp_path / 'gone' / FAILURE}" in said
    assert "Traceback" not in said


def test_a_cuda_job_without_a_card_fails_with_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "run", str(trial(tmp_path, device="cuda"))],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert failure(tmp_path) == {
        "format": 1,
        "class": "input",
        "message": "the job asks for a CUDA device, but torch sees none; check the driver and "
        "CUDA_VISIBLE_DEVICES, or use the CPU: `resources: {devices: cpu}` in the study file, "
        '`"device": "cpu"` in a trial.json',
    }
    assert done.stderr == f"failed (input): {failure(tmp_path)['message']}\n"


def test_a_device_that_nobody_has_is_refused() -> None:
    with pytest.raises(InputError, match="`device` must be cpu or cuda, but got 'tpu'"):
        prepare_torch(Job(spec=spec(), stages=Path(), device="tpu"))


def test_the_threads_of_the_spec_are_those_of_torch() -> None:
    before = torch.get_num_threads()
    try:
        job = Job(spec=spec().model_copy(update={"threads": 3}), stages=Path())
        prepare_torch(job)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_task_is_built_once_for_equal_specs() -> None:
    cache = InputCache()
    assert cache(spec(lr=1e-3), "cpu") is cache(spec(lr=1e-4), "cpu")


def test_the_command_says_why_a_folder_failed_once(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["run", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"failed (input): {tmp_path / TRIAL} does not exist; "
        f"`sweeper export STUDY --trial-dir {tmp_path}` writes one\n"
    )


def test_the_command_shows_the_score_of_a_finished_folder(tmp_path: Path) -> None:
    run_folder(trial(tmp_path), toy)
    result = json.loads((tmp_path / RESULT).read_text())
    shots = ", ".join(f"{count}: {100 * share:.1f}" for count, share in result["accuracy"].items())
    done = CliRunner().invoke(main, ["run", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (
        0,
        f"score {result['score']!r} (per cent by shots {shots})\n",
    )


def test_nothing_but_the_known_files_is_left_in_a_folder(tmp_path: Path) -> None:
    run_folder(trial(tmp_path), toy)
    assert {path.name for path in tmp_path.iterdir()} == {TRIAL, METRICS, TRAINED, RESULT, "stages"}


def test_answers_of_one_workspace_are_asked_once_whatever_it_lies_on(tmp_path: Path) -> None:
    place = {"kind": "appended", "where": "../answers.db"}
    asked = []
    for name in ("one", "two"):
        folder = trial(tmp_path / name, answers=place)
        assert run_folder(folder, dear) == "completed"
        asked.append(json.loads((folder / RESULT).read_text())["reader_calls"]["asked"])
    assert asked[0] > 0
    assert asked[1] == 0
    assert len(list(tmp_path.glob("answers.db.*.added"))) == 1


def test_a_store_that_cannot_be_reached_is_no_fault_of_the_trial(tmp_path: Path) -> None:
    url = "postgresql://me@127.0.0.1:1/answers"  # with or without psycopg
    folder = trial(tmp_path, answers={"kind": "server", "where": url})
    assert run_folder(folder, dear) == "failed"
    assert failure(folder)["class"] == "files"


def test_a_place_of_answers_that_is_none_is_named(tmp_path: Path) -> None:
    folder = trial(tmp_path, answers={"kind": "oracle", "where": "x"})
    with pytest.raises(InputError, match=r"answers\.kind must be one of .* got 'oracle'"):
        read_trial(folder)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("invariant", [True, False])
def test_a_result_says_whether_an_answer_depends_on_its_batch(
    tmp_path: Path, kept: bool, invariant: bool
) -> None:
    def load(spec: TrainSpec, device: str) -> Any:
        inputs = dear(spec, device)
        inputs.reader.batch_invariant = invariant
        return inputs

    answers = {"kind": "file", "where": "answers.db"}
    chosen = spec().to_json()
    chosen["evaluate"]["remember"] = "auto" if kept else "never"
    for controls, name in ((None, "trial"), ([], "controls")):
        folder = trial(tmp_path / name, answers=answers, controls=controls, spec=chosen)
        assert run_folder(folder, load) == "completed"
        result = json.loads((folder / RESULT).read_text())
        assert result["reader"] == {"batch_invariant": invariant, "answers_kept": kept}
    contract = json.loads((folder / DATA).read_text())
    told = [text for text in contract["warnings"] if "depends on what stands beside it" in text]
    assert len(told) == (not invariant)
    assert all(("the first that is given stands" in text) == kept for text in told)
