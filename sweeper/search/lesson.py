"""What a sampler is shown of a history."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweeper.records import TrialRecord
from sweeper.search.forms import distribution, frozen_trial
from sweeper.search.search import Search

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def lesson_of(search: Search, visible: Sequence[TrialRecord]) -> list["FrozenTrial"]:
    """Return the trials that the sampler of a search is shown.

    Args:
        search: What is searched, and how.
        visible: Of the history, with the shorter trainings, in order.
    """
    distributions = {p.name: distribution(p) for p in search.space.searched}
    known = () if search.sampler_name == "cmaes" else search.known  # it needs its own notes

    def form(record: TrialRecord) -> "FrozenTrial":
        return frozen_trial(record, distributions)

    taught = [search.memory.taught.of(record, form) for record in known]
    return [*taught, *(search.memory.trials.of(record, form) for record in visible)]
