from pathlib import Path

import pytest
from fakes.started_study import complete, start_study, unfinished

from sweeper.errors import UsageError
from sweeper.records import Notes, TrialState
from sweeper.running.cancelling import cancel_trials
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    pruned = unfinished(1, TrialState.PRUNED, reason="cancelled")
    return start_study(tmp_path, complete(0, 0.5), pruned, unfinished(2), unfinished(3))


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ([2, 0], "trial 0 is complete; only what runs, or waits to be resumed, is cancelled"),
        ([2, 1], "trial 1 is cancelled; only"),
        ([2, 9], "has no trial 9; it has trials 0 to 3"),
    ],
)
def test_what_does_not_run_is_refused_and_nothing_is_cancelled(
    folder: StudyFolder, trials: list[int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        cancel_trials(folder, trials, say=print)
    assert folder.asked_to_cancel() == set()


def test_without_a_driver_it_is_left_to_the_next(folder: StudyFolder) -> None:
    said: list[str] = []
    cancel_trials(folder, [2, 3], say=said.append)
    assert said == ["no driver works on 'kl_lr': the next `sweeper run` takes on none of: 2, 3"]
    assert folder.asked_to_cancel() == {2, 3}


def test_each_is_told_as_the_driver_has_left_it(folder: StudyFolder) -> None:
    said: list[str] = []

    def driver(seconds: float) -> None:
        """Tells trial 2 as it was asked to, has told trial 3 before, and forgets both requests."""
        with StudyStore.open(folder.database, name=folder.name) as store:
            reason = Notes(reason="cancelled")
            store.tell(2, TrialState.PRUNED, notes=reason)
            store.tell(3, TrialState.COMPLETE, 0.7)
        folder.forget_cancel(2)
        folder.forget_cancel(3)

    with folder.locked():
        cancel_trials(folder, [2, 3], say=said.append, sleep=driver)
    assert said == [
        "these leave after the epoch in hand: trials 2, 3",
        "trial 2 is cancelled",
        "trial 3 was complete before it could be cancelled",
    ]


def test_a_driver_that_is_past_its_trials_is_not_waited_for(folder: StudyFolder) -> None:
    said: list[str] = []
    folder.write_state({"study": folder.name, "state": "finishing"})
    with folder.locked():
        cancel_trials(folder, [2], say=said.append, sleep=lambda _: pytest.fail("waited"))
    assert said[-1].startswith("trial 2: the driver has left")
