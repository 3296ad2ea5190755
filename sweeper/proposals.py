"""What the next trial tries, and whether a running one is worth finishing.

Proposal n depends on the search, its seed, n, and the results of trials 0 .. n-lag; later trials
count as running, whatever is known of them. Results that were known before trial 0 belong to the
search. So the number of slots, the order in which trials end and a killed driver change nothing.
Optuna's samplers and pruners see a study that is built afresh in memory for each question. No
clock, no files, no storage. Optuna is imported where it is used, because `sweeper --help` must not
wait for it.
"""

import contextlib
import hashlib
import json
import math
import random
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from sweeper.records import TrialRecord, TrialState
from sweeper.space import (
    Parameter,
    Setting,
    Space,
    Value,
    canonical,
    compose,
    is_finite,
    setting_at,
    setting_number,
    size,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

Goal = Literal["maximize", "minimize"]
SamplerName = Literal["tpe", "random", "grid", "qmc", "cmaes", "gp"]
PrunerName = Literal["none", "median", "percentile", "hyperband"]
Origin = Literal["baseline", "enqueued", "sampled"]
Duplicates = Literal["cached", "reseed", "resample"]

RESAMPLES = 20  # at most, of one proposal
_WITHOUT_HISTORY = ("random", "grid", "qmc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The part of a study that determines its proposals."""

    space: Space
    sampler_name: SamplerName = "tpe"
    seed: int = 0
    sampler_options: Mapping[str, Any] = field(default_factory=dict)  # of Optuna's constructor
    pruner_name: PrunerName = "none"
    pruner_options: Mapping[str, Any] = field(default_factory=dict)
    goal: Goal = "maximize"
    baseline: Setting | None = None  # trial 0
    enqueue: tuple[Setting, ...] = ()  # the trials after it
    lag: int = 8  # how far behind n the known results end; 0: every result counts at once
    fidelity: str | None = None  # the parameter whose trials contain all with a smaller value
    duplicates: Duplicates = "cached"  # what becomes of a setting that is proposed again
    race: bool = False  # whether a trial is stopped by its distance from the best before it
    known: tuple[TrialRecord, ...] = ()  # measured elsewhere; no proposals, so not "tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a trial tries, and where that came from."""

    params: Mapping[str, Value]
    origin: Origin
    repeat: int = 0  # how often the setting was proposed before; under `duplicates: reseed`
    sampler_state: Mapping[str, Any] = field(default_factory=dict)  # goes into the trial's record


def lag_for(slots: int) -> int:
    """Choose the lag for a number of slots: up to four slots share one history."""
    return 8 if slots <= 4 else 2 * slots


def ready(search: Search, number: int, history: Sequence[TrialRecord]) -> bool:
    """Whether the results that trial ``number`` depends on are all there.

    A lag of 0 never waits and gives reproducibility up.
    """
    if search.lag == 0 or not _needs_history(search, number):
        return True
    ended = {record.number for record in history if record.state is not TrialState.RUNNING}
    return all(earlier in ended for earlier in range(number - search.lag + 1))


def propose(search: Search, number: int, history: Sequence[TrialRecord]) -> Proposal | None:
    """Say what trial ``number`` tries: the baseline, then what is enqueued, then the sampler's.

    Args:
        search: What is searched, and how.
        number: Zero-based number of the trial.
        history: Records of at least the trials 0 .. ``number`` - 1, in any order; results of
            trials after ``number`` - lag are ignored.

    Returns:
        The proposal; None when every setting of a finite space has been tried.

    Raises:
        ValueError: if a record is missing, or has no result that it must have (see `ready`).
    """
    given = _given(search)
    if number >= len(given) and search.duplicates != "reseed":
        tried = {setting_key(record.params) for record in _proposals(history, number)}
        if is_finite(search.space) and len(tried) >= size(search.space):
            return None
        if search.duplicates == "resample":
            return _resampled(search, number, history, tried)
    proposal = _draw(search, number, history)
    if proposal is None or search.duplicates != "reseed":
        return proposal
    same = [r for r in _proposals(history, number) if r.params == proposal.params]
    return replace(proposal, repeat=len(same))


def prefixes_of(search: Search, record: TrialRecord) -> list[TrialRecord]:
    """The shorter trainings that a trial has scored on its way, as complete trials.

    A trial that was stopped early has scored some, too; that of one which failed is not trusted.
    """
    name = search.fidelity
    if (
        name is None
        or name not in record.params
        or record.state not in (TrialState.COMPLETE, TrialState.PRUNED)
    ):
        return []
    [parameter] = [p for p in search.space.searched if p.name == name]
    shortest, step = int(parameter.bounds[0]), int(parameter.step or 1)
    scores = sorted(record.intermediate.items())
    return [
        TrialRecord(
            number=record.number,
            prefix=epoch,
            params={**record.params, name: epoch},
            state=TrialState.COMPLETE,
            score=score,
            intermediate={e: s for e, s in scores if e <= epoch},
        )
        for epoch, score in scores
        if shortest <= epoch < int(record.params[name]) and (epoch - shortest) % step == 0
    ]


def _resampled(
    search: Search, number: int, history: Sequence[TrialRecord], tried: Collection[str]
) -> Proposal | None:
    """The first draw that is new; where none is, the last: the space may be as good as used up."""
    for attempt in range(RESAMPLES + 1):
        proposal = _draw(search, number, history, attempt=attempt)
        if proposal is None or setting_key(proposal.params) not in tried:
            break
    return proposal


def shared_prefixes(
    search: Search, proposals: Iterable[TrialRecord], known: set[str] | None = None
) -> list[TrialRecord]:
    """What ``proposals`` have scored on their way, each setting once: as the first trial had it.

    A setting that a trial before had of its own is not among them.

    Args:
        search: What is searched, and how.
        proposals: In order of their numbers.
        known: Settings of the proposals before these; takes in those of these.
    """
    known = set() if known is None else known
    found = []
    for record in proposals:
        for prefix in prefixes_of(search, record):
            if setting_key(prefix.params) not in known:
                known.add(setting_key(prefix.params))
                found.append(prefix)
        if record.state is TrialState.COMPLETE:
            known.add(setting_key(record.params))
    return found


def best_before(search: Search, number: int, records: Iterable[TrialRecord]) -> TrialRecord | None:
    """The best complete trial among those that trial ``number`` may know, for its race."""
    sign = 1.0 if search.goal == "maximize" else -1.0
    last = number - max(search.lag, 1)
    known = [r for r in records if r.number <= last and r.state is TrialState.COMPLETE]
    return max(known, key=lambda r: (sign * (r.score or 0.0), -r.number), default=None)


def answered_before(
    search: Search, record: TrialRecord, records: Iterable[TrialRecord]
) -> TrialRecord | None:
    """The complete trial whose setting and seed ``record`` has again, among those it may know.

    Later ones are not looked at, whether they have ended or not: what becomes of a trial must not
    depend on time.
    """
    if record.notes.get("repeat"):
        return None
    last = record.number - max(search.lag, 1)
    return next(
        (
            known
            for known in records
            if known.number <= last
            and known.state is TrialState.COMPLETE
            and known.params == record.params
            and not known.notes.get("repeat")
        ),
        None,
    )


def setting_key(setting: Setting) -> str:
    """A setting as a text that equals that of no other one."""
    return json.dumps(setting, sort_keys=True)


def _draw(
    search: Search, number: int, history: Sequence[TrialRecord], *, attempt: int = 0
) -> Proposal | None:
    given = _given(search)
    if number < len(given):
        origin: Origin = "baseline" if number == 0 and search.baseline else "enqueued"
        return Proposal(params=given[number], origin=origin)
    place = number - len(given)
    if search.sampler_name == "random":
        generator = random.Random(_derived_seed(search.seed, number, attempt))
        point = [generator.random() for _ in search.space.searched]
        return Proposal(params=setting_at(search.space, point), origin="sampled")
    if search.sampler_name == "qmc":
        point = _sobol_point(len(search.space.searched), place, search.seed)
        return Proposal(params=setting_at(search.space, point), origin="sampled")
    if search.sampler_name == "grid":
        setting = next(islice(_grid(search), place, None), None)
        return None if setting is None else Proposal(params=setting, origin="sampled")
    visible = _visible(search, number, history)
    taught = () if search.sampler_name == "cmaes" else search.known  # it needs its own notes
    history = [*taught, *_with_prefixes(search, visible)]
    return _ask(search, number, history, attempt=attempt)


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
    visible = _visible(search, number, history)
    own = TrialRecord(
        number=number, params={}, state=TrialState.RUNNING, intermediate=own_intermediate
    )
    if search.pruner_name == "hyperband":
        return _hyperband_prunes(search, visible, own)
    with _quiet():
        from optuna import pruners

        options = dict(search.pruner_options)
        pruner = (
            pruners.MedianPruner(**options)
            if search.pruner_name == "median"
            else pruners.PercentilePruner(**{"percentile": 25.0, **options})
        )
        study = _study(search, None, [frozen_trial(record, {}) for record in visible])
        return bool(pruner.prune(study, frozen_trial(own, {})))


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


def _needs_history(search: Search, number: int) -> bool:
    if search.pruner_name != "none" or search.race:
        return True
    return search.sampler_name not in _WITHOUT_HISTORY and number >= len(_given(search))


def _given(search: Search) -> list[dict[str, Value]]:
    """Return the settings that come before the sampler's, in order."""
    first = [] if search.baseline is None else [search.baseline]
    return [canonical(search.space, setting) for setting in (*first, *search.enqueue)]


def _derived_seed(seed: int, number: int, attempt: int = 0) -> int:
    """Mix seed and trial number into 32 bits, so that neighbours are unrelated."""
    text = f"{seed}/{number}" + (f"/{attempt}" if attempt else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _sobol_point(dimension: int, place: int, seed: int) -> list[float]:
    """Return one point of a scrambled Sobol sequence; its first 2^k points are balanced."""
    if dimension == 0:
        return []
    import numpy as np
    from scipy.stats import qmc

    sequence = qmc.Sobol(dimension, scramble=True, seed=np.random.default_rng(seed))
    if place > 0:  # SciPy cannot go forward by nothing
        sequence.fast_forward(place)
    return [float(coordinate) for coordinate in sequence.random(1)[0]]


def _grid(search: Search) -> Iterator[dict[str, Value]]:
    """Go through a finite space in a random order, without what was tried as given."""
    given = _given(search)
    for index in _shuffled(size(search.space), search.seed):
        setting = setting_number(search.space, index)
        if setting not in given:
            yield setting


def _shuffled(total: int, seed: int) -> Iterator[int]:
    """Shuffle range(total) lazily (Fisher and Yates), in memory that grows with what is used."""
    generator = random.Random(seed)
    moved: dict[int, int] = {}
    for place in range(total):
        other = generator.randrange(place, total)
        yield moved.get(other, other)
        moved[other] = moved.get(place, place)


def _visible(search: Search, number: int, history: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the proposals 0 .. number-1 as trial ``number`` may see them."""
    records = {record.number: record for record in _proposals(history, number)}
    missing = [earlier for earlier in range(number) if earlier not in records]
    if missing:
        raise ValueError(f"trial {number} needs the records of all trials before it: {missing}")
    settled = number if search.lag == 0 else number - search.lag + 1
    open_ones = [n for n in range(settled) if records[n].state is TrialState.RUNNING]
    if open_ones and search.lag > 0:
        raise ValueError(f"trial {number} needs the results of trials {open_ones}, still running")
    return [_seen(records[n], settled=n < settled) for n in range(number)]


def _proposals(history: Sequence[TrialRecord], number: int) -> list[TrialRecord]:
    """The proposals before ``number``, without the shorter trainings that follow from them."""
    return [record for record in history if record.prefix is None and record.number < number]


def _with_prefixes(search: Search, visible: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Add what trials have scored on their way, as `shared_prefixes` has it."""
    return sorted([*visible, *shared_prefixes(search, visible)], key=lambda record: record.order)


def _seen(record: TrialRecord, *, settled: bool) -> TrialRecord:
    if settled:
        return replace(record, notes={})
    return replace(record, state=TrialState.RUNNING, score=None, intermediate={}, notes={})


def _ask(search: Search, number: int, visible: Sequence[TrialRecord], *, attempt: int) -> Proposal:
    """Draw a setting from a fresh Optuna study that holds the visible records."""
    with _quiet():
        distributions = {p.name: distribution(p) for p in search.space.searched}
        sampler = _sampler(search, _derived_seed(search.seed, number, attempt))
        study = _study(search, sampler, [frozen_trial(record, distributions) for record in visible])
        trial = study.ask()
        setting = compose(search.space, lambda parameter: _suggest(trial, parameter))
        state = study.get_trials(deepcopy=False)[-1].system_attrs
    return Proposal(
        params=canonical(search.space, setting),
        origin="sampled",
        sampler_state=dict(state) if search.sampler_name == "cmaes" else {},
    )


def _suggest(trial: "Trial", parameter: Parameter) -> Value:
    if parameter.choices:
        choice = trial.suggest_categorical(parameter.name, parameter.choices)
        assert choice is not None
        return choice
    low, high = parameter.bounds
    if parameter.integer:
        step = int(parameter.step or 1)
        return trial.suggest_int(parameter.name, int(low), int(high), step=step, log=parameter.log)
    return trial.suggest_float(parameter.name, low, high, step=parameter.step, log=parameter.log)


def _sampler(search: Search, seed: int) -> "BaseSampler":
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


def _study(
    search: Search, sampler: "BaseSampler | None", trials: Sequence["FrozenTrial"]
) -> "Study":
    """Build a study in memory. Hyperband hashes its name: a new seed gives other brackets."""
    import optuna

    study = optuna.create_study(
        study_name=f"seed {search.seed}", direction=search.goal, sampler=sampler
    )
    study.add_trials(trials)
    return study


def frozen_trial(
    record: TrialRecord, distributions: Mapping[str, "BaseDistribution"]
) -> "FrozenTrial":
    """Return Optuna's form of a record; parameters without distribution are left out.

    A pruned trial gets its last score as value, as Optuna's own `tell` does.
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
        user_attrs=dict(record.notes),
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
    with _quiet():
        pruner = HyperbandPruner(**options)
        study = _study(search, None, [])
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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from logging and from warning of its own experimental features."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
