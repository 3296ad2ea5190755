"""Why a trial at work is stopped before its last epoch: a bound of the file, or the pruner."""

from sweeper.outcomes import Epoch
from sweeper.problems import suggestion
from sweeper.running.open_trial import OpenTrial
from sweeper.search import Search, should_prune
from sweeper.store.study_store import StudyStore
from sweeper.study.config import StudyConfig


class EarlyStops:
    """Decides for one study.

    A reason is one of an epoch and of the history that its trial may know, so it does not depend on
    when it is asked for.
    """

    def __init__(self, config: StudyConfig, search: Search, store: StudyStore) -> None:
        self._bounds = config.bounds
        self._search = search
        self._store = store
        self._seen: set[str] = set()  # metrics
        self._warned = False

    def reason(self, trial: OpenTrial, epoch: Epoch) -> str:
        """Say why a trial goes on no further; empty where it does.

        Of several seeds the pruner sees the first.

        Args:
            trial: Its scores of the last phase include that of the epoch.
            epoch: The one that it has written last.
        """
        self._seen |= epoch.metrics.keys()
        if epoch.place >= trial.training.end:
            return ""
        for bound in self._bounds:
            if bound.is_crossed(epoch.metrics):
                value = epoch.metrics[bound.metric]
                return f"stopped by `{bound}`: {value:.4g} in {epoch.phase} epoch {epoch.epoch}"
        is_scored = epoch.place.start == trial.training.end.start and epoch.score is not None
        if self._search.pruner_name == "none" or not is_scored or trial.results:
            return ""
        history = self._store.records()
        prunes = should_prune(self._search, trial.number, history, trial.curves[-1])
        return "stopped by the pruner" if prunes else ""

    def warning(self) -> str:
        """Once a trial is complete: which bounds can stop nothing; empty where it was said."""
        unknown = [b.metric for b in self._bounds if b.metric not in self._seen]
        if self._warned or not unknown:
            return ""
        self._warned = True
        near = suggestion(unknown[0], sorted(self._seen))
        return f"warning: stop_if: no epoch so far has {', '.join(unknown)}{near}"
