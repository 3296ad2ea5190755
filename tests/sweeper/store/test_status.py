import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.started_study import complete, start_study, state_of, unfinished

from sweeper.errors import SweeperError
from sweeper.store.status import list_studies, status_json, status_text, study_links, study_state
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace

HOLD = """
import sys
from pathlib import Path
from sweeper.store.workspace import Workspace
with Workspace(Path(sys.argv[1])).study(sys.argv[2]).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return begun(tmp_path, "kl_lr")


def begun(root: Path, name: str) -> StudyFolder:
    """A study whose driver has not come to write its state."""
    folder = Workspace(root).study(name)
    folder.root.mkdir(parents=True)
    folder.study_file.write_text("name: x\n")
    return folder


@pytest.fixture
def driver(folder: StudyFolder) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the study's lock as a driver does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.root.parents[1]), folder.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.usefixtures("driver")
def test_a_driver_at_work_is_running_with_its_trials(folder: StudyFolder) -> None:
    folder.write_state(state_of(folder))
    assert status_text(study_state(folder)) == (
        "kl_lr: 1 complete of 8 trials, 1 running; best: trial 0, 62.5 % (running)\n"
        "  trial 1: epoch 1 of 3  50.0 %  lr=0.002 epochs=3 freeze=backbone"
    )


def test_a_driver_that_was_killed_leaves_an_interrupted_study(
    folder: StudyFolder, driver: subprocess.Popen[str]
) -> None:
    folder.write_state(state_of(folder))
    assert study_state(folder)["state"] == "running"
    driver.kill()
    driver.wait()
    state = study_state(folder)
    assert state["counts"] == {"complete": 1, "failed": 0, "pruned": 0, "running": 0, "waiting": 1}
    assert status_text(state) == (
        "kl_lr: 1 complete of 8 trials, 0 running; best: trial 0, 62.5 % (interrupted)\n"
        "  `sweeper run` with the study file goes on"
    )


def test_a_driver_killed_while_it_confirms_leaves_an_interrupted_study_too(
    folder: StudyFolder,
) -> None:
    folder.write_state(state_of(folder, state="finishing", running=[]))
    assert study_state(folder)["state"] == "interrupted"


def test_a_finished_study_is_finished_without_a_driver(folder: StudyFolder) -> None:
    counts = {"complete": 6, "failed": 1, "pruned": 1, "running": 0, "waiting": 0}
    folder.write_state(state_of(folder, state="finished", counts=counts, running=[]))
    assert status_text(study_state(folder)) == (
        "kl_lr: 6 complete, 1 failed, 1 pruned of 8 trials, 0 running; best: trial 0, 62.5 % "
        "(finished)"
    )


@pytest.mark.usefixtures("driver")
def test_a_driver_that_still_checks_the_instrument_is_starting(folder: StudyFolder) -> None:
    state = study_state(folder)
    assert status_json(state) == {
        "study": "kl_lr",
        "state": "starting",
        "counts": {"complete": 0, "failed": 0, "pruned": 0, "running": 0, "waiting": 0},
        "best": None,
        "running": [],
    }
    assert status_text(state) == (
        "kl_lr: no trial yet (starting)\n  the instrument is checked before the first trial"
    )


def test_a_driver_that_died_before_its_first_trial_is_interrupted(folder: StudyFolder) -> None:
    assert status_text(study_state(folder)) == (
        "kl_lr: no trial yet (interrupted)\n  `sweeper run` with the study file goes on"
    )


def test_the_object_for_programs_has_exactly_the_promised_keys(folder: StudyFolder) -> None:
    folder.write_state(state_of(folder, state="finished"))
    told = status_json(study_state(folder))
    assert list(told) == ["study", "state", "counts", "best", "running"]
    assert sorted(told["counts"]) == ["complete", "failed", "pruned", "running", "waiting"]


def test_a_running_trial_without_a_score_shows_none(folder: StudyFolder) -> None:
    state = state_of(folder)
    state["running"][0] |= {"score": None, "epoch": 0}
    assert "  trial 1: epoch 0 of 3  lr=0.002" in status_text(state)


@pytest.mark.usefixtures("driver")
def test_losses_are_told_in_nats(folder: StudyFolder) -> None:
    folder.write_state(state_of(folder, goal="minimize"))
    assert status_text(study_state(folder)) == (
        "kl_lr: 1 complete of 8 trials, 1 running; best: trial 0, 0.6250 nats (running)\n"
        "  trial 1: epoch 1 of 3  0.5000 nats  lr=0.002 epochs=3 freeze=backbone"
    )


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_torn_state_counts_as_none(folder: StudyFolder, content: str) -> None:
    (folder.root / "state.json").write_text(content)
    assert study_state(folder)["state"] == "interrupted"


def test_a_state_that_lacks_something_is_said_with_the_way_out(folder: StudyFolder) -> None:
    folder.write_state({"study": "kl_lr", "state": "running", "trials": 8})
    with pytest.raises(
        SweeperError, match=r"state\.json lacks counts, best, running; `sweeper run` writes it anew"
    ):
        study_state(folder)


def test_studies_are_listed_by_name_and_a_damaged_one_hides_no_other(tmp_path: Path) -> None:
    for name in ("größe 2", "b", "a"):
        begun(tmp_path, name)
    workspace = Workspace(tmp_path)
    healthy, damaged = workspace.study("a"), workspace.study("b")
    healthy.write_state(state_of(healthy, state="finished", running=[]))
    damaged.write_state({"trials": 1})
    first, second, third = list_studies(workspace).splitlines()
    assert first.startswith("a: 1 complete of 8 trials")
    assert second.startswith(f"b: {damaged.root / 'state.json'} lacks study, state")
    assert third == "größe 2: no trial yet (interrupted)"


def test_a_workspace_without_studies_says_where_it_looked(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert list_studies(Workspace(missing)) == f"no studies in {missing / 'sweeps'}"
    assert not missing.exists()


def test_links_lead_to_the_experiments_that_exist(tmp_path: Path) -> None:
    begun(tmp_path, "young")
    old = begun(tmp_path, "old")
    old.write_state(state_of(old, experiment="7"))
    lines = study_links(Workspace(tmp_path), "http://127.0.0.1:5000").splitlines()
    assert lines[0] == "MLflow listens at http://127.0.0.1:5000; Ctrl-C ends it"
    assert len(lines) == 2
    assert lines[1].startswith("old: http://127.0.0.1:5000/#/experiments/7/")


def test_the_command_needs_none_of_the_heavy_libraries(folder: StudyFolder) -> None:
    folder.write_state(state_of(folder, state="finished"))
    code = (
        "import sys\n"
        "from sweeper.cli import cli\n"
        "cli(sys.argv[1:], standalone_mode=False)\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    workspace = str(folder.root.parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code, "--workspace", workspace, "status", "kl_lr", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "filelock" in loaded
    assert not loaded & {"optuna", "mlflow", "torch", "numpy", "scipy", "sqlalchemy", "rich"}


def test_a_study_without_state_is_told_by_its_rows(tmp_path: Path) -> None:
    folder = start_study(tmp_path, complete(0, 0.55), complete(1, 0.625), unfinished(2))
    state = study_state(folder)
    assert (state["state"], state["best"]["trial"]) == ("interrupted", 1)
    assert state["counts"] == {"running": 0, "complete": 2, "pruned": 0, "failed": 0, "waiting": 1}
    assert "no trial yet" not in status_text(state)
