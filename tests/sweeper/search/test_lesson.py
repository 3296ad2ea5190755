import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import optuna
import pytest
import torch

from sweeper.outcomes import FailureKind
from sweeper.records import Notes, TrialRecord, TrialState
from sweeper.search import Goal, SamplerName, Search, answered_before, propose
from sweeper.search.lesson import lesson_of
from sweeper.space import Parameter, Space

LR = Parameter(name="lr", low=1e-4, high=1e6, log=True)
SEARCH = Search(space=Space((LR,)), lag=1, sampler_options={"n_startup_trials": 5})
DIVERGED = FailureKind.NOT_FINITE


def scored(number: int, score: float, lr: float = 1e-3) -> TrialRecord:
    return TrialRecord(number=number, params={"lr": lr}, state=TrialState.COMPLETE, score=score)


def failed(number: int, kind: FailureKind = DIVERGED, lr: float = 1e3) -> TrialRecord:
    notes = Notes(failure=kind.value, reason="the loss is nan")
    return TrialRecord(number=number, params={"lr": lr}, state=TrialState.FAILED, notes=notes)


def run(search: Search, trials: int, kind: FailureKind) -> list[TrialRecord]:
    """Train better up to a learning rate of 0.1, worse from there, and not at all from 1 on."""
    history: list[TrialRecord] = []
    for number in range(trials):
        proposal = propose(search, number, history)
        assert proposal is not None
        lr = float(proposal.params["lr"])
        quality = -abs(math.log10(lr) + 1)
        score = quality if search.goal == "maximize" else -quality
        record = scored(number, score, lr) if lr < 1 else failed(number, kind, lr)
        history.append(replace(record, sampler_state=proposal.sampler_state))
    return history


def failures(history: Sequence[TrialRecord]) -> int:
    return sum(record.state is TrialState.FAILED for record in history)


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_tpe_turns_away_from_where_training_diverges(goal: Goal) -> None:
    search = replace(SEARCH, goal=goal)
    astray = run(search, 24, FailureKind.LOST)  # of which a sampler is told nothing
    taught = run(search, 24, DIVERGED)
    assert failures(astray) >= 19
    assert failures(taught) <= 10
    assert failures(taught[-8:]) <= 2


@pytest.mark.parametrize(("sampler", "trials"), [("gp", 14), ("cmaes", 60)])
def test_the_samplers_of_complete_trials_turn_away_too(sampler: SamplerName, trials: int) -> None:
    torch.set_num_threads(1)
    search = replace(SEARCH, sampler_name=sampler, seed=3)
    last = slice(-trials // 3, None)
    assert failures(run(search, trials, FailureKind.LOST)[last]) >= trials // 4
    assert failures(run(search, trials, DIVERGED)[last]) == 0


def shown(search: Search, history: Sequence[TrialRecord]) -> list[tuple[str, float | None]]:
    return [(trial.state.name, trial.value) for trial in lesson_of(search, history)]


def test_what_diverged_is_shown_below_all_others_and_other_failures_are_no_ones_fault() -> None:
    pruned = replace(scored(4, 0.0), state=TrialState.PRUNED, score=None, intermediate={1: 0.1})
    rest = [scored(0, 0.5), scored(1, 0.9), pruned]
    history = [*rest[:2], failed(2), failed(3, FailureKind.OUT_OF_MEMORY), pruned]
    of_tpe = shown(SEARCH, history)
    assert of_tpe[2:] == [("PRUNED", None), ("FAIL", None), ("PRUNED", 0.1)]
    gp = replace(SEARCH, sampler_name="gp")
    assert shown(gp, history)[2:4] == [("COMPLETE", pytest.approx(0.1)), ("FAIL", None)]  # .5 - .4
    down = replace(gp, goal="minimize")
    assert shown(down, history)[2] == ("COMPLETE", pytest.approx(1.3))  # 0.9 + 0.4
    alike = shown(gp, [scored(0, 0.5), failed(1)])
    assert alike[1] == ("COMPLETE", pytest.approx(-0.5))


def test_as_long_as_nothing_has_a_score_failing_teaches_nothing() -> None:
    history = [failed(number) for number in range(12)]
    lost = [failed(number, FailureKind.LOST) for number in range(12)]
    assert propose(SEARCH, 12, history) == propose(SEARCH, 12, lost)
    gp = replace(SEARCH, sampler_name="gp")
    assert {state for state, _ in shown(gp, history)} == {"FAIL"}


def test_what_failed_is_never_among_those_that_tpe_takes_for_good() -> None:
    history = [scored(0, 0.5), *(failed(number) for number in range(1, 60))]
    trials = lesson_of(SEARCH, history)
    heard = [trial for trial in trials if trial.state is not optuna.trial.TrialState.FAIL]
    gamma = optuna.samplers._tpe.sampler.default_gamma
    assert len(heard) == 9
    assert gamma(len(heard)) == 1
    assert [trial.number for trial in trials if trial in heard[1:]] == [-1] * 8
    assert trials[-1] is heard[-1]  # the newest


def test_what_a_sampler_is_shown_depends_on_what_it_may_see_alone() -> None:
    search = replace(SEARCH, lag=4)
    history = [*run(SEARCH, 14, DIVERGED)]
    ways: list[Callable[[TrialRecord], TrialRecord]] = [
        lambda r: r,
        lambda r: failed(r.number, lr=float(r.params["lr"])),
        lambda r: replace(r, state=TrialState.RUNNING, score=None, notes=Notes()),
    ]
    proposals = [propose(search, 14, [*history[:11], *map(way, history[11:])]) for way in ways]
    assert proposals[0] == proposals[1] == proposals[2]
    fresh = replace(search)
    assert fresh.memory is not search.memory
    assert propose(fresh, 14, list(reversed(history))) == proposals[0]


def test_proposals_after_failures_are_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(SEARCH, 12, DIVERGED)


def test_a_setting_that_diverged_is_answered_from_its_record_and_one_that_was_lost_is_not() -> None:
    rows = [failed(0), failed(1, FailureKind.LOST, lr=2e3)]
    again = replace(failed(2), state=TrialState.RUNNING, notes=Notes())
    assert answered_before(SEARCH, again, rows) is rows[0]
    assert answered_before(SEARCH, replace(again, params={"lr": 2e3}), rows) is None
    assert answered_before(replace(SEARCH, lag=3), again, rows) is None  # it may not be known yet
    assert answered_before(SEARCH, replace(again, notes=Notes(repeat=1)), rows) is None
