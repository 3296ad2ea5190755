"""How much each parameter decides whether a setting is among the best, and how sure that is.

PED-ANOVA, Optuna's own evaluator, on the trials drawn with replacement: a few dozen trials give
importances that a few others would turn round, so that a number without its spread misleads.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from sweeper.records import TrialRecord, TrialState
from sweeper.search import distribution, frozen_trial
from sweeper.space import Parameter, Space, Value

FEWEST = 10  # trials, below which a tenth of them is no group
RESAMPLES = 40
LEVEL = 0.9


class Importance(NamedTuple):
    """Share of the variance that a parameter explains, in [0, 1], and its spread."""

    median: float
    low: float  # 90 % of the resamples lie between these
    high: float


def parameter_importance(
    space: Space,
    results: Sequence[tuple[Mapping[str, Value], float]],
    *,
    goal: Literal["maximize", "minimize"],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Importance]:
    """Weigh the searched parameters, the weightiest first; nothing for fewer than ten results.

    Args:
        space: Its searched parameters.
        results: Settings with their scores.
        goal: "maximize" or "minimize".
        resamples: Of the results.
        seed: Of the resamples.

    References:
        Watanabe, Bansal and Hutter 2023, PED-ANOVA (arXiv:2304.10255).
    """
    scores = [score for _, score in results]
    if len(space.searched) < 2 or len(results) < FEWEST or len(set(scores)) < 2:
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {p.name: distribution(p) for p in space.searched}
    trials = []
    for number, (params, score) in enumerate(results):
        known = {p.name: params[p.name] for p in space.searched if _holds(p, params.get(p.name))}
        record = TrialRecord(number=number, params=known, state=TrialState.COMPLETE, score=score)
        trials.append(frozen_trial(record, distributions))
    generator = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in distributions}
    for _ in range(resamples):
        study = optuna.create_study(direction=goal)
        study.add_trials([trials[i] for i in generator.integers(0, len(trials), len(trials))])
        weighed = optuna.importance.get_param_importances(study)
        for name in found:
            found[name].append(weighed.get(name, 0.0))
    ends = ((1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0)
    spread = {
        name: Importance(float(np.median(shares)), *map(float, np.quantile(shares, ends)))
        for name, shares in found.items()
    }
    return dict(sorted(spread.items(), key=lambda item: -item[1].median))


def _holds(parameter: Parameter, value: Value | None) -> bool:
    """Whether a value is one of the parameter's own: an inactive one may lie elsewhere."""
    if value is None or parameter.choices:
        return value in parameter.choices
    low, high = parameter.bounds
    return not isinstance(value, str) and low <= value <= high
