"""Optuna's forms of our values: distributions, trials, samplers, a study in memory."""

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sweeper.records import TrialRecord, TrialState
from sweeper.search.search import Search
from sweeper.space import Parameter, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial


def distribution(parameter: Parameter) -> "BaseDistribution":
    """Return Optuna's form of a searched parameter."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if parameter.choices:
        return CategoricalDistribution(parameter.choices)
    low, high = parameter.bounds
    if parameter.integer:
        step = int(parameter.step or 1)
        return IntDistribution(int(low), int(high), log=parameter.log, step=step)
    return FloatDistribution(low, high, log=parameter.log, step=parameter.step)


def frozen_trial(
    record: TrialRecord,
    distributions: Mapping[str, "BaseDistribution"],
    *,
    attributes: Mapping[str, object] | None = None,
) -> "FrozenTrial":
    """Return Optuna's form of a record; parameters without distribution are left out.

    A pruned trial gets its last score as value, as Optuna's own `tell` does.

    Args:
        record: Of the trial.
        distributions: By parameter.
        attributes: What is kept beside it in a storage; samplers look at none.
    """
    from optuna.trial import TrialState as OptunaState
    from optuna.trial import create_trial

    states = {
        TrialState.RUNNING: OptunaState.RUNNING,
        TrialState.COMPLETE: OptunaState.COMPLETE,
        TrialState.PRUNED: OptunaState.PRUNED,
        TrialState.FAILED: OptunaState.FAIL,
    }
    known = [name for name in record.params if name in distributions]
    return create_trial(
        state=states[record.state],
        value=optuna_value(record),
        params={name: record.params[name] for name in known},
        distributions={name: distributions[name] for name in known},
        intermediate_values=dict(record.intermediate),
        user_attrs=dict(attributes or {}),
        system_attrs=dict(record.sampler_state),
    )


def optuna_value(record: TrialRecord) -> float | None:
    """Return what Optuna keeps as the trial's value. Raises ValueError for a score that is NaN."""
    if record.state is TrialState.COMPLETE:
        if record.score is None or math.isnan(record.score):
            raise ValueError(f"trial {record.number} is complete, but its score is {record.score}")
        return record.score
    if record.state is TrialState.PRUNED and record.intermediate:
        last = record.intermediate[max(record.intermediate)]
        return None if math.isnan(last) else last
    return None


def sampler_of(search: Search, seed: int) -> "BaseSampler":
    """Return the sampler that learns from a history, for one proposal."""
    from optuna import samplers

    options = dict(search.sampler_options)
    if search.sampler_name == "cmaes":
        return samplers.CmaEsSampler(
            **{"seed": seed, "warn_independent_sampling": False, **options}
        )
    if search.sampler_name == "gp":
        return samplers.GPSampler(**{"seed": seed, "warn_independent_sampling": False, **options})
    conditional = any(parameter.when for parameter in search.space.searched)
    return samplers.TPESampler(**{"seed": seed, "group": conditional, **options})


def study_in_memory(
    search: Search, sampler: "BaseSampler | None", trials: Sequence["FrozenTrial"]
) -> "Study":
    """Build a study in memory that holds ``trials``, which get their places as numbers.

    Hyperband hashes its name: a new seed gives other brackets.
    """
    import optuna

    from sweeper.search.optuna_memory import ShownTrials

    return optuna.create_study(
        storage=ShownTrials(trials),
        study_name=f"seed {search.seed}",
        direction=search.goal,
        sampler=sampler,
    )


def suggested(trial: "Trial", parameter: Parameter) -> Value:
    """Return what the sampler of ``trial`` takes for a parameter."""
    if parameter.choices:
        choice = trial.suggest_categorical(parameter.name, parameter.choices)
        assert choice is not None
        return choice
    low, high = parameter.bounds
    if parameter.integer:
        step = int(parameter.step or 1)
        return trial.suggest_int(parameter.name, int(low), int(high), step=step, log=parameter.log)
    return trial.suggest_float(parameter.name, low, high, step=parameter.step, log=parameter.log)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from logging and from warning of its own experimental features."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
