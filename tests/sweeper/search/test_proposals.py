import itertools
import math
import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import optuna
import pytest
import torch

from sweeper.records import Notes, TrialRecord, TrialState
from sweeper.search import (
    Goal,
    PrunerName,
    SamplerName,
    Search,
    answered_before,
    awaits_answer,
    distribution,
    frozen_trial,
    lag_for,
    prefixes_of,
    propose,
    ready,
    shared_prefixes,
    should_prune,
)
from sweeper.space import Parameter, Space, Value, check_setting, settings

LR = Parameter(name="lr", low=1e-5, high=1e-2, log=True)
BETA = Parameter(name="kl_beta", low=0.01, high=0.3)
EPOCHS = Parameter(name="epochs", low=1, high=6, integer=True)
FREEZE = Parameter(name="freeze mode ❄", choices=("backbone", "none"))
DECAY = Parameter(
    name="decay", low=0.1, high=0.9, step=0.1, when={FREEZE.name: ("none",)}, otherwise=0.0
)
SPACE = Space((LR, BETA, EPOCHS, FREEZE, DECAY, Parameter(name="task", fixed="easy_vqa")))
NUMBERS = Space((LR, BETA))
GRID = Space((Parameter(name="a", choices=("x", "y", "z")), replace(EPOCHS, high=4)))
ADAPTIVE: tuple[SamplerName, ...] = ("tpe", "cmaes", "gp")
SAMPLERS: tuple[SamplerName, ...] = (*ADAPTIVE, "random", "qmc")


def score(params: Mapping[str, Value], epoch: int | None = None) -> float:
    """Best at lr 1e-3, kl_beta 0.2; longer is better."""
    lr = math.log10(float(params.get("lr", 1e-3)))
    epochs = int(params.get("epochs", 4)) if epoch is None else epoch
    return 1 - ((lr + 3) / 3) ** 2 - (float(params.get("kl_beta", 0.2)) - 0.2) ** 2 + epochs / 100


def ended(record: TrialRecord) -> TrialRecord:
    """Settle a trial as a function of number and parameters: some fail, some are pruned."""
    if record.number % 7 == 3:
        return replace(record, state=TrialState.FAILED)
    epochs = int(record.params.get("epochs", 4))
    curve = {epoch: score(record.params, epoch) for epoch in range(1, epochs + 1)}
    if record.number % 7 == 5 and epochs > 1:
        first = {1: curve[1]}
        return replace(record, state=TrialState.PRUNED, intermediate=first)
    return replace(
        record, state=TrialState.COMPLETE, score=score(record.params), intermediate=curve
    )


def run(
    search: Search,
    trials: int,
    *,
    slots: int = 1,
    order: int = 0,
    history: Sequence[TrialRecord] = (),
) -> list[TrialRecord]:
    """Work like the driver: fill the slots while proposals are ready, else end any trial."""
    dice = random.Random(order)
    records = {record.number: record for record in history}
    running = [n for n, record in records.items() if record.state is TrialState.RUNNING]
    while len(records) < trials or running:
        known = list(records.values())
        dice.shuffle(known)
        if len(records) < trials and len(running) < slots and ready(search, len(records), known):
            number = len(records)
            proposal = propose(search, number, known)
            if proposal is None:
                break
            running.append(number)
            records[number] = TrialRecord(
                number=number,
                params=proposal.params,
                state=TrialState.RUNNING,
                sampler_state=proposal.sampler_state,
                notes=Notes(origin=proposal.origin),
            )
        else:
            number = running.pop(dice.randrange(len(running)))
            records[number] = ended(records[number])
    return [records[number] for number in sorted(records)]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # gp is Optuna's only sampler on torch; two cores are shared


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_slots_and_finishing_order_change_nothing(sampler: SamplerName) -> None:
    trials, space, lag = (9, NUMBERS, 4) if sampler == "gp" else (32, SPACE, 8)
    search = Search(space=space, sampler_name=sampler, lag=lag, sampler_options=_early(sampler))
    alone = run(search, trials)
    assert run(search, trials, slots=4, order=1) == alone
    assert run(search, trials, slots=2, order=2) == alone


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_resumed_search_goes_on_as_if_nothing_had_happened(sampler: SamplerName) -> None:
    search = Search(space=SPACE, sampler_name=sampler, lag=8)
    whole = run(search, 30, slots=3, order=5)
    left = [
        replace(r, state=TrialState.RUNNING, score=None, intermediate={}) if r.number > 14 else r
        for r in whole[:17]
    ]
    assert run(search, 30, slots=2, order=6, history=left) == whole


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_results_of_later_trials_are_ignored_even_when_they_are_known(sampler: SamplerName) -> None:
    search = Search(space=SPACE, sampler_name=sampler, lag=6)
    history = run(search, 30)
    expected = propose(search, 25, history[:20] + [_open(r) for r in history[20:25]])
    assert propose(search, 25, history) == expected
    assert propose(search, 25, list(reversed(history))) == expected


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_results_that_a_proposal_may_see_change_it(sampler: SamplerName) -> None:
    search = Search(space=NUMBERS, sampler_name=sampler, lag=6)
    history = run(search, 25)
    worse = [replace(r, score=-r.score) if r.score else r for r in history]
    assert propose(search, 25, worse) != propose(search, 25, history)


def test_tpe_sees_where_running_trials_are() -> None:
    search = Search(space=NUMBERS, lag=6)
    history = run(search, 24)
    elsewhere = [*history[:23], replace(history[23], params={"lr": 1e-5, "kl_beta": 0.01})]
    assert propose(search, 24, elsewhere) != propose(search, 24, history)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_stays_within_the_space(sampler: SamplerName) -> None:
    search = Search(space=SPACE, sampler_name=sampler, lag=2, sampler_options=_early(sampler))
    records = run(search, 9 if sampler == "gp" else 40)
    assert [check_setting(SPACE, record.params) for record in records] == [[]] * len(records)
    assert {DECAY.name in record.params for record in records} == {True, False}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_seed_gives_the_trials(sampler: SamplerName) -> None:
    search = Search(space=SPACE, sampler_name=sampler, lag=1)
    assert run(search, 5) == run(search, 5)
    assert run(search, 5) != run(replace(search, seed=1), 5)


@pytest.mark.parametrize(
    ("sampler", "trials", "goal"),
    [
        ("tpe", 60, "maximize"),
        ("tpe", 60, "minimize"),
        ("cmaes", 60, "maximize"),
        ("cmaes", 60, "minimize"),
        ("gp", 16, "maximize"),
    ],
)
def test_adaptive_samplers_move_towards_the_goal(
    sampler: SamplerName, trials: int, goal: Goal
) -> None:
    search = Search(
        space=NUMBERS,
        sampler_name=sampler,
        lag=4,
        goal=goal,
        sampler_options=_early(sampler),
    )
    scores = [score(record.params) for record in run(search, trials)]
    gain = (sum(scores[-8:]) - sum(scores[:8])) / 8
    assert gain > 0.05 if goal == "maximize" else gain < -0.05


def test_tpe_models_the_parameters_of_one_branch_together() -> None:
    branch = Space((*SPACE.parameters, replace(DECAY, name="warmup")))
    search = Search(space=branch, lag=1, sampler_options={"n_startup_trials": 5})
    history = run(search, 30)
    apart = replace(search, sampler_options={"n_startup_trials": 5, "group": False})
    assert propose(apart, 30, history) != propose(search, 30, history)


def test_cmaes_carries_its_optimizer_from_generation_to_generation() -> None:
    search = Search(space=NUMBERS, sampler_name="cmaes", lag=4)
    records = run(search, 60)
    generations = [r.sampler_state["cma:generation"] for r in records[8:]]
    assert generations[0] == 0
    assert generations[-1] >= 4
    forgetful = [replace(record, sampler_state={}) for record in records]
    assert propose(search, 60, forgetful) != propose(search, 60, records)


def test_baseline_comes_first_then_the_enqueued_then_the_sampler() -> None:
    first = {"lr": 1e-3, "kl_beta": 0.1}
    second = {"lr": 1e-4, "kl_beta": 0.3}
    search = Search(space=NUMBERS, baseline=first, enqueue=(second, first), sampler_name="random")
    records = run(search, 4)
    assert [r.params for r in records[:3]] == [first, second, first]
    assert [r.notes.origin for r in records] == ["baseline", "enqueued", "enqueued", "sampled"]
    without = run(replace(search, baseline=None), 1)
    assert without[0].notes.origin == "enqueued"


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "qmc"])
def test_what_is_enqueued_later_comes_next_and_changes_no_proposal_before(
    sampler: SamplerName,
) -> None:
    one, other = list(settings(GRID))[3:8:4]
    search = Search(space=GRID, sampler_name=sampler, lag=2, enqueue=(one,))
    before = run(search, 4)
    twice = before[2].params  # a setting that was sampled
    longer = replace(search, enqueue=(one, other, twice), enqueued_at=(0, 4, 4))
    after = run(longer, 8)
    assert after[:4] == before
    assert [record.params for record in after[4:6]] == [other, twice]
    assert [record.notes.origin for record in after[4:7]] == ["enqueued", "enqueued", "sampled"]
    if sampler == "qmc":  # the sequence goes on where it was
        assert [r.params for r in after[6:]] == [r.params for r in run(search, 6)[4:]]


def test_what_is_enqueued_while_others_wait_comes_after_them() -> None:
    first, second, third = list(settings(GRID))[:3]
    search = Search(
        space=GRID, sampler_name="random", enqueue=(first, second, third), enqueued_at=(0, 0, 1)
    )
    assert [record.params for record in run(search, 3)] == [first, second, third]


def test_a_grid_that_is_extended_still_tries_every_setting() -> None:
    everything = list(settings(GRID))
    before = run(Search(space=GRID, sampler_name="grid"), 4)
    new = next(s for s in everything if s not in [record.params for record in before])
    search = Search(
        space=GRID,
        sampler_name="grid",
        enqueue=(before[1].params, new),  # one that the grid has had, one that it has not
        enqueued_at=(4, 4),
    )
    tried = [record.params for record in run(search, 100)]
    assert len(tried) == len(everything) + 1
    assert sorted(map(str, tried)) == sorted(map(str, [*everything, before[1].params]))


def test_given_settings_are_written_as_the_space_writes_them() -> None:
    search = Search(space=Space((DECAY_ALWAYS,)), baseline={"decay": 0.1 + 0.2})
    assert run(search, 1)[0].params == {"decay": 0.3}


def test_grid_tries_every_setting_once_in_an_order_of_its_seed_and_then_stops() -> None:
    records = run(Search(space=GRID, sampler_name="grid"), 100)
    tried = [tuple(record.params.items()) for record in records]
    everything = [tuple(setting.items()) for setting in settings(GRID)]
    assert sorted(tried) == sorted(everything)
    assert tried != everything
    other = run(Search(space=GRID, sampler_name="grid", seed=1), 100)
    assert [tuple(record.params.items()) for record in other] != tried


def test_grid_does_not_repeat_the_baseline() -> None:
    search = Search(space=GRID, sampler_name="grid", baseline={"a": "y", "epochs": 2})
    tried = [tuple(record.params.items()) for record in run(search, 100)]
    assert len(tried) == len(set(tried)) == 12


def test_a_grid_too_large_to_list_is_begun_at_once() -> None:
    wide = Space(tuple(replace(EPOCHS, name=f"p{n}") for n in range(20)))
    records = run(Search(space=wide, sampler_name="grid"), 20)
    assert len({tuple(record.params.values()) for record in records}) == 20


def test_qmc_is_one_balanced_sequence_that_skips_what_was_given() -> None:
    given = {"lr": 1e-3, "kl_beta": 0.1}
    search = Search(space=NUMBERS, sampler_name="qmc", baseline=given)
    records = run(search, 17)[1:]
    # a scrambled Sobol sequence has one of its first 16 points in each sixteenth of every axis
    cells = {int(16 * (math.log10(float(r.params["lr"])) + 5) / 3) for r in records}
    assert cells == set(range(16))
    assert records[0].params == run(replace(search, baseline=None), 1)[0].params


def test_samplers_without_history_never_wait() -> None:
    running = [TrialRecord(number=n, params={}, state=TrialState.RUNNING) for n in range(50)]
    for sampler in ("random", "grid", "qmc"):
        search = Search(space=GRID, sampler_name=sampler)
        assert ready(search, 50, running)
        assert not ready(replace(search, pruner_name="median"), 50, running)  # it looks back


def test_a_proposal_waits_for_the_results_it_depends_on_and_for_no_other() -> None:
    search = Search(space=NUMBERS, lag=3)
    history = [_complete(n) for n in range(7)]
    assert ready(search, 9, history)  # needs 0 .. 6
    assert not ready(search, 10, history)
    assert ready(search, 2, [])  # needs none: up to three trials start at once
    assert ready(replace(search, lag=0), 10, history)  # free order


def test_a_failed_trial_ends_the_wait() -> None:
    search = Search(space=NUMBERS, lag=1)
    assert ready(search, 1, [replace(_complete(0), state=TrialState.FAILED, score=None)])
    assert not ready(search, 1, [_open(_complete(0))])


def test_a_proposal_without_its_history_is_refused() -> None:
    search = Search(space=NUMBERS, lag=2)
    with pytest.raises(ValueError, match=r"records of all trials before it: \[1\]"):
        propose(search, 3, [_complete(0), _complete(2)])
    with pytest.raises(ValueError, match=r"results of trials \[0\], still running"):
        propose(search, 3, [_open(_complete(0)), _complete(1), _complete(2)])


@pytest.mark.parametrize(("slots", "lag"), [(1, 8), (4, 8), (5, 10), (64, 128)])
def test_up_to_four_slots_share_one_lag(slots: int, lag: int) -> None:
    assert lag_for(slots) == lag


@pytest.mark.parametrize("pruner", ["median", "percentile", "hyperband"])
def test_pruning_ignores_what_the_proposal_ignores(pruner: PrunerName) -> None:
    search = Search(space=SPACE, sampler_name="random", pruner_name=pruner, lag=5)
    history = run(search, 24)
    hidden = history[:16] + [_open(record) for record in history[16:]]
    decisions = set()
    for value, epochs in itertools.product((0.1, 0.8, 1.2), (1, 3)):
        own = dict.fromkeys(range(1, epochs + 1), value)
        decision = should_prune(search, 20, history, own)
        backwards = dict(reversed(own.items()))
        assert decision is should_prune(search, 20, list(reversed(hidden)), backwards)
        decisions.add(decision)
    assert decisions == {True, False}


def test_the_median_pruner_stops_what_is_below_the_median() -> None:
    search = Search(space=SPACE, pruner_name="median", lag=1)
    history = [
        replace(_complete(n), intermediate={1: value})
        for n, value in enumerate([0.1, 0.2, 0.3, 0.4, 0.5])
    ]
    assert should_prune(search, 5, history, {1: 0.29})
    assert not should_prune(search, 5, history, {1: 0.31})
    assert not should_prune(replace(search, goal="minimize"), 5, history, {1: 0.29})
    assert not should_prune(search, 4, history, {1: 0.0})  # Optuna waits for five trials


def test_no_pruner_and_no_epoch_stop_nothing() -> None:
    history = [_complete(n) for n in range(9)]
    assert not should_prune(Search(space=SPACE), 9, history, {1: -1.0})
    assert not should_prune(Search(space=SPACE, pruner_name="median"), 9, history, {})


def test_hyperband_decides_as_optunas_own_does_in_one_study() -> None:
    """With a lag of 1 and one trial at a time there is nothing to hide."""
    search = Search(
        space=SPACE, sampler_name="random", pruner_name="hyperband", lag=1, seed=3,
        pruner_options={"max_resource": 9},
    )  # fmt: skip
    live = optuna.create_study(
        study_name="seed 3",
        direction="maximize",
        pruner=optuna.pruners.HyperbandPruner(max_resource=9),
    )
    dice = random.Random(0)
    history: list[TrialRecord] = []
    stopped = 0
    for number in range(30):
        trial = live.ask()
        curve: dict[int, float] = {}
        state = TrialState.COMPLETE
        for epoch in range(1, 10):
            curve[epoch] = dice.random()
            trial.report(curve[epoch], epoch)
            decision = trial.should_prune()  # asked twice, Optuna would say something else
            assert should_prune(search, number, history, curve) is decision
            if decision:
                state = TrialState.PRUNED
                stopped += 1
                break
        live.tell(
            trial,
            curve[max(curve)] if state is TrialState.COMPLETE else None,
            state=optuna.trial.TrialState[state.name],
        )
        value = curve[max(curve)] if state is TrialState.COMPLETE else None
        record = TrialRecord(number=number, params={}, state=state, score=value, intermediate=curve)
        history.append(record)
    assert 5 < stopped < 28


def test_hyperband_takes_the_longest_training_from_the_space() -> None:
    fidelity = Search(
        space=Space((replace(EPOCHS, high=9, fidelity=True),)), pruner_name="hyperband", lag=1
    )
    told = replace(fidelity, space=NUMBERS, pruner_options={"max_resource": 9})
    history = [
        replace(_complete(n), intermediate={1: n / 20, 2: n / 20, 3: n / 20}) for n in range(20)
    ]
    own = [{1: value, 2: value, 3: value} for value in (0.0, 0.3, 0.6, 0.9)]
    assert [should_prune(fidelity, 20, history, o) for o in own] == [
        should_prune(told, 20, history, o) for o in own
    ]


def test_a_record_becomes_optunas_with_failed_pruned_and_nan_as_optuna_has_them() -> None:
    record = TrialRecord(
        number=0, params={"lr": 1e-3}, state=TrialState.PRUNED, intermediate={2: 0.5, 1: 0.25}
    )
    trial = frozen_trial(record, {"lr": distribution(LR)})
    assert (trial.state, trial.value, trial.params) == (
        optuna.trial.TrialState.PRUNED,
        0.5,
        {"lr": 1e-3},
    )
    diverged = replace(record, intermediate={1: 0.25, 2: math.nan})
    assert frozen_trial(diverged, {}).value is None
    failed = replace(record, state=TrialState.FAILED)
    assert frozen_trial(failed, {}).value is None
    with pytest.raises(ValueError, match="trial 0 is complete, but its score is None"):
        frozen_trial(replace(record, state=TrialState.COMPLETE), {})


def test_proposals_are_silent() -> None:
    search = Search(space=SPACE, lag=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(search, 14)
        run(replace(search, sampler_name="cmaes"), 6)


DECAY_ALWAYS = replace(DECAY, when={})


def _early(sampler: SamplerName) -> dict[str, int]:
    """Let the model speak within a short test."""
    return {"n_startup_trials": 4} if sampler in ("tpe", "gp") else {}


def _open(record: TrialRecord) -> TrialRecord:
    return replace(record, state=TrialState.RUNNING, score=None, intermediate={})


def _complete(number: int) -> TrialRecord:
    params = {"lr": 1e-3, "kl_beta": 0.1}
    return TrialRecord(number=number, params=params, state=TrialState.COMPLETE, score=0.5)


LENGTHS = Search(space=Space((LR, replace(EPOCHS, step=2, high=5))), fidelity="epochs", lag=1)


def scored(
    number: int, epochs: int, *, lr: float = 1e-3, state: TrialState = TrialState.COMPLETE
) -> TrialRecord:
    """A trial that has scored every epoch; where it was pruned, only the first two."""
    last = 2 if state is TrialState.PRUNED else epochs
    return TrialRecord(
        number=number,
        params={"lr": lr, "epochs": epochs},
        state=state,
        score=epochs / 10 if state is TrialState.COMPLETE else None,
        intermediate={epoch: epoch / 10 for epoch in range(1, last + 1)},
    )


def test_a_trial_contains_the_shorter_trainings_that_lie_in_the_space() -> None:
    first, third = prefixes_of(LENGTHS, scored(4, 5))
    assert (first.name, first.params, first.score) == ("4@1", {"lr": 1e-3, "epochs": 1}, 0.1)
    assert (third.name, third.params, third.score) == ("4@3", {"lr": 1e-3, "epochs": 3}, 0.3)
    assert third.intermediate == {1: 0.1, 2: 0.2, 3: 0.3}
    assert third.state is TrialState.COMPLETE


def test_a_pruned_trial_contains_what_it_has_scored_and_a_failed_one_nothing() -> None:
    pruned = prefixes_of(LENGTHS, scored(4, 5, state=TrialState.PRUNED))
    assert [record.name for record in pruned] == ["4@1"]
    assert prefixes_of(LENGTHS, scored(4, 5, state=TrialState.FAILED)) == []
    assert prefixes_of(replace(LENGTHS, fidelity=None), scored(4, 5)) == []


def test_every_shorter_training_is_told_once_and_not_where_a_trial_had_it_before() -> None:
    trials = [
        scored(0, 1),
        scored(1, 5),
        scored(2, 5),
        scored(3, 3, lr=2e-3),
        scored(4, 5, lr=2e-3),
    ]
    assert [record.name for record in shared_prefixes(LENGTHS, trials)] == ["1@3", "3@1"]


def test_the_sampler_learns_from_shorter_trainings() -> None:
    search = replace(LENGTHS, sampler_options={"n_startup_trials": 10})
    trials = [scored(n, 5, lr=10 ** (-2 - n / 5)) for n in range(9)]
    taught = propose(search, 9, trials)
    alone = propose(replace(search, fidelity=None), 9, trials)  # nine trials: still random
    assert taught is not None
    assert alone is not None
    assert taught.params != alone.params
    with_rows = propose(search, 9, [*trials, *shared_prefixes(search, trials)])
    assert with_rows == taught  # rows that were stored already change nothing


SMALL = Space((Parameter(name="a", choices=("x", "y", "z")),))


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_a_finite_space_that_is_used_up_ends_the_search(sampler: SamplerName) -> None:
    search = Search(space=SMALL, sampler_name=sampler, lag=1)
    history: list[TrialRecord] = []
    while (proposal := propose(search, len(history), history)) is not None:
        assert len(history) < 200
        history.append(
            TrialRecord(
                number=len(history), params=proposal.params, state=TrialState.COMPLETE, score=0.5
            )
        )
    assert {str(record.params["a"]) for record in history} == {"x", "y", "z"}


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_resampling_tries_no_setting_twice(sampler: SamplerName) -> None:
    search = Search(space=SMALL, sampler_name=sampler, lag=1, duplicates="resample")
    history: list[TrialRecord] = []
    while (proposal := propose(search, len(history), history)) is not None:
        record = TrialRecord(number=len(history), params=proposal.params, state=TrialState.FAILED)
        history.append(record)
    assert len(history) == 3


def test_reseeding_counts_how_often_a_setting_was_proposed() -> None:
    search = Search(space=SMALL, sampler_name="random", duplicates="reseed")
    history: list[TrialRecord] = []
    repeats = []
    for number in range(9):
        proposal = propose(search, number, history)
        assert proposal is not None
        repeats.append((proposal.params["a"], proposal.repeat))
        history.append(TrialRecord(number=number, params=proposal.params, state=TrialState.RUNNING))
    assert len(set(repeats)) == 9
    assert max(repeat for _, repeat in repeats) >= 2


def test_a_setting_is_answered_by_the_first_trial_that_had_it_as_far_back_as_results_count() -> (
    None
):
    search = replace(LENGTHS, lag=3)
    trials = [scored(0, 5), scored(1, 3, lr=2e-3), scored(2, 3, lr=2e-3), scored(3, 5, lr=4e-3)]
    rows = [*trials, *shared_prefixes(search, trials)]

    def source(record: TrialRecord) -> int | str | None:
        known = answered_before(search, record, rows)
        return None if known is None else known.name

    assert source(scored(6, 3, lr=2e-3)) == 1
    assert source(scored(6, 3)) == "0@3"
    assert source(scored(6, 3, lr=4e-3)) == "3@3"
    assert source(scored(5, 3, lr=4e-3)) is None  # trial 3 may still be running then
    assert source(scored(6, 4)) is None
    assert source(replace(scored(6, 3), notes=Notes(repeat=1))) is None  # another seed


def test_a_setting_waits_for_a_trial_that_may_answer_it_and_for_those_before_that() -> None:
    search = replace(LENGTHS, lag=3)
    trials = [scored(0, 5, lr=8e-3), scored(1, 5), scored(2, 3, lr=2e-3), scored(3, 1, lr=2e-3)]
    trials += [scored(number, 2, lr=9e-3) for number in (4, 5)]

    def waits(record: TrialRecord, *running: int, lag: int = 3) -> bool:
        rows = [_open(each) if each.number in running else each for each in trials]
        return awaits_answer(replace(search, lag=lag), record, rows)

    assert waits(scored(6, 3), 1)  # trial 1 will have scored it on its way
    assert waits(scored(6, 3), 0)  # shorter trainings are told in the order of the numbers
    assert not waits(scored(6, 3), 2)
    assert waits(scored(6, 1, lr=2e-3), 2)
    assert not waits(scored(6, 4, lr=2e-3), 2)  # a shorter training answers no longer one
    assert not waits(scored(6, 2, lr=9e-3), 4, 5)  # too near: it is trained, whatever is known
    assert not waits(replace(scored(6, 3), notes=Notes(repeat=1)), 1)  # another seed
    assert not waits(scored(6, 3), 1, lag=0)  # free order
