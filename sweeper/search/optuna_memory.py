"""An Optuna storage in memory that begins with trials instead of copying them in.

Optuna's own copies every trial deeply when it is added, which at 1,000 trials takes ten times as
long as the sampler thinks. Imported where it is used, for it imports Optuna.
"""

import copy
from collections.abc import Container, Sequence

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState


class ShownTrials(InMemoryStorage):
    """Holds one study: the trials that it was given, and those that are asked for after them."""

    def __init__(self, shown: Sequence[FrozenTrial]) -> None:
        """Number the trials by their places; nothing else of them is changed, here or later."""
        super().__init__()
        self._shown = list(shown)
        for place, trial in enumerate(self._shown):
            trial.number = place

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial after those that are shown."""
        trial_id = super().create_new_trial(study_id, template_trial)
        self.get_trial(trial_id).number += len(self._shown)
        return trial_id

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Those that are shown, then those that were asked for."""
        asked = super().get_all_trials(study_id, deepcopy, states)
        if states == (TrialState.WAITING,):  # before each draw; none that is shown waits
            return asked
        shown = [trial for trial in self._shown if states is None or trial.state in states]
        return [*(copy.deepcopy(shown) if deepcopy else shown), *asked]
