from collections.abc import Sequence

import pytest
from fakes.epochs import epoch_of

from sweeper.outcomes import Epoch
from sweeper.records import TrialRecord, TrialState
from sweeper.running.differences import equal_results


def trial(number: int, lr: float, *scores: float) -> tuple[TrialRecord, Sequence[Epoch]]:
    record = TrialRecord(
        number=number, params={"lr": lr}, state=TrialState.COMPLETE, score=scores[-1]
    )
    return record, [epoch_of(index, score=score) for index, score in enumerate(scores, start=1)]


def test_three_settings_that_tell_the_same_numbers_are_said() -> None:
    told = equal_results(
        [trial(0, 0.1, 0.4, 0.5), trial(1, 0.2, 0.4, 0.5), trial(2, 0.3, 0.4, 0.5)]
    )
    assert told is not None
    assert told.startswith("trials 0, 1, 2 have different settings and told the same numbers")


@pytest.mark.parametrize(
    "trials",
    [
        [trial(0, 0.1, 0.5), trial(1, 0.2, 0.5)],
        [trial(0, 0.1, 0.5), trial(1, 0.2, 0.5), trial(2, 0.1, 0.5)],  # the same setting again
        [trial(0, 0.1, 0.5), trial(1, 0.2, 0.5), trial(2, 0.3, 0.6)],
        [trial(0, 0.1, 0.4, 0.5), trial(1, 0.2, 0.4, 0.5), trial(2, 0.3, 0.3, 0.5)],  # on the way
        [trial(0, 0.1, 0.5), trial(1, 0.2, 0.6), trial(2, 0.3, 0.5), trial(3, 0.4, 0.5)],
    ],
    ids=["two", "again", "score", "curve", "first three"],
)
def test_what_may_be_chance_is_not(trials: list[tuple[TrialRecord, Sequence[Epoch]]]) -> None:
    assert equal_results(trials) is None
