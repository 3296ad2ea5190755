"""The search that a study file asks for: its lag, its fidelity, its first trials. Pure."""

import itertools
from collections.abc import Sequence

from sweeper.records import TrialRecord, TrialState
from sweeper.search import Proposal, Search, lag_for, propose
from sweeper.space import complete_values, setting_at
from sweeper.study.config import StudyConfig, spec_for
from sweeper.study.references import references
from trainer.contract import (
    Environment,
    StageRef,
    TrainSpec,
    digest,
    stage_chain,
)


def _chain(spec: TrainSpec) -> tuple[StageRef, ...]:
    """The stages of ``spec``, with paths in place of digests: only equality of keys matters."""
    environment = Environment(
        torch="",
        device="",
        data="",
        training=digest(spec.task.model_dump(mode="json")),
        start=spec.start or "",
        reader="",
    )
    return stage_chain(spec, environment)


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
        lag=lag,
        fidelity=_fidelity(config),
        duplicates=config.duplicates,
        race=config.trainer["evaluate"]["race"],
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
            _chain(
                spec_for(config, complete_values(config.space, {**setting, parameter.name: end}))
            )
            for end in map(int, parameter.bounds)
        )
        if more[: len(few)] == few and few[-1].phase_index == more[-1].phase_index:
            return parameter.name
    return None


def first_spec(config: StudyConfig) -> TrainSpec:
    """The spec of trial 0: its chain up to the last phase's start is what the controls train."""
    proposal = propose(search_of(config, lag=1), 0, [])
    assert proposal is not None, "a space has at least one setting"
    return spec_for(config, complete_values(config.space, proposal.params))


def specs_by_files(config: StudyConfig) -> list[TrainSpec]:
    """The spec of trial 0, and one for each further choice of data or start that it could have."""
    first = propose(search_of(config, lag=1), 0, [])
    assert first is not None, "a space has at least one setting"
    section = {key: config.trainer[key] for key in ("task", "start") if key in config.trainer}
    named = {name for _, name in references(section)}
    choices = {p.name: p.choices for p in config.space.parameters if p.name in named and p.choices}
    combined = [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]
    values = complete_values(config.space, first.params)
    specs = [spec_for(config, values)]
    for chosen in combined:
        spec = spec_for(config, {**values, **chosen})
        if all((spec.task, spec.start) != (known.task, known.start) for known in specs):
            specs.append(spec)
    return specs


def lag_of(config: StudyConfig, slots: int) -> int:
    """How many trials back a proposal's known results end; 0 where order is free."""
    if config.order == "free":
        return 0
    return lag_for(slots) if config.lag == "auto" else config.lag


def open_record(config: StudyConfig, number: int, proposal: Proposal) -> TrialRecord:
    """The row of a trial that is about to be launched."""
    values = complete_values(config.space, proposal.params)
    repeated = {"repeat": proposal.repeat} if proposal.repeat else {}
    return TrialRecord(
        number=number,
        params=proposal.params,
        state=TrialState.RUNNING,
        sampler_state=proposal.sampler_state,
        notes={"proposed": proposal.origin, "origin": "trained", "values": values, **repeated},
    )
