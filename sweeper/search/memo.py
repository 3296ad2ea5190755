"""What was worked out of records, kept for as long as a history has the same ones.

A question about trial 1,000 then costs what is new since trial 999. Records never change: whoever
writes to one makes another. So an entry counts while the record in its place is the same object.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from sweeper.records import TrialRecord

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Worked = TypeVar("Worked")


class Memo(Generic[Worked]):
    """One thing that is worked out of each record of a history."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, float], tuple[TrialRecord, Worked]] = {}

    def of(self, record: TrialRecord, work: Callable[[TrialRecord], Worked]) -> Worked:
        """What ``work`` makes of the record; the same object as long as the record is the same."""
        kept = self._kept.get(record.order)
        if kept is None or kept[0] is not record:
            kept = self._kept[record.order] = (record, work(record))
        return kept[1]


@dataclass(slots=True)
class Memory:
    """What a search has worked out so far."""

    keys: Memo[str] = field(default_factory=Memo)  # of settings
    prefixes: Memo[list[tuple[TrialRecord, str]]] = field(default_factory=Memo)
    """Shorter trainings, each with its key."""
    curves: Memo["FrozenTrial"] = field(default_factory=Memo)
    """Trials without parameters, for the pruners."""
    trials: Memo["FrozenTrial"] = field(default_factory=Memo)
    taught: Memo["FrozenTrial"] = field(default_factory=Memo)
    """Of results from elsewhere, whose numbers are not those of proposals."""
