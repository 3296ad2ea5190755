"""What a study would do, before it does anything: proposals, epochs, reader calls. Pure.

Samplers that learn propose only as far ahead as the study's lag; the rest is estimated from what is
known. The number of stages is exact for the settings listed: shared beginnings count once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeper.records import TrialRecord
from sweeper.search import Search, propose, ready
from sweeper.search.of_study import _chain, first_spec, lag_of, open_record, search_of
from sweeper.space import is_finite, size
from sweeper.study.config import StudyConfig, spec_for
from sweeper.words import params_text
from trainer.contract import (
    PROBE_QUESTIONS,
    EasyVqaSpec,
    GrpoSpec,
    StageRef,
    TrainSpec,
    is_scored_stage,
    start_of_last_phase,
)

PROBE_GROUPS = 7  # of tensors, at most, with the start itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Counts of what a study would do; calls and epochs are extrapolated beyond ``settings``."""

    trials: int
    settings: Sequence[TrialRecord]  # as far as they can be told in advance
    space_size: int | None  # None: infinite
    phases: Sequence[str]
    epochs: float  # to train, all trials, shared stages once
    epochs_alone: float  # if every trial trained all of its own
    reader_calls: float  # to ask at most: what answers save beside stages cannot be foreseen
    reader_calls_alone: float  # if every trial trained and scored all of its own

    @property
    def saved_by_stages(self) -> float:
        """Reader calls that are not needed because trials share stages."""
        return self.reader_calls_alone - self.reader_calls

    def hours(self, seconds_a_call: float, slots: int) -> float:
        """Time that the reader alone takes, in hours."""
        return self.reader_calls * seconds_a_call / slots / 3600


def plan_study(config: StudyConfig, search: Search) -> Plan:
    """Lay out what a fresh study in ``config`` would train and ask."""
    known = _foreseeable(config, search)
    seeds = config.search_seeds or (None,)
    specs = [
        spec_for(config, record.notes["values"], seed=seed) for record in known for seed in seeds
    ]
    chains = [_chain(spec)[1:] for spec in specs]
    unique = {ref.key for chain in chains for ref in chain}
    total = (
        min(config.trials, size(config.space)) if search.sampler_name == "grid" else config.trials
    )
    scale = total / len(known)
    first = specs[0].evaluate
    own = {ref.key for spec in specs for ref in _chain(start_of_last_phase(spec))[1:]}
    calls = first.answers * len(set(config.controls) - {"start"})
    calls += first.only(PROBE_QUESTIONS).answers * PROBE_GROUPS
    confirmed = 2 if config.baseline is None else 3  # start, baseline and best at the end
    calls += confirmed * first.model_copy(update={"split": "holdout"}).answers
    calls += specs[0].task.recorded_rollouts
    epochs = _each_epoch(specs)
    trained = sum(_epoch_calls(*place) for key, place in epochs.items() if key not in own)
    shared = sum(_epoch_calls(*epochs[key]) for key in own)
    alone = sum(_epoch_calls(*place) for spec in specs for place in _each_epoch([spec]).values())
    final_epochs, final_calls = _finals(config, specs)
    return Plan(
        trials=total,
        settings=known,
        space_size=size(config.space) if is_finite(config.space) else None,
        phases=[entry.kind for entry in specs[0].phases],
        epochs=len(own) + (len(unique) - len(own)) * scale + final_epochs,
        epochs_alone=sum(len(chain) for chain in chains) * scale + final_epochs,
        reader_calls=calls + shared + trained * scale + final_calls,
        reader_calls_alone=calls + alone * scale + final_calls,
    )


def _finals(config: StudyConfig, specs: Sequence[TrainSpec]) -> tuple[float, float]:
    """Epochs and reader calls of the finals: the mean trial's, for each further seed."""
    if not config.has_finals:
        return 0.0, 0.0
    finalists = min(config.finalists, config.trials) + (config.baseline is not None)
    further = 0 if config.search_seeds else len(config.final_seeds) - 1
    places = [_each_epoch([spec]).values() for spec in specs]
    epochs = sum(len(chain) for chain in places) / len(specs)
    calls = sum(_epoch_calls(*place) for chain in places for place in chain) / len(specs)
    evaluate = specs[0].evaluate
    confirmed = (evaluate.in_full().answers - evaluate.answers) * len(config.final_seeds)
    return finalists * further * epochs, finalists * (further * calls + confirmed)


def _foreseeable(config: StudyConfig, search: Search) -> list[TrialRecord]:
    """The trials whose proposals need no results."""
    records: list[TrialRecord] = []
    for number in range(config.trials):
        if not ready(search, number, records):
            break
        proposal = propose(search, number, records)
        if proposal is None:
            break
        records.append(open_record(config, number, proposal))
    return records


def _each_epoch(specs: Sequence[TrainSpec]) -> dict[str, tuple[TrainSpec, StageRef, bool]]:
    """Every stage to train once, by key: a spec that leads to it, and whether any scores it."""
    seen: dict[str, tuple[TrainSpec, StageRef, bool]] = {}
    for spec in specs:
        chain = _chain(spec)
        for ref in chain[1:]:
            scored = is_scored_stage(ref, chain, spec)
            known = seen.get(ref.key)
            seen[ref.key] = (spec, ref, scored or (known is not None and known[2]))
    return seen


def _epoch_calls(spec: TrainSpec, ref: StageRef, scored: bool) -> int:
    """Reader calls of one epoch: its sampled rollouts and, where it is scored, its evaluation."""
    settings = spec.phases[ref.phase_index].settings
    sampled = 0
    if (
        isinstance(settings, GrpoSpec)
        and settings.rollouts == "sampled"
        and isinstance(spec.task, EasyVqaSpec)
    ):
        sampled = spec.task.training_queries * settings.group_size * len(spec.evaluate.shots)
    return sampled + (spec.evaluate.answers if scored else 0)


def plan_text(
    config: StudyConfig,
    *,
    slots: int,
    seconds_a_call: float,
    known: Sequence[TrialRecord] = (),
) -> str:
    """The plan of a study for people; ``known`` are results that were imported for its sampler."""
    planned = plan_study(config, search_of(config, lag=lag_of(config, slots), known=known))
    space = "infinite" if planned.space_size is None else f"{planned.space_size} settings"
    exact = len(planned.settings) == planned.trials
    about = "" if exact else "about "
    lines = [
        f"{config.name}: {planned.trials} trials on {slots} slot(s), "
        f"sampler {config.sampler.name}, space {space}",
        f"phases: {', '.join(planned.phases)}",
        f"epochs to train: {about}{planned.epochs:.0f} "
        f"({about}{planned.epochs_alone:.0f} if every trial trained alone)",
        f"reader calls: {about}{planned.reader_calls:,.0f} at most; stages that trials share save "
        f"{about}{planned.saved_by_stages:,.0f}",
        "  (not foreseen: equal shots and answers that are known save more; sweeper status counts)",
    ]
    if seconds_a_call > 0:
        hours = planned.hours(seconds_a_call, slots)
        lines.append(f"reader time at {seconds_a_call:g} s a call: {about}{hours:.1f} hours")
    if (warning := first_spec(config).evaluate.no_sample) is not None:
        lines.append(f"warning: {warning}")
    lines.append("first proposals:" if not exact else "proposals:")
    lines += [
        f"  trial {record.number} ({record.notes['proposed']}): "
        f"{params_text(record.notes['values'])}"
        for record in planned.settings
    ]
    return "\n".join(lines)
