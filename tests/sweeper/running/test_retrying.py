from pathlib import Path

import pytest
from fakes.started_study import complete, start_study, unfinished

from sweeper.errors import StudyLockedError, UsageError
from sweeper.records import TrialState
from sweeper.running.retrying import retry_trials
from sweeper.store.reading import read_study
from sweeper.store.study_folder import StudyFolder


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return start_study(
        tmp_path,
        complete(0, 0.5),
        unfinished(1, TrialState.FAILED, failure="not_finite", reason="nan", run_id="run1"),
        unfinished(2, TrialState.FAILED, failure="judge"),
        unfinished(3, TrialState.PRUNED),
    )


def states(folder: StudyFolder) -> list[str]:
    return [record.state.value for record in read_study(folder)[1]]


def test_failed_trials_are_opened_with_what_they_propose(folder: StudyFolder) -> None:
    before = read_study(folder)[1][1]
    assert retry_trials(folder, [1]) == [1]
    assert states(folder) == ["complete", "running", "failed", "pruned"]
    after = read_study(folder)[1][1]
    assert (after.params, after.values) == (before.params, before.values)
    assert (after.notes.failure, after.notes.reason, after.notes.run_id) == (None, "", "run1")


def test_all_that_failed_or_failed_alike_are_opened(folder: StudyFolder) -> None:
    assert retry_trials(folder, kind="judge") == [2]
    assert retry_trials(folder, every_failed=True) == [1]
    assert retry_trials(folder, every_failed=True) == []


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({}, "one of the three"),
        ({"trials": [1], "every_failed": True}, "one of the three"),
        ({"kind": "jugde"}, "no failure is of class 'jugde'; there are killed, preempted"),
        ({"trials": [1, 3]}, "trial 3 is pruned; only failed ones are tried again"),
        ({"trials": [9]}, "has no trial 9; it has trials 0 to 3"),
    ],
)
def test_what_cannot_be_tried_again_is_refused_before_any_is(
    folder: StudyFolder, choice: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        retry_trials(folder, **choice)  # type: ignore[arg-type]
    assert states(folder) == ["complete", "failed", "failed", "pruned"]


def test_nothing_is_opened_below_a_driver_at_work(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeper.store.study_folder.LOCK_SECONDS", 0.0)
    with folder.locked(), pytest.raises(StudyLockedError):
        retry_trials(folder, [1])
