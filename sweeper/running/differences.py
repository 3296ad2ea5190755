"""Whether the first trials tell settings apart: where a program passes over what it is given, every
trial gives the same, and the budget is better kept.
"""

from collections.abc import Sequence

from sweeper.errors import InstrumentError
from sweeper.outcomes import Epoch
from sweeper.records import TrialRecord, TrialState
from sweeper.running.trial_files import TrialFiles
from sweeper.store.study_store import StudyStore

EQUAL_TRIALS = 3  # so many that tell the same are no accident


class Differences:
    """Looks at the trials of one study until they differ."""

    def __init__(self, store: StudyStore, files: TrialFiles, *, is_seen: bool) -> None:
        """Look at nothing yet; never, where it is seen already that they do."""
        self._store = store
        self._files = files
        self._is_seen = is_seen

    def require(self) -> None:
        """Raise InstrumentError where the first trials are equal though their settings differ."""
        if self._is_seen:
            return
        trained = [
            record
            for record in self._store.proposals()
            if record.state is TrialState.COMPLETE and record.notes.origin != "cached"
        ]
        if len({_setting(record) for record in trained}) < EQUAL_TRIALS:
            return
        reason = equal_results([(record, self._files.epochs_of(record)) for record in trained])
        if reason is not None:
            raise InstrumentError(reason)
        self._is_seen = True


def equal_results(trials: Sequence[tuple[TrialRecord, Sequence[Epoch]]]) -> str | None:
    """Say that the first trials of a study told the same numbers, bit for bit, though their
    settings differ: then no parameter has reached the program. None where that is not so.

    Args:
        trials: Complete ones that were trained, each with its epochs.
    """
    settings: dict[frozenset[tuple[str, object]], tuple[TrialRecord, Sequence[Epoch]]] = {}
    for record, epochs in trials:
        settings.setdefault(_setting(record), (record, epochs))
    first = list(settings.values())[:EQUAL_TRIALS]
    told = {
        (record.score, tuple((e.place, tuple(e.metrics.items())) for e in epochs))
        for record, epochs in first
    }
    if len(first) < EQUAL_TRIALS or len(told) > 1:
        return None
    names = ", ".join(str(record.name) for record, _ in first)
    return (
        f"trials {names} have different settings and told the same numbers, bit for bit: does the "
        "program use what it is given? See how it is called: `sweeper validate`, and log.txt of a "
        "trial. --force runs the study all the same."
    )


def _setting(record: TrialRecord) -> frozenset[tuple[str, object]]:
    return frozenset(record.params.items())
