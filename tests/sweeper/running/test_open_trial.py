import pytest

from sweeper.running import open_trial
from sweeper.running.open_trial import OpenTrial
from sweeper.trainers.builtin.training import BuiltinTraining
from trainer.contract import Epoch, Timing, TrainSpec

SPEC = TrainSpec.model_validate({"phases": [{"rce": {"epochs": 1}}, {"grpo": {"epochs": 3}}]})
TRAINING = BuiltinTraining(SPEC)
FIRST, SECOND, THIRD = (
    Epoch(phase="grpo", phase_index=1, epoch=n, stage="s", timing=Timing(ended=0.0))
    for n in (1, 2, 3)
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time in its only element."""
    now = [100.0]
    monkeypatch.setattr(open_trial.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def trial(clock: list[float]) -> OpenTrial:
    opened = OpenTrial(number=7, run_id="run", started=0.0)
    opened.begin(TRAINING)
    return opened


def test_epochs_of_a_second_go_to_mlflow_together(trial: OpenTrial, clock: list[float]) -> None:
    trial.unlogged += [FIRST, SECOND]
    assert trial.take_unlogged(now=False) == []
    clock[0] += 1.0
    assert trial.take_unlogged(now=False) == [FIRST, SECOND]
    assert trial.unlogged == []
    trial.unlogged.append(THIRD)
    assert trial.take_unlogged(now=False) == []
    assert trial.take_unlogged(now=True) == [THIRD]


def test_a_lone_epoch_waits_for_nothing(trial: OpenTrial, clock: list[float]) -> None:
    for _ in range(10):
        clock[0] += 0.5
        assert trial.take_unlogged(now=False) == []
    trial.unlogged.append(FIRST)
    assert trial.take_unlogged(now=False) == [FIRST]


def test_its_state_and_the_means_of_its_seeds(trial: OpenTrial) -> None:
    assert trial.curves_run == "run"
    assert trial.state({"lr": 0.1})["epoch"] == 0
    trial.curves[-1] |= {1: 0.5, 2: 0.25}
    assert trial.state({"lr": 0.1}) | {"seconds": 0.0} == {
        "trial": 7,
        "epoch": 2,
        "epochs": 3,
        "score": 0.25,
        "seconds": 0.0,
        "params": {"lr": 0.1},
    }
    trial.begin(TRAINING)
    trial.curves[-1] |= {1: 0.75}
    assert trial.means() == {1: 0.625}
