import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from fakes.started_study import state_of
from fakes.waiting import wait_for

from sweeper.errors import ConfigError, SweeperError
from sweeper.running.notifying import Notifier
from sweeper.store.study_folder import StudyFolder
from sweeper.study.config import StudyConfig, parse_study

STUDY = """\
name: kl_lr
trainer: {{phases: [{{grpo: {{lr: "${{lr}}"}}}}]}}
parameters: {{lr: {{min: 1e-5, max: 1e-2}}}}
notify: {}
"""
SCRIPT = 'env | grep ^SWEEPER_ | sort > "$1"\n'
Make = Callable[..., Notifier]


def config_of(notify: str, folder: Path) -> StudyConfig:
    return parse_study(STUDY.format(notify), folder / "study.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    root = tmp_path / "sweeps" / "kl_lr"
    root.mkdir(parents=True)
    (tmp_path / "notify.sh").write_text(SCRIPT)
    folder = StudyFolder(root, tmp_path / "stages")
    folder.write_state(state_of(folder, state="finished", running=[]))
    return folder


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(folder: StudyFolder, tmp_path: Path, said: list[str]) -> Make:
    """A notifier of a study in `tmp_path` that has begun."""

    def one(notify: str = f"[sh, notify.sh, {os.devnull}]", timeout: float = 30.0) -> Notifier:
        config = config_of(notify, tmp_path)
        notifier = Notifier(config, folder, say=said.append, timeout=timeout)
        notifier.begin()
        return notifier

    return one


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told"


def test_a_finished_study_is_told_with_its_best(
    make: Make, told: Path, folder: StudyFolder, said: list[str]
) -> None:
    with make(f"[sh, notify.sh, '{told}']"):
        pass
    assert told.read_text().splitlines() == [
        "SWEEPER_BEST_SCORE=0.625",
        "SWEEPER_BEST_TRIAL=0",
        f"SWEEPER_FOLDER={folder.root}",
        "SWEEPER_MESSAGE=kl_lr: 1 complete of 8 trials, 1 running; best: trial 0, 62.5 %",
        "SWEEPER_STATE=finished",
        "SWEEPER_STUDY=kl_lr",
    ]
    assert said == []


def test_a_study_that_halts_is_told_with_the_reason_and_halts(
    make: Make, told: Path, said: list[str]
) -> None:
    with pytest.raises(SweeperError, match="disk"), make(f"sh notify.sh '{told}'"):
        raise SweeperError("the disk is full")
    assert {"SWEEPER_STATE=failed", "SWEEPER_MESSAGE=the disk is full"} <= set(
        told.read_text().splitlines()
    )
    assert said == []


def test_who_stops_a_study_is_not_notified(make: Make, told: Path, folder: StudyFolder) -> None:
    with pytest.raises(KeyboardInterrupt), make(f"[sh, notify.sh, '{told}']"):
        raise KeyboardInterrupt
    folder.write_state(state_of(folder, state="interrupted"))
    with make(f"[sh, notify.sh, '{told}']"):
        pass
    assert not told.exists()


def test_a_start_that_is_refused_notifies_nobody(
    folder: StudyFolder, told: Path, tmp_path: Path
) -> None:
    config = config_of(f"[sh, notify.sh, '{told}']", tmp_path)
    with pytest.raises(SweeperError), Notifier(config, folder, say=print):
        raise SweeperError("another driver works on it")
    assert not told.exists()


@pytest.mark.parametrize(
    ("notify", "warning"),
    [
        ("""[sh, -c, "echo no route; exit 3"]""", "sh ended with exit code 3: no route"),
        ("""[sh, -c, "kill -9 $$"]""", "sh was ended by signal 9"),
        ("""[sh, -c, "read line && exit 3"]""", "sh ended with exit code 1"),  # stdin is empty
    ],
)
def test_a_command_that_fails_is_a_warning(
    make: Make, said: list[str], notify: str, warning: str
) -> None:
    with make(notify):
        pass
    assert said == [f"warning: notify: {warning}"]


def test_no_shell_reads_the_command(make: Make, told: Path, tmp_path: Path) -> None:
    (tmp_path / "notify.sh").write_text(f'printf %s "$*" > "{told}"\n')
    with make("sh notify.sh $HOME '; exit 3'"):
        pass
    assert told.read_text() == "$HOME ; exit 3"


def test_what_the_command_lacks_is_said_when_the_study_begins(
    make: Make, said: list[str], tmp_path: Path
) -> None:
    notifier = make("[nobody_has_this, post.sh]")
    assert said == [
        f"warning: notify: 'nobody_has_this' is no program on the PATH, and no executable file in "
        f"{tmp_path}",
        f"warning: notify: 'post.sh' is no file in {tmp_path}",
    ]
    with notifier:
        pass
    assert said[2].startswith("warning: notify: nobody_has_this cannot be started: [Errno 2]")


def test_a_command_that_hangs_is_killed_with_what_it_has_started(
    make: Make, said: list[str], told: Path
) -> None:
    with make(f"""[sh, -c, "sleep 600 & echo $! > '{told}'; wait"]""", timeout=3.0):
        pass
    assert said == ["warning: notify: sh was killed: it took longer than 3 s"]
    child = int(told.read_text())
    wait_for(lambda: not psutil.pid_exists(child) or _is_dead(child))


def _is_dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("notify", "message"),
    [
        ("'sh \"'", "notify: No closing quotation"),
        ("[]", "notify: "),
        ("3", "notify: "),
    ],
)
def test_what_is_no_command_is_a_problem_of_the_file(
    notify: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        config_of(notify, tmp_path)


def test_text_and_list_are_the_same_command(tmp_path: Path) -> None:
    texts = ("curl -d 'it is over' https://host", '[curl, -d, it is over, "https://host"]')
    assert [config_of(text, tmp_path).notify for text in texts] == [
        ("curl", "-d", "it is over", "https://host")
    ] * 2
