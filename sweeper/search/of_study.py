"""The search that a study file asks for: its lag, its fidelity, its first trials. Pure."""

import itertools
from collections.abc import Sequence

from sweeper.records import Notes, TrialRecord, TrialState
from sweeper.references import references
from sweeper.search import Proposal, Search, lag_for, propose
from sweeper.space import Value, complete_values, setting_at
from sweeper.study.config import StudyConfig, training_of
from sweeper.trainers import Training


def search_of(config: StudyConfig, *, lag: int, known: Sequence[TrialRecord] = ()) -> Search:
    """The part of the study that determines its proposals, with results known before trial 0."""
    return Search(
        space=config.space,
        sampler_name=config.sampler.name,
        seed=config.sampler.seed,
        sampler_options=config.sampler.options,
        pruner_name=config.pruner.name,
        pruner_options=config.pruner.options,
        goal=config.goal,
        baseline=config.baseline,
        enqueue=config.enqueue,
        enqueued_at=config.enqueued_at,
        lag=lag,
        fidelity=_fidelity(config),
        duplicates=config.duplicates,
        race=config.can.races,
        no_gain=config.stop.no_gain,
        known=tuple(known),
    )


def _fidelity(config: StudyConfig) -> str | None:
    """The parameter of which a larger value only trains on; None where there is none.

    Whether it does is seen from the stages: a schedule that depends on the number of epochs gives
    other stages from the first epoch on.
    """
    for parameter in config.space.searched:
        gates = any(parameter.name in other.when for other in config.space.parameters)
        if not parameter.fidelity or gates:  # a shorter training is then another kind of setting
            continue
        setting = setting_at(config.space, [0.0] * len(config.space.searched))
        if parameter.name not in setting:
            continue
        few, more = (
            training_of(config, complete_values(config.space, {**setting, parameter.name: end}))
            for end in map(int, parameter.bounds)
        )
        if more.continues(few):
            return parameter.name
    return None


def first_training(config: StudyConfig) -> Training:
    """What trial 0 trains: its beginning is what the controls train."""
    return training_of(config, _first_values(config))


def _first_values(config: StudyConfig) -> dict[str, Value]:
    proposal = propose(search_of(config, lag=1), 0, [])
    assert proposal is not None, "a space has at least one setting"
    return complete_values(config.space, proposal.params)


def trainings_by_data(config: StudyConfig) -> list[Training]:
    """What trial 0 trains, and one training for each further choice of data that it could have."""
    named = {name for _, name in references(config.kind.choices(config.trainer))}
    choices = {p.name: p.choices for p in config.space.parameters if p.name in named and p.choices}
    combined = [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]
    values = _first_values(config)
    trainings = [training_of(config, values)]
    for chosen in combined:
        training = training_of(config, {**values, **chosen})
        if all(training.may_differ(known) for known in trainings):
            trainings.append(training)
    return trainings


def lag_of(config: StudyConfig, slots: int) -> int:
    """How many trials back a proposal's known results end; 0 where order is free."""
    if config.order == "free":
        return 0
    return lag_for(slots) if config.lag == "auto" else config.lag


def open_record(config: StudyConfig, number: int, proposal: Proposal) -> TrialRecord:
    """The row of a trial that is about to be launched."""
    values = complete_values(config.space, proposal.params)
    return TrialRecord(
        number=number,
        params=proposal.params,
        state=TrialState.RUNNING,
        sampler_state=proposal.sampler_state,
        notes=Notes(
            proposed=proposal.origin, origin="trained", values=values, repeat=proposal.repeat
        ),
    )
