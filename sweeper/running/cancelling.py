"""`sweeper cancel`: asks the driver of a study to end trials, from any terminal or machine.

What is asked stands in the study's folder until the trial has been told, so that a driver which is
killed in between, or one that is not there yet, leaves it to the next.
"""

import time
from collections.abc import Callable, Sequence

from sweeper.errors import UsageError
from sweeper.records import TrialRecord, TrialState
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder

LOOK_SECONDS = 0.5


def cancel_trials(
    folder: StudyFolder,
    trials: Sequence[int],
    *,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask for trials to be ended as they are; wait until they have been told, or the driver leaves.

    Args:
        folder: Of the study.
        trials: Numbers of trials that have not ended.
        say: Is told what happens.
        sleep: Waits for so many seconds.

    Raises:
        UsageError: where a trial is none of the study, or has ended; none is cancelled then.
    """
    _require_open(folder, trials)
    names = ", ".join(map(str, trials))
    for number in trials:
        folder.ask_to_cancel(number)
    if not folder.is_locked():
        say(f"no driver works on {folder.name!r}: the next `sweeper run` takes on none of: {names}")
        return
    say(f"these leave after the epoch in hand: trials {names}")
    while folder.is_locked() and folder.asked_to_cancel() & set(trials):
        if folder.read_state().get("state") == "finishing":  # all trials have been told
            break
        sleep(LOOK_SECONDS)
    proposals = _proposals(folder)
    for number in trials:
        record = proposals[number]
        if record.state is TrialState.RUNNING:
            say(f"trial {number}: the driver has left; the next `sweeper run` does not take it on")
            continue
        folder.forget_cancel(number)
        if record.is_cancelled:
            say(f"trial {number} is cancelled")
        else:
            say(f"trial {number} was {record.state.value} before it could be cancelled")


def _require_open(folder: StudyFolder, trials: Sequence[int]) -> None:
    proposals = _proposals(folder)
    for number in trials:
        if number not in proposals:
            known = f"trials 0 to {len(proposals) - 1}" if proposals else "no trial yet"
            raise UsageError(f"study {folder.name!r} has no trial {number}; it has {known}")
        record = proposals[number]
        if record.state is not TrialState.RUNNING:
            state = "cancelled" if record.is_cancelled else record.state.value
            raise UsageError(
                f"trial {number} is {state}; only what runs, or waits to be resumed, is cancelled"
            )


def _proposals(folder: StudyFolder) -> dict[int, TrialRecord]:
    return {record.number: record for record in read_study(folder)[1] if record.prefix is None}
