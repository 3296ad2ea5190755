"""Failures that are not their trials' own: held until it is known whether the study can go on.

A judge that is down fails every trial. Were each told at once, an hour would spend the whole budget
on it; so their rows stay open, and the study halts once there are some alike in a row. What comes
out otherwise in between shows that they were single ones: then they are told.
"""

from sweeper.errors import SweeperError
from sweeper.outcomes import FailureKind
from sweeper.records import TrialRecord, TrialState
from sweeper.running.open_trial import OpenTrial
from sweeper.running.verdict import Verdict
from sweeper.store.study_store import StudyStore

HeldTrial = tuple[OpenTrial, Verdict]


class Held:
    """Trials that have failed alike, one after another."""

    def __init__(self, most: int) -> None:
        """Hold nothing; ``most`` alike in a row halt the study."""
        self._most = most
        self._trials: list[HeldTrial] = []

    @property
    def trials(self) -> list[OpenTrial]:
        """All that are held."""
        return [trial for trial, _ in self._trials]

    def takes(self, verdict: Verdict) -> bool:
        """Whether a verdict is to be held."""
        return verdict.state is TrialState.FAILED and not kind_of(verdict.failure).is_settings

    def add(self, trial: OpenTrial, verdict: Verdict) -> list[HeldTrial]:
        """Hold a trial; return those before it that failed otherwise, to be told.

        Raises:
            SweeperError: where so many have failed alike that the study halts.
        """
        others = [] if self._last_failure() in (None, verdict.failure) else self.release()
        self._trials.append((trial, verdict))
        if len(self._trials) >= self._most:
            names = ", ".join(str(held.number) for held in self.trials)
            raise SweeperError(
                f"trials {names} failed alike ({verdict.failure}), for a reason that is not "
                f"theirs: {verdict.reason}\nThe study halts here and nothing is lost: these trials "
                "are not failed but open. Mend it and run again. `limits: {failures: "
                f"{2 * self._most}}}` allows more in a row"
            )
        return others

    def release(self) -> list[HeldTrial]:
        """All that are held, in their order; nothing is, from now on."""
        released, self._trials = self._trials, []
        return released

    def _last_failure(self) -> str | None:
        return self._trials[-1][1].failure if self._trials else None


def kind_of(failure: str | None) -> FailureKind:
    """The kind of failure that a row names; what a later version may have named is nobody's."""
    known = {kind.value: kind for kind in FailureKind}
    return known.get(failure or "", FailureKind.ERROR)


def failed_by_others(record: TrialRecord) -> bool:
    """Whether a trial has failed for a reason that says nothing of its setting."""
    return record.state is TrialState.FAILED and not kind_of(record.notes.failure).is_settings


def open_again(store: StudyStore) -> list[int]:
    """Open the trials that failed for reasons not their own; return their numbers."""
    numbers = [record.number for record in store.proposals() if failed_by_others(record)]
    for number in numbers:
        store.reopen(number)
    return numbers
