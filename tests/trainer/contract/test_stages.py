from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainer.contract import (
    Environment,
    TrainSpec,
    evaluation_key,
    rollouts_key,
    stage_chain,
    start_of_last_phase,
)

HERE = Environment(
    torch="2.13.0", device="cpu", data="data", training="training", start="", reader="reader"
)
FILES = {"name": "files", "rollouts": "rl.json", "embeddings": "e.npy"}
ON_HOLDOUT = {"split": "holdout"}
LOSS = {"score": "validation_loss"}
RCE = {"epochs": 2, "lr": 1e-3}
GRPO = {"epochs": 3, "lr": 1e-3}


def spec(*, rce: dict[str, Any] = RCE, grpo: dict[str, Any] = GRPO, **fields: Any) -> TrainSpec:
    return TrainSpec.model_validate({"phases": [{"rce": rce}, {"grpo": grpo}], **fields})


def keys(chosen: TrainSpec, environment: Environment = HERE) -> list[str]:
    return [ref.key for ref in stage_chain(chosen, environment)]


def shared(a: TrainSpec, b: TrainSpec) -> int:
    """How many stages from the start on are the same."""
    pairs = zip(keys(a), keys(b), strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(keys(a)), len(keys(b))))


def test_the_chain_is_the_start_and_every_epoch_in_order() -> None:
    chain = stage_chain(spec(), HERE)
    places = [(ref.phase, ref.phase_index, ref.epoch) for ref in chain]
    assert places == [
        ("start", -1, 0),
        *[("rce", 0, epoch) for epoch in (1, 2)],
        *[("grpo", 1, epoch) for epoch in (1, 2, 3)],
    ]
    assert len(set(keys(spec()))) == 6


def test_keys_are_the_same_in_every_process() -> None:
    assert keys(spec())[-1] == "2faf92fd4ccd04468844bc7a132d8c04"


def test_a_longer_grpo_contains_the_shorter_one() -> None:
    assert shared(spec(), spec(grpo={**GRPO, "epochs": 5})) == 6


def test_a_longer_rce_schedule_shares_nothing_but_an_early_leave_does() -> None:
    assert shared(spec(), spec(rce={**RCE, "epochs": 3})) == 1
    longer = spec(rce={**RCE, "epochs": 3})
    assert shared(longer, spec(rce={**RCE, "epochs": 3, "stop_after": 2})) == 3


@pytest.mark.parametrize("field", [("lr", 2e-3), ("kl_beta", 0.1), ("freeze", "backbone")])
def test_settings_of_grpo_share_rce(field: tuple[str, Any]) -> None:
    assert shared(spec(), spec(grpo={**GRPO, field[0]: field[1]})) == 3


@pytest.mark.parametrize(
    "other",
    [
        spec(seed=1),
        spec(threads=2),
        spec(tf32=True),
        spec(policy={"hidden_dim": 32}),
    ],
)
def test_what_changes_every_bit_shares_nothing(other: TrainSpec) -> None:
    assert shared(spec(), other) == 0


@pytest.mark.parametrize("field", ["torch", "device", "training", "start"])
def test_another_environment_shares_nothing(field: str) -> None:
    assert not set(keys(spec())) & set(keys(spec(), replace(HERE, **{field: "other"})))


@pytest.mark.parametrize("field", ["data", "reader"])
def test_what_the_evaluation_uses_changes_scores_and_not_recorded_training(field: str) -> None:
    offline = spec(grpo={**GRPO, "rollouts": "recorded"}, task=FILES, evaluate=LOSS)
    other = replace(HERE, **{field: "other"})
    assert keys(offline) == keys(offline, other)
    assert evaluation_key("key", offline, HERE) != evaluation_key("key", offline, other)


def test_where_the_files_lie_changes_no_key() -> None:
    here = spec(task=FILES, evaluate=LOSS)
    there = here.below(Path("/elsewhere"))
    assert there.task.rollouts == "/elsewhere/rl.json"  # type: ignore[union-attr]
    assert keys(here) == keys(there)


def test_a_start_checkpoint_makes_sizes_and_not_the_heads_a_matter_of_its_digest() -> None:
    given = replace(HERE, start="digest")
    assert keys(spec(policy={"hidden_dim": 64}), given) == keys(spec(), given)
    assert not set(keys(spec(policy={"num_heads": 2}), given)) & set(keys(spec(), given))


@pytest.mark.parametrize(
    "changed", [{"command": ["judge", "{checkpoint}"]}, {"reader": "recorded"}]
)
def test_another_judge_gives_other_scores(changed: dict[str, Any]) -> None:
    judged = spec(task=FILES, evaluate=changed)
    assert keys(judged) == keys(spec(task=FILES, evaluate=LOSS))
    by_loss = evaluation_key("key", spec(task=FILES, evaluate=LOSS), HERE)
    assert evaluation_key("key", judged, HERE) != by_loss


def test_fewer_questions_change_no_stage_and_are_read_off_the_scores_of_more() -> None:
    fewer = spec(evaluate={"questions": 200})
    assert keys(fewer) == keys(spec())
    assert evaluation_key("key", fewer, HERE) == evaluation_key("key", spec(), HERE)


def test_the_first_of_the_file_are_other_questions_than_a_sample() -> None:
    sample, history, fewer = (
        spec(evaluate=fields) for fields in ({"questions": 200}, {"first": 200}, {"first": 100})
    )
    assert keys(sample) == keys(history)
    names = [evaluation_key("stage", chosen, HERE) for chosen in (sample, history, fewer)]
    assert names[0] == "4e3881e4500462db08bf468fa09323c7"  # as before there was another order
    assert names[1] == names[2] != names[0]  # fewer are read off the scores of more
    holdout = [
        chosen.model_copy(update={"evaluate": chosen.evaluate.model_copy(update=ON_HOLDOUT)})
        for chosen in (sample, history)
    ]
    assert len({evaluation_key("stage", chosen, HERE) for chosen in holdout}) == 1


def test_a_loss_on_fewer_questions_is_another_score() -> None:
    fewer = spec(task=FILES, evaluate={**LOSS, "questions": 200})
    more = spec(task=FILES, evaluate=LOSS)
    assert evaluation_key("key", fewer, HERE) != evaluation_key("key", more, HERE)


def test_the_holdout_is_scored_from_the_same_stages() -> None:
    held_out = spec(evaluate={"split": "holdout"})
    assert keys(held_out) == keys(spec())
    assert evaluation_key("key", held_out, HERE) != evaluation_key("key", spec(), HERE)


def test_recorded_rollouts_depend_on_the_reader_and_not_on_the_seed() -> None:
    assert rollouts_key(spec(), HERE) == rollouts_key(spec(seed=1), HERE)
    assert rollouts_key(spec(), HERE) != rollouts_key(spec(), replace(HERE, reader="other"))


def test_the_start_of_the_last_phase_ends_where_it_begins() -> None:
    assert keys(start_of_last_phase(spec())) == keys(spec())[:3]
    only_rce = TrainSpec.model_validate({"phases": [{"rce": {"epochs": 5, "stop_after": 2}}]})
    assert keys(start_of_last_phase(only_rce)) == keys(only_rce)[:1]
