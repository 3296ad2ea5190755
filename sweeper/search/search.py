"""What determines the proposals of a study, and how much of its history a proposal may see."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any, Literal

from sweeper.records import TrialRecord, TrialState
from sweeper.search.memo import Memory
from sweeper.space import Setting, Space, Value, canonical

Goal = Literal["maximize", "minimize"]
SamplerName = Literal["tpe", "random", "grid", "qmc", "cmaes", "gp"]
PrunerName = Literal["none", "median", "percentile", "hyperband"]
Origin = Literal["baseline", "enqueued", "sampled"]
Duplicates = Literal["cached", "reseed", "resample"]


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
    enqueued_at: tuple[int, ...] = ()
    """For each of these: the trial before which it was added; 0 of those that are not named."""
    lag: int = 8  # how far behind n the known results end; 0: every result counts at once
    fidelity: str | None = None  # the parameter whose trials contain all with a smaller value
    duplicates: Duplicates = "cached"  # what becomes of a setting that is proposed again
    race: bool = False  # whether a trial is stopped by its distance from the best before it
    no_gain: int | None = None  # complete trials in a row without one, after which it ends
    known: tuple[TrialRecord, ...] = ()  # measured elsewhere; no proposals, so not "tried"
    memory: Memory = field(init=False, repr=False, compare=False, default_factory=Memory)
    """Saves work and decides nothing: a search that is made anew proposes the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a trial tries, and where that came from."""

    params: Mapping[str, Value]
    origin: Origin
    repeat: int = 0  # how often the setting was proposed before; under `duplicates: reseed`
    sampler_state: Mapping[str, object] = field(default_factory=dict)  # for the trial's record


def lag_for(slots: int) -> int:
    """Choose the lag for a number of slots: up to four slots share one history."""
    return 8 if slots <= 4 else 2 * slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A setting that comes before the sampler's."""

    setting: Mapping[str, Value]
    since: int  # the trial before which it was added


def given_settings(search: Search) -> dict[int, Given]:
    """Return the settings that come before the sampler's, each by the trial that tries it.

    One that was added to a begun study is tried next, after those that still waited then.
    """
    baseline = [] if search.baseline is None else [(search.baseline, 0)]
    enqueued = zip(search.enqueue, chain(search.enqueued_at, repeat(0)), strict=False)
    given: dict[int, Given] = {}
    following = 0
    for setting, since in (*baseline, *enqueued):
        number = max(following, since)
        given[number] = Given(setting=canonical(search.space, setting), since=since)
        following = number + 1
    return given


def setting_key(setting: Setting) -> str:
    """A setting as a text that equals that of no other one."""
    return json.dumps(setting, sort_keys=True)


def key_of(search: Search, record: TrialRecord) -> str:
    """The `setting_key` of a record."""
    return search.memory.keys.of(record, lambda one: setting_key(one.params))


def visible_to(search: Search, number: int, history: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the proposals 0 .. number-1 as trial ``number`` may see them."""
    records = {record.number: record for record in proposals_before(history, number)}
    missing = [earlier for earlier in range(number) if earlier not in records]
    if missing:
        raise ValueError(f"trial {number} needs the records of all trials before it: {missing}")
    settled = number if search.lag == 0 else number - search.lag + 1
    open_ones = [n for n in range(settled) if records[n].state is TrialState.RUNNING]
    if open_ones and search.lag > 0:
        raise ValueError(f"trial {number} needs the results of trials {open_ones}, still running")
    return [_seen(records[n], settled=n < settled) for n in range(number)]


def proposals_before(history: Iterable[TrialRecord], number: int) -> list[TrialRecord]:
    """The proposals before ``number``, without the shorter trainings that follow from them."""
    return [record for record in history if record.prefix is None and record.number < number]


def _seen(record: TrialRecord, *, settled: bool) -> TrialRecord:
    if settled:
        return record
    return replace(record, state=TrialState.RUNNING, score=None, intermediate={})
