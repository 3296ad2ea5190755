from typing import Any

import pytest

from sweeper.outcomes import Liveness, Reaction
from sweeper.running.instrument import another_instrument, dead_instrument
from sweeper.trainers.builtin.training import BuiltinTraining
from trainer.contract import TrainSpec

DEAD = Liveness(
    alive=False,
    questions=200,
    groups=(Reaction(group="input_proj", selections_changed=0.25, answers_changed=0.0),),
)


def test_a_dead_instrument_is_said_with_its_numbers() -> None:
    reason = dead_instrument(DEAD)
    assert reason is not None
    assert "input_proj             25.0 % of selections changed,    0.0 % of answers" in reason
    assert dead_instrument(DEAD.model_copy(update={"alive": True})) is None


def test_a_dead_instrument_without_a_reader_speaks_of_scores() -> None:
    reason = dead_instrument(DEAD, asks=False)
    assert reason is not None
    assert " 25.0 % of selections changed,    0.0 % of scores\n" in reason


FILES = {"name": "files", "rollouts": "a.json", "embeddings": "e.npy"}
LOSS = {"score": "validation_loss"}


def spec(**fields: Any) -> BuiltinTraining:
    section = {"task": FILES, "start": "a.pt", "phases": [{"grpo": {}}], "evaluate": LOSS}
    return BuiltinTraining(TrainSpec.model_validate({**section, **fields}))


CONTROLS = {
    "torch": "2",
    "device": "cpu",
    "data": "d",
    "training": "t",
    "start": "s",
    "reader": "r",
}
OTHER_DATA = spec(task={**FILES, "rollouts": "b.json"})
OTHER_START = spec(start="b.pt")


@pytest.mark.parametrize("trial", [spec(), OTHER_DATA, OTHER_START])
@pytest.mark.parametrize("part", ["torch", "device", "data", "reader"])
def test_what_scores_must_be_the_same_for_every_trial(trial: BuiltinTraining, part: str) -> None:
    environment = {**CONTROLS, part: "other"}
    found = another_instrument(environment, CONTROLS, training=trial, first=spec())
    assert found == f"{part} 'other' instead of {CONTROLS[part]!r}"
    assert another_instrument(CONTROLS, CONTROLS, training=trial, first=spec()) is None


@pytest.mark.parametrize(
    ("part", "free", "bound"),
    [("training", OTHER_DATA, OTHER_START), ("start", OTHER_START, OTHER_DATA)],
)
def test_data_and_start_differ_only_where_the_spec_says_so(
    part: str, free: BuiltinTraining, bound: BuiltinTraining
) -> None:
    environment = {**CONTROLS, part: "other"}
    assert another_instrument(environment, CONTROLS, training=free, first=spec()) is None
    for trial in (spec(), bound):
        found = another_instrument(environment, CONTROLS, training=trial, first=spec())
        assert found is not None
        assert found.startswith(f"{part} 'other' instead of")


def test_an_environment_that_lacks_a_part_is_another_one() -> None:
    old = {key: value for key, value in CONTROLS.items() if key != "data"}
    found = another_instrument(CONTROLS, old, training=spec(), first=spec())
    assert found == "data 'd' instead of None"
