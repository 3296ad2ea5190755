import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from fakes.instant_launcher import InstantLauncher
from fakes.scripted_launcher import ScriptedLauncher, running
from fakes.started_study import start_study

from sweeper.errors import SweeperError, UsageError
from sweeper.launchers.jobs import Launcher
from sweeper.running.slot_changes import SlotChanges, ask_driver
from sweeper.running.work import Work
from sweeper.running.works import Works
from sweeper.store.slot_requests import (
    SlotQuestion,
    SlotRequest,
    forget_requests,
    slot_requests,
)
from sweeper.store.study_folder import StudyFolder
from sweeper.study.sections import Limits, Retry
from sweeper.trainers import Command, builtin_trainer


class Free:
    def is_free(self, key: str) -> bool:
        return True


class Driver:
    """An engine that looks for news whenever who asks sleeps."""

    def __init__(self, folder: StudyFolder, launcher: Launcher) -> None:
        self.folder = folder
        self.works = Works(
            launcher,
            builtin_trainer(),
            Free(),
            retry=Retry(),
            limits=Limits(),
            stopping=lambda: False,
            say=print,
            attend=SlotChanges(folder, launcher).heed,
        )

    def begin(self, name: str) -> None:
        command = Command(argv=("train",), worker=("serve",), threads=1)
        folder = self.folder.root / "trials" / name
        self.works.start(Work(label=f"trial {name}", folder=folder, job={}, command=command))

    def asked(self, **changes: Any) -> str:
        with self.folder.locked():
            return ask_driver(
                self.folder, SlotRequest(**changes), sleep=lambda _: self.works.news() and None
            )


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return start_study(tmp_path)


@pytest.fixture
def launcher() -> ScriptedLauncher:
    return ScriptedLauncher([running] * 99, slots=3)


@pytest.fixture
def driver(folder: StudyFolder, launcher: ScriptedLauncher) -> Driver:
    """With three slots, of which the first trains trial 7."""
    driver = Driver(folder, launcher)
    driver.begin("7")
    driver.works.news()
    return driver


def test_slots_are_listed_with_what_they_do(driver: Driver) -> None:
    assert driver.asked() == ("kl_lr: 3 slot(s)\n  slot-0: trial 7\n  slot-1: idle\n  slot-2: idle")


def test_idle_slots_are_given_back_first_and_the_others_with_their_jobs(
    driver: Driver, launcher: ScriptedLauncher
) -> None:
    assert driver.asked(drain=1) == "kl_lr: 2 slot(s)\n  slot-0: trial 7\n  slot-1: idle"
    launcher.retire("slot-1")
    driver.asked(add=1)
    launcher.retire("slot-0")  # as if all but one were busy
    listed = driver.asked()
    assert listed.endswith("\n  slot-0: trial 7, then given back")
    assert driver.works.has_free_slot()  # the job that leaves takes no place of others


def test_the_last_slot_stays(driver: Driver, launcher: ScriptedLauncher) -> None:
    with pytest.raises(UsageError, match=r"3 of 3 slot\(s\) cannot be given back: one stays"):
        driver.asked(drain=3)
    assert len(launcher.slots()) == 3


def test_slots_are_taken(driver: Driver) -> None:
    assert driver.asked(add=2).startswith("kl_lr: 5 slot(s)\n")


def test_what_the_launcher_cannot_give_is_refused(folder: StudyFolder) -> None:
    driver = Driver(folder, InstantLauncher())
    with pytest.raises(UsageError, match="there is but one"):
        driver.asked(add=1)


def test_without_a_driver_there_are_no_slots_to_change(folder: StudyFolder) -> None:
    with pytest.raises(UsageError, match=r"no driver works on 'kl_lr'.*`resources:` of its file"):
        ask_driver(folder, SlotRequest(add=1))
    with pytest.raises(UsageError, match="not both"):
        ask_driver(folder, SlotRequest(add=1, drain=1))


def test_a_driver_that_leaves_without_an_answer_is_not_waited_for(folder: StudyFolder) -> None:
    with contextlib.ExitStack() as locked:
        locked.enter_context(folder.locked())
        with pytest.raises(SweeperError, match="has left without an answer"):
            ask_driver(folder, SlotRequest(), sleep=lambda _: locked.close())
    assert slot_requests(folder) == {}


def test_a_driver_that_has_just_begun_is_asked_again(driver: Driver, folder: StudyFolder) -> None:
    looks = iter([lambda: forget_requests(folder), driver.works.news])
    with folder.locked():
        told = ask_driver(folder, SlotRequest(drain=1), sleep=lambda _: next(looks)() and None)
    assert told.startswith("kl_lr: 2 slot(s)")


def test_what_is_asked_is_done_once(
    driver: Driver, folder: StudyFolder, launcher: ScriptedLauncher
) -> None:
    question = SlotQuestion(folder, SlotRequest(drain=1))
    question.ask()
    driver.works.news()
    question.ask()  # it is answered already
    driver.works.news()
    assert len(launcher.slots()) == 2


def test_what_is_asked_is_done_once_though_no_answer_can_be_written(
    driver: Driver, folder: StudyFolder, launcher: ScriptedLauncher
) -> None:
    SlotQuestion(folder, SlotRequest(drain=1)).ask()
    [path] = slot_requests(folder)
    path.with_name(f"{path.name}.{os.getpid()}.part").mkdir()  # in the way, as a full disk is
    driver.works.news()
    driver.works.news()
    assert len(launcher.slots()) == 2
    assert list(slot_requests(folder)) == [path]
