"""`sweeper slots`: how the slots of a driver stand, and more or fewer of them while it works.

What is proposed does not depend on them: the lag of a study is that of its first start. A run that
begins has the slots of `resources:` again.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from sweeper.errors import LauncherUnavailable, SweeperError, UsageError
from sweeper.launchers.jobs import Launcher
from sweeper.running.works import Works
from sweeper.store.slot_requests import (
    SlotAnswer,
    SlotQuestion,
    SlotRequest,
    answer_request,
    forget_requests,
    slot_requests,
)
from sweeper.store.study_folder import StudyFolder

LOOK_SECONDS = 0.2


def ask_driver(
    folder: StudyFolder,
    request: SlotRequest,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Ask the driver of a study about its slots; return how they stand then.

    Args:
        folder: Of the study.
        request: What is to change.
        sleep: Waits for so many seconds.

    Raises:
        UsageError: where no driver works on the study, both changes are asked for, or the driver
            refuses.
        SweeperError: where the driver has left before it answered.
    """
    if request.drain and request.add:
        raise UsageError("give --drain or --add, not both")
    if not folder.is_locked():
        raise UsageError(
            f"no driver works on {folder.name!r}, so it has no slots; `resources:` of its file "
            "says which the next `sweeper run` takes"
        )
    question = SlotQuestion(folder, request)
    try:
        while True:
            at_work = folder.is_locked()  # before looking: what is answered until then counts
            answer = question.answer()
            if answer is not None and answer.is_refused:
                raise UsageError(answer.text)
            if answer is not None:
                return answer.text
            if not at_work:
                raise SweeperError(f"the driver of {folder.name!r} has left without an answer")
            question.ask()
            sleep(LOOK_SECONDS)
    finally:
        question.withdraw()


class SlotChanges:
    """Does for one driver what is asked of its slots."""

    def __init__(self, folder: StudyFolder, launcher: Launcher) -> None:
        """Forget what an earlier driver was asked."""
        self._folder = folder
        self._launcher = launcher
        self._done: set[Path] = set()  # also where the disk takes no answer
        forget_requests(folder)

    def heed(self, works: Works) -> None:
        """Answer what has been asked."""
        for path, request in slot_requests(self._folder).items():
            if path not in self._done:
                self._done.add(path)
                with contextlib.suppress(OSError):  # who asks waits on, the study goes on
                    answer_request(path, self._answered(request, works.at_work()))

    def _answered(self, request: SlotRequest, at_work: dict[str, str]) -> SlotAnswer:
        names = [slot.name for slot in self._launcher.slots()]
        if request.drain >= len(names):
            return SlotAnswer(
                text=f"{request.drain} of {len(names)} slot(s) cannot be given back: one stays. "
                f"`sweeper stop {self._folder.name}` ends the study for now",
                is_refused=True,
            )
        if request.add:
            try:
                self._launcher.add(request.add)
            except LauncherUnavailable as error:
                return SlotAnswer(text=str(error), is_refused=True)
        idle_first = sorted(names, key=lambda name: (name in at_work, -names.index(name)))
        for name in idle_first[: request.drain]:
            self._launcher.retire(name)
        return SlotAnswer(text=self._listed(at_work))

    def _listed(self, at_work: dict[str, str]) -> str:
        """The slots, and those that are given back with the jobs that they have."""
        slots = self._launcher.slots()
        lines = [f"{self._folder.name}: {len(slots)} slot(s)"]
        for slot in slots:
            idle = f"waits: {slot.refusal}" if slot.refusal else "idle"
            lines.append(f"  {slot.name}: {at_work.get(slot.name, idle)}")
        left = at_work.keys() - {slot.name for slot in slots}
        lines += [f"  {name}: {at_work[name]}, then given back" for name in sorted(left)]
        return "\n".join(lines)
