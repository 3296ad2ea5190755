"""The counts of calls of a job that is killed, wherever that is, and gone on with."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.toy_task import ToyReader, ToyTask
from torch import Tensor

from trainer.answers.remembering import remembered
from trainer.contract import (
    CALLS,
    RESULT,
    AnswersPlace,
    Job,
    TrainSpec,
    read_epochs,
)
from trainer.jobs.calls_file import CallsFile
from trainer.jobs.controls import score_controls
from trainer.jobs.train import train
from trainer.policy.policy import PointerSelector
from trainer.readers import Answers, Calls, Reader
from trainer.stage_store import load_policy

KINDS = {
    "sampled": {"grpo": {"epochs": 2, "lr": 3e-3, "batch_size": 8, "group_size": 4}},
    "recorded": {"grpo": {"epochs": 2, "lr": 3e-3, "batch_size": 8, "rollouts": "recorded"}},
}


class KilledError(BaseException):
    """Stands for SIGKILL: nothing that cleans up knows it."""


class Killer:
    """Counts moments of a job and ends it at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.moments = 0

    def __call__(self) -> None:
        self.moments += 1
        if self.moments - 1 == self.at:
            raise KilledError

    def answering(self, reader: ToyReader) -> ToyReader:
        """A reader that may be killed before and after each batch."""
        killer = self

        class Mortal(ToyReader):
            def answer(self, queries: Tensor, shots: Tensor) -> Answers:
                killer()
                said = super().answer(queries, shots)
                killer()
                return said

        mortal = Mortal()
        mortal.worth_storing = reader.worth_storing
        return mortal

    def load(self, folder: Path, *, num_heads: int, device: str) -> PointerSelector:
        """Load a stage; it was written a moment ago, and nothing tells of it yet."""
        self()
        return load_policy(folder, num_heads=num_heads, device=device)


def spec(kind: str, **evaluate: Any) -> TrainSpec:
    return TrainSpec.model_validate(
        {
            "policy": {"hidden_dim": 16},
            "phases": [{"rce": {"epochs": 1, "lr": 3e-3, "batch_size": 8}}, KINDS[kind]],
            "evaluate": {"shots": [1, 2], "questions": 32, "holdout": 32, **evaluate},
        }
    )


def job(root: Path, *, chosen: TrainSpec, remembers: bool, **changes: Any) -> Callable[..., str]:
    """A job in ``root``, its stages and answers beside it; it takes a killer."""
    torch.set_num_threads(1)
    folder = root / "trial"
    folder.mkdir(parents=True, exist_ok=True)

    def work(killer: Killer) -> str:
        reader: Reader = killer.answering(ToyReader())
        if remembers:
            place = AnswersPlace("file", str(root / "answers.db"))
            reader = remembered(reader, place, chosen.evaluate, rows="toy")
        described = Job(spec=chosen, stages=root / "stages", **changes)
        if changes.get("controls") is not None:
            return score_controls(described, folder, ToyTask(), reader, load=killer.load)
        return train(described, folder, ToyTask(), reader, on_epoch=killer, load=killer.load)

    return work


def counts(root: Path) -> list[dict[str, int]]:
    """Of the result, and of every line; and how many epochs were trained."""
    folder = root / "trial"
    assert not (folder / CALLS).exists(), "all of it is told elsewhere"
    result = json.loads((folder / RESULT).read_text())
    lines = [epoch.timing.reader_calls.model_dump() for epoch in read_epochs(folder)[0]]
    return [result["reader_calls"], *lines, {"epochs_trained": result["epochs_trained"]}]


@pytest.mark.parametrize("remembers", [True, False], ids=["store", "no store"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("sampled", {}),
        ("recorded", {"every": "last"}),
        ("recorded", {"split": "holdout"}),
    ],
    ids=["sampled", "recorded", "holdout"],
)
def test_a_killed_trial_counts_as_an_undisturbed_one(
    tmp_path: Path, remembers: bool, kind: str, options: dict[str, Any]
) -> None:
    chosen = spec(kind, **options)
    undisturbed, count = tmp_path / "undisturbed", Killer(None)
    assert job(undisturbed, chosen=chosen, remembers=remembers)(count) == "completed"
    expected = counts(undisturbed)
    assert count.moments > 8
    for at in range(0, count.moments, max(1, count.moments // 8)):
        root = tmp_path / f"killed-{at}"
        work = job(root, chosen=chosen, remembers=remembers)
        with pytest.raises(KilledError):
            work(Killer(at))
        with contextlib.suppress(KilledError):
            work(Killer(1))  # and once more, soon after it has begun, unless it has ended
        assert work(Killer(None)) == "completed"
        assert counts(root) == expected, at


@pytest.mark.parametrize("remembers", [True, False], ids=["store", "no store"])
def test_a_killed_check_of_the_instrument_counts_as_an_undisturbed_one(
    tmp_path: Path, remembers: bool
) -> None:
    chosen, controls = spec("recorded"), ("random", "start", "nearest")
    undisturbed, count = tmp_path / "undisturbed", Killer(None)
    job(undisturbed, chosen=chosen, remembers=remembers, controls=controls)(count)
    expected = counts(undisturbed)
    for at in range(0, count.moments, max(1, count.moments // 6)):
        work = job(tmp_path / f"killed-{at}", chosen=chosen, remembers=remembers, controls=controls)
        with pytest.raises(KilledError):
            work(Killer(at))
        assert work(Killer(None)) == "completed"
        assert counts(tmp_path / f"killed-{at}") == expected, at


def test_what_another_trial_has_asked_is_saved_by_its_stages(tmp_path: Path) -> None:
    chosen = spec("sampled")
    job(tmp_path, chosen=chosen, remembers=False)(Killer(None))
    asked = counts(tmp_path)[0]
    (tmp_path / "trial").rename(tmp_path / "first")
    job(tmp_path, chosen=chosen, remembers=False)(Killer(None))
    needed = asked["needed"]
    assert counts(tmp_path)[0] == {
        "needed": needed,
        "asked": 0,
        "stage": needed,
        "store": 0,
        "equal": 0,
    }


PROMPTS = torch.tensor([[0, 1, 2], [3, 4, 5]])


def test_a_call_counts_as_it_did_when_it_was_first_made(tmp_path: Path) -> None:
    first = CallsFile(tmp_path)
    first.begin("a")
    assert first.settle(PROMPTS, Calls(asked=2)) == Calls(asked=2)
    again = CallsFile(tmp_path)
    again.begin("a")
    assert again.settle(PROMPTS, Calls(store=2)) == Calls(asked=2)
    assert again.settle(PROMPTS, Calls(store=2)) == Calls(store=2)  # for the second time in a job
    assert again.total("a") == Calls(asked=2, store=2)
    again.begin("b")
    assert again.settle(PROMPTS, Calls(store=2)) == Calls(store=2)
    assert again.total("b") == Calls(store=2)


def test_nothing_is_counted_for_no_stage(tmp_path: Path) -> None:
    calls = CallsFile(tmp_path)
    assert calls.settle(PROMPTS, Calls(asked=2)) == Calls(asked=2)
    calls.begin("a")
    calls.begin(None)
    assert calls.settle(PROMPTS, Calls(asked=2)) == Calls(asked=2)
    assert list(tmp_path.iterdir()) == []


def test_what_is_damaged_counts_nothing_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / CALLS).write_bytes(b"format 1\na b 0 1 0\na c 0 1 0 x\n\xff\na 12-3 0 1")
    calls = CallsFile(tmp_path)
    assert calls.total("a") == Calls()
    calls.begin("a")
    calls.settle(PROMPTS, Calls(asked=2))
    assert CallsFile(tmp_path).total("a") == Calls(asked=2)
    calls.forget()
    assert list(tmp_path.iterdir()) == []
