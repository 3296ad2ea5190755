"""What a study would do, before it does anything: proposals, epochs, calls. Pure.

Samplers that learn propose only as far ahead as the study's lag; the rest is estimated from what is
known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeper.records import CALLS, TrialRecord
from sweeper.search import Search, propose, ready
from sweeper.search.of_study import first_training, lag_of, open_record, search_of
from sweeper.space import is_finite, size
from sweeper.study.config import StudyConfig, training_of
from sweeper.trainers import Training
from sweeper.words import params_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Counts of what a study would do; calls and epochs are extrapolated beyond ``settings``."""

    trials: int
    settings: Sequence[TrialRecord]  # as far as they can be told in advance
    space_size: int | None  # None: infinite
    phases: Sequence[str]
    epochs: float  # to train, all trials, shared stages once
    epochs_alone: float  # if every trial trained all of its own
    calls: float  # to ask at most: what answers save beside stages cannot be foreseen
    calls_alone: float  # if every trial trained and scored all of its own

    @property
    def saved_by_stages(self) -> float:
        """Calls that are not needed because trials share stages."""
        return self.calls_alone - self.calls

    def hours(self, seconds_a_call: float, slots: int) -> float:
        """Time that the calls alone take, in hours."""
        return self.calls * seconds_a_call / slots / 3600


def plan_study(config: StudyConfig, search: Search) -> Plan:
    """Lay out what a fresh study in ``config`` would train and ask."""
    known = _foreseeable(config, search)
    seeds = config.search_seeds or (None,)
    trainings = [
        training_of(config, record.values, seed=seed) for record in known for seed in seeds
    ]
    total = (
        min(config.trials, size(config.space)) if search.sampler_name == "grid" else config.trials
    )
    costs = config.kind.costs(trainings, scale=total / len(known))
    confirmed = 2 if config.baseline is None else 3  # start, baseline and best at the end
    fixed = config.kind.fixed_calls(trainings[0], config.controls, confirmed=confirmed)
    final_epochs, final_calls = _finals(config, trainings)
    return Plan(
        trials=total,
        settings=known,
        space_size=size(config.space) if is_finite(config.space) else None,
        phases=trainings[0].phases,
        epochs=costs.epochs + final_epochs,
        epochs_alone=costs.epochs_alone + final_epochs,
        calls=fixed + costs.calls + final_calls,
        calls_alone=fixed + costs.calls_alone + final_calls,
    )


def _finals(config: StudyConfig, trainings: Sequence[Training]) -> tuple[float, float]:
    """Epochs and calls of the finals: the mean trial's, for each further seed."""
    if not config.has_finals:
        return 0.0, 0.0
    finalists = min(config.finalists, config.trials) + (config.baseline is not None)
    further = 0 if config.search_seeds else len(config.final_seeds) - 1
    mean = config.kind.costs(trainings, scale=1.0 / len(trainings))
    first = trainings[0]
    confirmed = (first.in_full().answers - first.answers) * len(config.final_seeds)
    return finalists * further * mean.epochs_alone, finalists * (
        further * mean.calls_alone + confirmed
    )


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
    ]
    if config.can.asks:
        lines += [
            f"{CALLS}: {about}{planned.calls:,.0f} at most; stages that trials share save "
            f"{about}{planned.saved_by_stages:,.0f}",
            "  (not foreseen: equal calls and answers that are known save more; "
            "sweeper status counts)",
        ]
    if seconds_a_call > 0 and config.can.asks:
        hours = planned.hours(seconds_a_call, slots)
        lines.append(f"reader time at {seconds_a_call:g} s a call: {about}{hours:.1f} hours")
    if (warning := config.kind.warning(first_training(config))) is not None:
        lines.append(f"warning: {warning}")
    lines.append("first proposals:" if not exact else "proposals:")
    lines += [
        f"  trial {record.number} ({record.notes.proposed}): {params_text(record.values)}"
        for record in planned.settings
    ]
    return "\n".join(lines)
