"""What programs are told beside their arguments."""

from pathlib import Path
from typing import Any

import pytest

from sweeper.trainers.command.failing import NotDoneError
from sweeper.trainers.command.macros import MacroError
from sweeper.trainers.command.spec import CommandSpec
from sweeper.trainers.command.told import macros_of, study_name, variables_of

FOLDER = Path("/w/sweeps/my study ü/trials/0003")
UUID = "GPU-b"  # as a slot names its card


@pytest.fixture(autouse=True)
def slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPER_GPU", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", UUID)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.setenv("TOLD", "by the driver")


def spec_of(**section: Any) -> CommandSpec:
    return CommandSpec.model_validate({"command": ["true"], **section})


def variables(
    below: Path, *, step_env: dict[str, Any] | None = None, **section: Any
) -> dict[str, str]:
    spec = spec_of(**section)
    step = spec.all_steps[0].model_copy(update={"env": step_env or {}})
    macros = macros_of(spec, {"device": "cuda", "below": str(below)}, FOLDER)
    return variables_of(spec, step, macros, FOLDER)


@pytest.mark.parametrize(
    ("device", "visible", "told"),
    [
        ("cuda", "set", ("3", "0", UUID)),
        ("cuda", "leave", ("3", "3", UUID)),
        ("cpu", "set", ("cpu", "cpu", "cpu")),
        ("cpu", "leave", ("cpu", "cpu", "cpu")),
    ],
)
def test_a_program_finds_its_gpu_by_the_number_that_it_sees(
    device: str, visible: str, told: tuple[str, ...]
) -> None:
    spec = spec_of(visible_devices=visible)
    macros = macros_of(spec, {"device": device, "below": "/b"}, FOLDER)
    assert tuple(macros.own[name] for name in ("gpu", "local_gpu", "devices")) == told


def test_without_a_slot_it_is_the_first_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEEPER_GPU")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    macros = macros_of(spec_of(), {"device": "cuda", "below": "/b"}, FOLDER)
    assert (macros.own["gpu"], macros.own["devices"]) == ("0", "0")


def test_the_slots_gpu_alone_is_seen_unless_all_are_asked_for(tmp_path: Path) -> None:
    assert variables(tmp_path)["CUDA_VISIBLE_DEVICES"] == UUID
    seen = variables(tmp_path, visible_devices="leave")
    assert not {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"} & seen.keys()
    own = variables(tmp_path, visible_devices="leave", env={"CUDA_VISIBLE_DEVICES": "${gpu}"})
    assert own["CUDA_VISIBLE_DEVICES"] == "3"


def test_a_step_outweighs_all_steps_they_the_file_and_that_the_driver(tmp_path: Path) -> None:
    (tmp_path / "a b.env").write_text("TOLD='by the file'\nA=${TOLD}\nB=b\nC=c\nempty\n")
    file = {"env_file": "a b.env"}
    assert variables(tmp_path)["TOLD"] == "by the driver"
    found = variables(tmp_path, **file, env={"B": "${lr}", "C": 1}, params={"lr": 0.5})
    assert {name: found[name] for name in ("TOLD", "A", "B", "C")} == {
        "TOLD": "by the file",
        "A": "${TOLD}",
        "B": "0.5",
        "C": "1",
    }
    assert "empty" not in found
    assert variables(tmp_path, **file, env={"C": "1"}, step_env={"C": 2})["C"] == "2"


def test_where_the_sweeper_reads_and_writes_is_nobodys_to_set(tmp_path: Path) -> None:
    found = variables(tmp_path, env={"SWEEPER_SEED": "7", "SWEEPER_REPORT": "/dev/null"}, seed=4)
    assert found["SWEEPER_SEED"] == "4"
    assert found["SWEEPER_REPORT"] == str(FOLDER / "report.jsonl")
    assert (found["SWEEPER_TRIAL"], found["SWEEPER_STUDY"]) == ("0003", "my study ü")


def test_a_file_that_is_not_there_and_a_variable_that_is_not_set_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotDoneError, match=r"env_file: .*nowhere\.env") as caught:
        variables(tmp_path, env_file="nowhere.env")
    assert caught.value.failure.kind.value == "input"
    with pytest.raises(MacroError, match="the environment has no NOWHERE"):
        variables(tmp_path, env={"A": "${env:NOWHERE}"})


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/w/sweeps/mine/trials/0003", "mine"),
        ("/w/sweeps/mine/controls/repeat", "mine"),
        ("/w/sweeps/mine/finals/3/seed-1", "mine"),
        ("/data/trials/w/sweeps/mine/trials/0003", "mine"),
        ("/elsewhere/copied/0003", "copied"),
    ],
)
def test_the_study_is_the_folder_above_its_trials(folder: str, name: str) -> None:
    assert study_name(Path(folder)) == name
