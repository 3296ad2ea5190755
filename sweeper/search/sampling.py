"""What the next trial tries: the baseline, what is enqueued, then what a sampler draws."""

import hashlib
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import count

from sweeper.records import TrialRecord, TrialState
from sweeper.search.forms import quiet, sampler_of, study_in_memory, suggested
from sweeper.search.known import shared_prefixes
from sweeper.search.lesson import lesson_of
from sweeper.search.search import (
    Origin,
    Proposal,
    Search,
    given_settings,
    key_of,
    proposals_before,
    setting_key,
    visible_to,
)
from sweeper.space import Value, canonical, compose, is_finite, setting_at, setting_number, size

RESAMPLES = 20  # at most, of one proposal
_WITHOUT_HISTORY = ("random", "grid", "qmc")


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
    if number not in given_settings(search) and search.duplicates != "reseed":
        finite, resample = is_finite(search.space), search.duplicates == "resample"
        tried: set[str] = set()
        if finite or resample:
            tried = {key_of(search, record) for record in proposals_before(history, number)}
        if finite and len(tried) >= size(search.space):
            return None
        if resample:
            return _resampled(search, number, history, tried)
    proposal = _draw(search, number, history)
    if proposal is None or search.duplicates != "reseed":
        return proposal
    same = [r for r in proposals_before(history, number) if r.params == proposal.params]
    return replace(proposal, repeat=len(same))


def _resampled(
    search: Search, number: int, history: Sequence[TrialRecord], tried: Collection[str]
) -> Proposal | None:
    """The first draw that is new; where none is, the last: the space may be as good as used up."""
    for attempt in range(RESAMPLES + 1):
        proposal = _draw(search, number, history, attempt=attempt)
        if proposal is None or setting_key(proposal.params) not in tried:
            break
    return proposal


def _needs_history(search: Search, number: int) -> bool:
    if search.pruner_name != "none" or search.race or search.no_gain is not None:
        return True
    return search.sampler_name not in _WITHOUT_HISTORY and number not in given_settings(search)


def _draw(
    search: Search, number: int, history: Sequence[TrialRecord], *, attempt: int = 0
) -> Proposal | None:
    given = given_settings(search)
    if number in given:
        origin: Origin = "baseline" if number == 0 and search.baseline else "enqueued"
        return Proposal(params=given[number].setting, origin=origin)
    if search.sampler_name == "random":
        generator = random.Random(_derived_seed(search.seed, number, attempt))
        point = [generator.random() for _ in search.space.searched]
        return Proposal(params=setting_at(search.space, point), origin="sampled")
    if search.sampler_name == "qmc":
        place = number - sum(tries < number for tries in given)
        point = _sobol_point(len(search.space.searched), place, search.seed)
        return Proposal(params=setting_at(search.space, point), origin="sampled")
    if search.sampler_name == "grid":
        setting = next((s for n, s in _grid(search) if n == number), None)
        return None if setting is None else Proposal(params=setting, origin="sampled")
    visible = _with_prefixes(search, visible_to(search, number, history))
    return _ask(search, number, visible, attempt=attempt)


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


def _grid(search: Search) -> Iterator[tuple[int, dict[str, Value]]]:
    """Go through a finite space in a random order, without what was given until then: each trial
    that is not given itself with its setting.
    """
    given = given_settings(search)
    since = {setting_key(one.setting): one.since for one in reversed(given.values())}
    free = (number for number in count() if number not in given)
    number = next(free)
    for index in _shuffled(size(search.space), search.seed):
        setting = setting_number(search.space, index)
        if since.get(setting_key(setting), number + 1) > number:
            yield number, setting
            number = next(free)


def _shuffled(total: int, seed: int) -> Iterator[int]:
    """Shuffle range(total) lazily (Fisher and Yates), in memory that grows with what is used."""
    generator = random.Random(seed)
    moved: dict[int, int] = {}
    for place in range(total):
        other = generator.randrange(place, total)
        yield moved.get(other, other)
        moved[other] = moved.get(place, place)


def _with_prefixes(search: Search, visible: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Add what trials have scored on their way, as `shared_prefixes` has it."""
    if search.fidelity is None:
        return list(visible)
    return sorted([*visible, *shared_prefixes(search, visible)], key=lambda record: record.order)


def _ask(search: Search, number: int, visible: Sequence[TrialRecord], *, attempt: int) -> Proposal:
    """Draw a setting from a fresh Optuna study that holds the visible records."""
    with quiet():
        sampler = sampler_of(search, _derived_seed(search.seed, number, attempt))
        study = study_in_memory(search, sampler, lesson_of(search, visible))
        trial = study.ask()
        setting = compose(search.space, lambda parameter: suggested(trial, parameter))
        state = study.get_trials(deepcopy=False)[-1].system_attrs
    return Proposal(
        params=canonical(search.space, setting),
        origin="sampled",
        sampler_state=dict(state) if search.sampler_name == "cmaes" else {},
    )
