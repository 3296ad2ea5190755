"""`sweeper stop`: asks the driver of a study to wind up, from any terminal or machine."""

import time
from collections.abc import Callable

from sweeper.errors import UsageError
from sweeper.store.study_folder import StudyFolder

LOOK_SECONDS = 0.5


def stop_driver(
    folder: StudyFolder,
    *,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask the driver to finish the epochs in hand and leave; wait until it has.

    Args:
        folder: Of the study.
        say: Is told what happens.
        sleep: Waits for so many seconds.

    Raises:
        UsageError: where no driver works on the study.
    """
    if not folder.is_locked():
        raise UsageError(f"no driver works on {folder.name!r}: there is nothing to stop")
    say(f"{folder.name} finishes the epochs in hand; `sweeper run` with its file goes on later")
    while folder.is_locked():
        folder.ask_to_stop()  # again: a driver that has just begun forgets what was asked before
        sleep(LOOK_SECONDS)
    folder.forget_stop()
    say(f"{folder.name} has stopped")
