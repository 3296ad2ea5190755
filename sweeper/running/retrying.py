"""`sweeper retry`: opens trials again that have failed, for the next run to take on."""

from collections.abc import Sequence

from sweeper.errors import UsageError
from sweeper.outcomes import FailureKind
from sweeper.records import TrialRecord, TrialState
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore


def retry_trials(
    folder: StudyFolder,
    trials: Sequence[int] = (),
    *,
    every_failed: bool = False,
    kind: str | None = None,
) -> list[int]:
    """Open trials again, also those whose setting is to blame: it may have been mended elsewhere.

    Args:
        folder: Of the study; no driver may be at work on it.
        trials: Numbers of failed trials.
        every_failed: All that failed, in place of numbers.
        kind: All that failed so, in place of numbers; see `FailureKind`.

    Returns:
        The numbers of the trials that the next run takes on.

    Raises:
        UsageError: where not one choice is made, or a trial that was named has not failed.
        StudyLockedError: where a driver works on the study; it tries again by itself.
    """
    if bool(trials) + every_failed + (kind is not None) != 1:
        raise UsageError("name trials, or give --failed, or --class with a class: one of the three")
    known = [each.value for each in FailureKind]
    if kind is not None and kind not in known:
        raise UsageError(f"no failure is of class {kind!r}; there are {', '.join(known)}")
    with folder.locked():
        config, records = read_study(folder)
        proposals = {record.number: record for record in records if record.prefix is None}
        _require_failed(folder, proposals, trials)
        chosen = [
            record.number
            for record in proposals.values()
            if record.state is TrialState.FAILED
            and (every_failed or record.number in trials or record.notes.failure == kind)
        ]
        with StudyStore.open(
            folder.database, name=folder.name, goal=config.goal, space=config.space
        ) as store:
            for number in chosen:
                store.reopen(number)
    return chosen


def _require_failed(
    folder: StudyFolder, proposals: dict[int, TrialRecord], trials: Sequence[int]
) -> None:
    for number in trials:
        if number not in proposals:
            raise UsageError(
                f"study {folder.name!r} has no trial {number}; it has trials 0 to "
                f"{len(proposals) - 1}"
            )
        state = proposals[number].state
        if state is not TrialState.FAILED:
            raise UsageError(f"trial {number} is {state.value}; only failed ones are tried again")
