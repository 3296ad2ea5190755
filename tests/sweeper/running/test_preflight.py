import json
import sys
from pathlib import Path

import pytest

from sweeper.errors import ConfigError, InstrumentError
from sweeper.running.preflight import validate_study
from sweeper.running.slots import planned_slots
from sweeper.store.workspace import Workspace
from sweeper.study.config import parse_study
from sweeper.trainers.builtin import BuiltinTrainer
from sweeper.trainers.builtin.processes import check

STUDY = """\
name: checked
trainer:
  phases: [{rce: {epochs: 1, lr: "${lr}"}}]
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
trials: 4
resources: {devices: cpu, slots_per_device: 3}
"""
FACTS = {"training_queries": 1600, "pool": 64, "width": 48}
GOOD = f"print({json.dumps(json.dumps({'problems': [], 'facts': FACTS}))})"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "checked.yaml"
    path.write_text(STUDY)
    return path


def validate(study: Path, trainer: str, workspace: Path | None = None) -> str:
    """Validate with a few lines of Python in place of the trainer."""
    where = Workspace(workspace or study.parent)
    program = [sys.executable, "-c", trainer]
    with pytest.MonkeyPatch.context() as replaced:
        replaced.setattr(
            BuiltinTrainer,
            "check",
            lambda self, training, device: check(training, device=device, program=program),
        )
        return validate_study(study, where)


def test_a_good_study_is_summed_up_and_nothing_is_written(study: Path) -> None:
    assert validate(study, GOOD) == (
        f"{study}: study 'checked', 4 trials, sampler tpe\n"
        "slots: 3 (cpu)\n"
        "data: 1600 training queries, pools of 64, embeddings 48 wide\n"
        "nothing was written"
    )
    assert list(study.parent.iterdir()) == [study]


def test_what_the_data_holds_is_told_with_its_warnings_last(study: Path) -> None:
    contract = {"lines": ["train: 640 queries", "rewards: 3"], "warnings": ["tied"], "facts": {}}
    report = {"problems": [], "facts": FACTS, "data_contract": contract}
    text = validate(study, f"print({json.dumps(json.dumps(report))})")
    assert text.splitlines()[3:] == [
        "train: 640 queries",
        "rewards: 3",
        "warning: tied",
        "nothing was written",
    ]


def test_the_trainer_is_asked_for_the_first_spec_on_the_device_of_the_slots(study: Path) -> None:
    seen = study.parent / "seen.json"
    trainer = (
        f"import json, pathlib, sys; spec = json.load(sys.stdin)\n"
        f"pathlib.Path({str(seen)!r}).write_text(json.dumps([spec, sys.argv[1:]]))\n{GOOD}"
    )
    validate(study, trainer)
    spec, options = json.loads(seen.read_text())
    assert 1e-5 <= spec["phases"][0]["rce"]["lr"] <= 1e-2
    assert options == ["check", "-", "--device", "cpu"]


def test_a_gpu_that_is_not_here_is_a_warning(study: Path) -> None:
    study.write_text(STUDY.replace("devices: cpu", "devices: [90, 91]"))
    text = validate(study, GOOD)
    assert "\nwarning: `resources.devices` asks for GPU 90, 91, but " in text
    assert "`sweeper run` would stop here.\n" in text


def test_a_plan_for_gpus_that_are_not_here_counts_those_it_names(study: Path) -> None:
    text = STUDY.replace("devices: cpu", "devices: [90, 91]")
    slots, warning = planned_slots(parse_study(text, study))
    assert slots == 2 * 3
    assert warning.endswith("Planned for 6 slot(s) on a machine that has them.")
    alone = text.replace("slots_per_device: 3", "slots_per_device: auto")
    assert planned_slots(parse_study(alone, study))[0] == 2


def test_a_plan_for_the_cpu_has_no_warning(study: Path) -> None:
    assert planned_slots(parse_study(STUDY, study)) == (3, "")


def test_problems_of_trainer_and_workspace_are_said_together(study: Path) -> None:
    (study.parent / "sweeps").write_text("a file")
    report = json.dumps({"problems": ["no data", "no reader"], "facts": {}})
    with pytest.raises(InstrumentError) as caught:
        validate(study, f"print({report!r})")
    assert str(caught.value).splitlines() == [
        f"{study} cannot be run here:",
        "  no data",
        "  no reader",
        f"  cannot write to the workspace {study.parent}: {study.parent / 'sweeps'}: it is a file; "
        "choose another folder with --workspace or SWEEPER_HOME",
    ]


def test_a_workspace_below_a_file_cannot_be_written(study: Path) -> None:
    study.chmod(0o755)  # as far as the bits of a folder go, it could
    with pytest.raises(InstrumentError, match=r"checked\.yaml: it is a file"):
        validate(study, GOOD, study / "below")


def test_a_workspace_that_does_not_exist_yet_is_no_problem(study: Path) -> None:
    assert validate(study, GOOD, study.parent / "a" / "b").endswith("nothing was written")
    assert list(study.parent.iterdir()) == [study]


def test_a_trainer_that_dies_is_shown_with_the_end_of_its_words(study: Path) -> None:
    words = "\n".join(f"line {number}" for number in range(30))
    with pytest.raises(InstrumentError) as caught:
        validate(study, f"import sys; print({words!r}, file=sys.stderr); sys.exit(7)")
    lines = str(caught.value).splitlines()
    assert lines[1] == "  the trainer died (exit code 7):"
    assert [line.strip() for line in lines[2:]] == [f"line {n}" for n in range(20, 30)]


def test_a_wrong_study_file_is_found_before_the_trainer_is_asked(study: Path) -> None:
    study.write_text(STUDY.replace("max: 1e-2", "max: 1e-6").replace("trials: 4", "trails: 4"))
    with pytest.raises(ConfigError) as caught:
        validate(study, "raise SystemExit('asked')")
    places = [problem.split(" ")[0] for problem in caught.value.problems]
    assert places == [f"{study}:5:24:", f"{study}:6:1:"]
