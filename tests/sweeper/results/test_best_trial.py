"""The best of a study on disk, through the functions and the commands that use it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from fakes.started_study import answered, complete, start_study, state_of
from numpy.typing import NDArray

from sweeper.results.best import best_trial
from sweeper.store.gc import find_garbage
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace

Invoke = Callable[..., Result]
QUESTIONS = 40
RIGHT = {  # answers by number of shots that a trial has right
    0: (20, 20, 20, 20),  # the baseline
    1: (30, 30, 30, 30),  # the best
    2: (31, 29, 29, 29),  # milder, half an answer behind on average; the best with one shot
    3: (10, 10, 10, 10),
}


def scores(number: int) -> NDArray[np.float64]:
    rows = [np.arange(QUESTIONS) < count for count in RIGHT[number]]
    return np.stack(rows, axis=1).astype(np.float64)


def ended(root: Path, rule: str = "highest", *, kept: bool = True, more: str = "") -> StudyFolder:
    """A study of four trials, with their answers unless they are not kept."""
    records = []
    for number, epochs in enumerate((1, 3, 2, 1)):
        by_part = scores(number).mean(axis=0).tolist()
        record = complete(number, sum(by_part) / 4, lr=10.0 ** (number - 5), epochs=epochs)
        record.notes.accuracy.update(
            {str(count): mean for count, mean in enumerate(by_part, start=1)}
        )
        records.append(record)
    folder = start_study(root, *records, more=f"best: {{rule: {rule}}}\n{more}")
    for number in RIGHT:
        if kept:
            answered(folder, number, scores(number))
    return folder


@pytest.mark.parametrize(
    ("rule", "kept", "trial"),
    [
        ("highest", True, 1),
        ("one_standard_error", True, 2),
        ("significant", True, 2),
        ("one_standard_error", False, 1),
        ("significant", False, 1),
    ],
)
def test_the_rule_of_the_study_file_decides(
    invoke: Invoke, tmp_path: Path, rule: str, kept: bool, trial: int
) -> None:
    ended(tmp_path, rule, kept=kept)
    assert invoke("best", "kl_lr").stdout.startswith(f"trial {trial}: ")
    told = json.loads(invoke("export", "kl_lr", "--format", "json").stdout)
    assert told["trial"] == trial
    assert told.get("rule", "highest") == rule
    assert told.get("may_be_best") == (2 if kept else None)


def test_why_it_is_not_the_highest_is_said_aside(invoke: Invoke, tmp_path: Path) -> None:
    ended(tmp_path, "one_standard_error")
    why = "trial 2 is the mildest of 2 settings within one standard error of trial 1, the best\n"
    done = invoke("best", "kl_lr")
    assert (done.stdout, done.stderr) == (
        "trial 2: 73.8 %  lr=0.001 epochs=2 freeze=none\n",
        why,
    )
    tied = "2 of 4 settings cannot be told from the best on 40 questions\n"
    assert invoke("export", "kl_lr").stderr == why + tied


def test_a_highest_score_is_told_with_its_rivals_where_answers_are_known(
    invoke: Invoke, tmp_path: Path
) -> None:
    ended(tmp_path)
    assert invoke("best", "kl_lr").stderr == ""
    tied = "2 of 4 settings cannot be told from the best on 40 questions\n"
    assert invoke("export", "kl_lr").stderr == tied
    assert invoke("export", "kl_lr", "--trial", "3").stderr == ""


def test_one_number_of_shots_chooses_alone(invoke: Invoke, tmp_path: Path) -> None:
    ended(tmp_path)
    assert invoke("best", "kl_lr", "--by", "shot_1").stdout.startswith("trial 2: 77.5 %")
    told = json.loads(invoke("export", "kl_lr", "--by", "shot_1", "--format", "json").stdout)
    assert (told["trial"], told["score"], told["by"]) == (2, 31 / 40, "shot_1")
    assert invoke("best", "kl_lr", "--by", "shot_2").stdout.startswith("trial 1: 75.0 %")


@pytest.mark.parametrize("command", ["best", "export", "report"])
def test_an_unknown_number_of_shots_is_bad_input(
    invoke: Invoke, tmp_path: Path, command: str
) -> None:
    ended(tmp_path)
    done = invoke(command, "kl_lr", "--by", "shot_5")
    assert (done.exit_code, done.stdout) == (2, "")
    there = "shot_1, shot_2, shot_3, shot_4"
    assert done.stderr == f"Error: --by shot_5: study 'kl_lr' has {there}\n"


@pytest.mark.parametrize("option", ["--trial=0", "--all"])
def test_a_number_of_shots_is_no_option_of_a_trial_or_of_all(
    invoke: Invoke, tmp_path: Path, option: str
) -> None:
    ended(tmp_path)
    done = invoke("export", "kl_lr", "--by", "shot_1", option)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--by" in done.stderr


def test_a_report_by_one_number_of_shots_has_a_name_of_its_own(
    invoke: Invoke, tmp_path: Path
) -> None:
    folder = ended(tmp_path)
    done = invoke("report", "kl_lr", "--by", "shot_1", "--format", "md")
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (folder.root / "report").iterdir())
    assert names == ["figures.shot_1", "report.en.shot_1.md"]
    assert "77.50 %" in done.stdout
    assert invoke("report", "kl_lr", "--format", "md").stdout.count("75.00 %") == 1


def test_the_stage_of_the_chosen_trial_is_kept_beside_those_of_highest_and_baseline(
    tmp_path: Path,
) -> None:
    folder = ended(tmp_path, "one_standard_error", more="keep: best\n")
    for number in RIGHT:
        (folder.stages / f"stage{number}").mkdir()
    folder.write_state(state_of(folder, state="finished", best={"trial": 2, "score": 0.7375}))
    [garbage] = find_garbage(Workspace(tmp_path)).kinds["stages"]
    assert garbage.name == "stage3"


def test_the_highest_score_is_known_without_numpy_and_scipy(tmp_path: Path) -> None:
    ended(tmp_path)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from sweeper.results.best import best_trial\n"
        "from sweeper.store.reading import read_study\n"
        "from sweeper.store.workspace import Workspace\n"
        f"folder = Workspace(Path({str(tmp_path)!r})).find('kl_lr')\n"
        "before = set(sys.modules)\n"
        "study = read_study(folder)\n"
        "assert best_trial(folder, *study).record.number == 1\n"
        "assert not any(name in sys.modules for name in ('scipy', 'sweeper.results.evidence'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_study_without_a_complete_trial_has_no_best(tmp_path: Path) -> None:
    folder = start_study(tmp_path, more="best: {rule: significant}")
    assert best_trial(folder, *read_study(folder), by="shot_1", count_ties=True) is None
