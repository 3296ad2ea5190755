"""What every trainer promises, whatever it trains."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes.plain_trainer import PlainTrainer

from sweeper.outcomes import TRIAL, Place, Result, write_json_atomic
from sweeper.trainers import (
    RefusedError,
    Surroundings,
    Trainer,
    Training,
    builtin_trainer,
    command_trainer,
)
from sweeper.trainers.command import CommandTrainer


@dataclass(frozen=True)
class Kind:
    """A trainer, and a section of it for a length, a rate and an own seed."""

    trainer: Trainer
    section: Callable[[int, float], dict[str, Any]]
    broken: dict[str, Any]

    @property
    def shares(self) -> bool:
        """Whether a longer training begins as a shorter one; a program begins from its start."""
        return not isinstance(self.trainer, CommandTrainer)


def builtin_section(epochs: int, rate: float) -> dict[str, Any]:
    return {
        "task": {"name": "easy_vqa", "training_queries": 32},
        "phases": [{"rce": {"epochs": 4, "stop_after": epochs, "lr": rate, "batch_size": 16}}],
        "evaluate": {"questions": 16},
    }


def plain_section(epochs: int, rate: float) -> dict[str, Any]:
    return {"halvings": epochs, "rate": rate}


PROGRAM = str(Path(__file__).parents[1] / "fakes" / "tiny_program.py")


def command_section(epochs: int, rate: float) -> dict[str, Any]:
    stdout = r"epoch (?P<step>\d+): accuracy=(?P<accuracy>)"
    return {
        "command": [sys.executable, PROGRAM, "--out=${trial.dir}/out", "${args}"],
        "results": [{"stdout": [stdout], "step": "step"}],
        "epochs": epochs,
        "params": {"rate": rate, "epochs": epochs},
    }


KINDS = {
    "builtin": Kind(builtin_trainer(), builtin_section, builtin_section(2, -1.0)),
    "plain": Kind(PlainTrainer(), plain_section, plain_section(2, -1.0)),
    "command": Kind(
        command_trainer(), command_section, {**command_section(2, 0.5), "time_limit": -1.0}
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def training(
    kind: Kind, epochs: int = 2, rate: float = 0.01, *, seed: int | None = None, repeat: int = 0
) -> Training:
    section = kind.section(epochs, rate)
    return kind.trainer.training(section, seed=seed, repeat=repeat, below=Path.cwd(), trusted=False)


def test_a_section_in_order_is_not_refused_and_its_defaults_stand(kind: Kind) -> None:
    section = kind.section(2, 0.01)
    assert list(kind.trainer.refusals(section)) == []
    whole = kind.trainer.resolved(section)
    assert kind.trainer.resolved(whole) == whole
    assert json.loads(json.dumps(whole)) == whole


def test_a_section_that_breaks_a_rule_is_refused_unless_it_was_stored(kind: Kind) -> None:
    refusals = kind.trainer.refusals(kind.broken)
    assert ["-1.0" in refusal.text for refusal in refusals] == [True]
    with pytest.raises(RefusedError, match=r"-1\.0"):
        kind.trainer.training(kind.broken, seed=None, repeat=0, below=Path.cwd(), trusted=False)
    whole = kind.trainer.resolved(kind.section(2, 0.01))
    stored = kind.trainer.training(whole, seed=None, repeat=0, below=Path.cwd(), trusted=True)
    assert stored.path == training(kind).path


def test_it_says_what_it_is_scored_by(kind: Kind) -> None:
    can = kind.trainer.capabilities(kind.section(2, 0.01))
    assert kind.trainer.metrics(kind.section(2, 0.01))[can.metric] == can.goal
    assert can.questions >= 1 or kind.trainer.keys != ("trainer",)  # a program tells them itself


def test_equal_trainings_lead_through_equal_states_and_others_through_others(kind: Kind) -> None:
    first = training(kind)
    assert list(first.path) == list(training(kind).path)
    assert len(set(first.path)) == len(first.path)
    for other in (
        training(kind, rate=0.02),
        training(kind, seed=7),
        training(kind, repeat=1),
        training(kind, epochs=3),
    ):
        assert other.path[-1] != first.path[-1]


def test_a_longer_training_passes_the_shorter_on_its_way(kind: Kind) -> None:
    short, long = training(kind, 2), training(kind, 3)
    assert long.continues(short) is kind.shares
    assert not short.continues(long)
    assert not long.continues(training(kind, 2, 0.02))
    assert (short.epochs, long.epochs) == (2, 3)
    assert short.end == Place(len(short.phases) - 1, 2)
    assert (short.path[-1] in long.path) is kind.shares


def test_of_equal_rates_the_shorter_training_is_the_milder(kind: Kind) -> None:
    assert training(kind, 2).mildness < training(kind, 3).mildness


def test_what_is_shared_costs_no_more_than_each_alone(kind: Kind) -> None:
    both = [training(kind, 2), training(kind, 3)]
    costs = kind.trainer.costs(both, scale=1.0)
    assert 3 <= costs.epochs <= costs.epochs_alone == 5
    assert costs.calls <= costs.calls_alone


def test_an_empty_folder_holds_nothing(kind: Kind, tmp_path: Path) -> None:
    assert kind.trainer.left(tmp_path) is None
    assert kind.trainer.news(tmp_path, offset=0) == ([], 0)
    assert kind.trainer.needed(tmp_path) == (frozenset(), frozenset())
    assert not kind.trainer.control_keys(tmp_path)
    assert kind.trainer.scores(tmp_path, None, 3) is None


def test_its_command_works_the_folder_through(kind: Kind, tmp_path: Path) -> None:
    folder = tmp_path / "trial 1 ü"
    folder.mkdir()
    one = training(kind)
    job = one.job(Surroundings(stages=Path("../stages")))
    write_json_atomic(folder / TRIAL, job)
    command = one.command()
    assert command.threads >= 1
    program = [*command.argv, *command.sparing]  # with what makes it take less memory, if it can
    done = subprocess.run([*program, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    epochs, offset = kind.trainer.news(folder, offset=0)
    assert [epoch.epoch for epoch in epochs if epoch.place > one.end.start] == [1, 2]
    assert kind.trainer.news(folder, offset=offset) == ([], offset)
    left = kind.trainer.left(folder)
    assert isinstance(left, Result)
    assert left.score == epochs[-1].score
    assert left.epochs_trained == 2
    assert left.stage == epochs[-1].stage
    kept = kind.trainer.needed(folder).stages
    assert not kept or left.stage in kept


def test_its_findings_have_words_in_both_languages(kind: Kind) -> None:
    assert set(kind.trainer.texts("en")) == set(kind.trainer.texts("zh"))
