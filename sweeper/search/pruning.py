"""Whether a running trial is worth finishing."""

from collections.abc import Mapping, Sequence

from sweeper.records import TrialRecord, TrialState
from sweeper.search.forms import frozen_trial, quiet, study_in_memory
from sweeper.search.search import Search, visible_to


def should_prune(
    search: Search,
    number: int,
    history: Sequence[TrialRecord],
    own_intermediate: Mapping[int, float],
) -> bool:
    """Whether trial ``number`` should stop after the last epoch of ``own_intermediate``.

    Decided on the same history as its proposal, so also a function.

    Args:
        search: What is searched, and how.
        number: Zero-based number of the running trial.
        history: As for `propose`.
        own_intermediate: Score after each of the trial's epochs so far, by one-based epoch.
    """
    if search.pruner_name == "none" or not own_intermediate:
        return False
    visible = visible_to(search, number, history)
    own = TrialRecord(
        number=number, params={}, state=TrialState.RUNNING, intermediate=own_intermediate
    )
    if search.pruner_name == "hyperband":
        return _hyperband_prunes(search, visible, own)
    with quiet():
        from optuna import pruners

        options = dict(search.pruner_options)
        pruner = (
            pruners.MedianPruner(**options)
            if search.pruner_name == "median"
            else pruners.PercentilePruner(**{"percentile": 25.0, **options})
        )
        shown = [
            search.memory.curves.of(record, lambda one: frozen_trial(one, {}))
            for record in visible
            if record.state is not TrialState.RUNNING
        ]
        study = study_in_memory(search, None, shown)
        return bool(pruner.prune(study, frozen_trial(own, {})))


def _hyperband_prunes(search: Search, visible: Sequence[TrialRecord], own: TrialRecord) -> bool:
    """Let Optuna's Hyperband go through all reports again, in the order of trial and epoch.

    It keeps the value at each rung as a note on the trial, written when the trial was asked about;
    going through the reports again finds the same notes whatever was asked, and when.
    """
    from optuna.pruners import HyperbandPruner

    options = {"max_resource": "auto", **search.pruner_options}
    if options["max_resource"] == "auto":
        options["max_resource"] = _longest_training(search, visible)
    if options["max_resource"] is None:
        return False
    with quiet():
        pruner = HyperbandPruner(**options)
        study = study_in_memory(search, None, [])
        decision = False
        for record in (*visible, own):
            trial = study.ask()
            for epoch, score in sorted(record.intermediate.items()):
                trial.report(score, epoch)
                current = study.get_trials(deepcopy=False)[-1]
                decision = pruner.prune(study, current)
    return bool(decision)


def _longest_training(search: Search, visible: Sequence[TrialRecord]) -> int | None:
    """Return the most epochs that a trial can have, or else has had; None if that is unknown."""
    for parameter in search.space.searched:
        if parameter.fidelity and not parameter.choices:
            return int(parameter.bounds[1])
    lengths = [
        max(record.intermediate)
        for record in visible
        if record.state is TrialState.COMPLETE and record.intermediate
    ]
    return max(lengths, default=None)
