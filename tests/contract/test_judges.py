"""What every judge keeps to, on a task with a reader and on the lab's files."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.lab_files import write_embeddings, write_rl_data
from fakes.toy_task import ToyReader, ToyTask
from torch import Tensor

from trainer.contract import Control, Environment, TrainSpec
from trainer.jobs.training import environment_of
from trainer.policy.policy import PointerSelector
from trainer.readers import Answers
from trainer.scoring.command_judge import CommandJudge
from trainer.scoring.evaluate import (
    evaluate_folder,
    evaluate_stage,
    is_scored,
    keep_scores,
    scores_of,
    shots_of_stage,
)
from trainer.scoring.evaluation import Evaluation
from trainer.scoring.judge import Judge
from trainer.scoring.loss_judge import LossJudge
from trainer.scoring.opening import open_judge
from trainer.scoring.probe import probe_liveness
from trainer.stage_store import POLICY, StageStore, load_policy
from trainer.tasks import Inputs, open_inputs

STAGE = "a-stage"
QUESTIONS = 16
COMMAND = """
import json, sys
from safetensors.numpy import load_file  # torch would take a second each time
with open(sys.argv[2], "a") as file:
    file.write("asked\\n")
size = sum(float(abs(tensor).sum()) for tensor in load_file(sys.argv[1]).values())
print(json.dumps({"accuracy": {str(s): size * s % 1 for s in (1, 2, 3, 4)}, "questions": 200}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A judge with a stage to score."""

    judge: Judge
    store: StageStore
    environment: Environment
    asked: Callable[[], int]  # how often whoever scores was asked so far
    controls: frozenset[Control]  # beside "start", that it can score
    other: Judge  # differs in who scores

    def evaluate(self, judge: Judge | None = None) -> Evaluation:
        """Score the stage as a trial does."""
        return evaluate_stage(self.store, STAGE, judge or self.judge, self.environment)

    def evaluate_anew(self, stage: str = STAGE) -> Evaluation:
        """Score a stage with nothing known of it."""
        return evaluate_folder(self.store.folder(stage), self.judge, device="cpu")

    def keep(self, control: Control) -> Evaluation | None:
        """Score a control as the check of the instrument does."""
        return keep_scores(
            self.store, control, self.judge, lambda known: self.judge.score_control(control, known)
        )


def spec(evaluate: dict[str, Any], task: dict[str, Any] | None = None) -> TrainSpec:
    return TrainSpec.model_validate(
        {
            **({} if task is None else {"task": task}),
            "policy": {"hidden_dim": 16},
            "phases": [{"rce": {"epochs": 1}}],
            "evaluate": {"questions": QUESTIONS, **evaluate},
        }
    )


def weights(seed: int = 0) -> dict[str, Tensor]:
    policy = PointerSelector(width=12, hidden_dim=16)
    policy.initialise(seed)
    return policy.state_dict()


def write_stage(store: StageStore, name: str, tensors: dict[str, Tensor]) -> None:
    info = {"phase": "start", "epoch": 0, "num_heads": 1, "metrics": {}}
    store.write(name, {POLICY: tensors}, info)


class OtherReader(ToyReader):
    """Right where a shot is of another kind."""

    digest = "other-reader"

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        said = super().answer(queries, shots)
        return said._replace(score=1.0 - said.score)


def command(folder: Path, name: str, code: str) -> dict[str, Any]:
    script = folder / name
    script.write_text(code)
    arguments = [sys.executable, str(script), "{checkpoint}", str(folder / "asked.txt")]
    return {"command": arguments, "checkpoint_format": "safetensors"}


def lab_files(folder: Path, *, seed: int = 0) -> dict[str, Any]:
    data, embeddings = folder / f"rl-{seed}.json", folder / "e.npy"
    write_rl_data(data, queries=80, seed=seed)
    if not embeddings.exists():
        write_embeddings(embeddings, rows=300)
    return {"name": "files", "rollouts": str(data), "embeddings": str(embeddings)}


class Reading(ToyTask):
    """Counts how often its recorded rollouts are fetched: once for each loss."""

    fetched = 0

    def record_rollouts(self, split: str, reader: Any) -> Any:
        self.fetched += 1
        return super().record_rollouts(split, reader)


def reader_bench(folder: Path) -> dict[str, Any]:
    reader = ToyReader()
    return {
        "judge": open_judge(spec({}), ToyTask(), reader),
        "asked": lambda: reader.calls.asked,
        "controls": frozenset({"random", "nearest"}),
        "other": open_judge(spec({}), ToyTask(), OtherReader()),
    }


def loss_bench(folder: Path) -> dict[str, Any]:
    task, loss = Reading(), spec({"score": "validation_loss"})
    return {
        "judge": open_judge(loss, task, ToyReader()),
        "asked": lambda: task.fetched,
        "controls": frozenset({"random"}),
        "other": open_judge(loss, task, OtherReader()),
    }


def files_loss_bench(folder: Path) -> dict[str, Any]:
    loss = {"score": "validation_loss"}
    chosen, changed = (spec(loss, lab_files(folder, seed=seed)) for seed in (0, 1))
    inputs = open_inputs(chosen, "cpu")
    count = 0

    class Counting:
        """The task of the files, which says how often its rollouts are fetched."""

        def __getattr__(self, name: str) -> Any:
            return getattr(inputs.task, name)

        def record_rollouts(self, split: str, reader: Any) -> Any:
            nonlocal count
            count += 1
            return inputs.task.record_rollouts(split, reader)

    task: Any = Counting()
    return {
        "judge": open_judge(chosen, task, inputs.reader),
        "asked": lambda: count,
        "controls": frozenset({"random"}),
        "other": open_judge(changed, *open_inputs(changed, "cpu")),
    }


def command_bench(folder: Path) -> dict[str, Any]:
    log, inputs = folder / "asked.txt", Inputs(ToyTask(), ToyReader())
    changed = command(folder, "other.py", COMMAND.replace("size * s", "size * s * s"))
    return {
        "judge": open_judge(spec(command(folder, "judge.py", COMMAND)), *inputs),
        "asked": lambda: len(log.read_text().splitlines()) if log.exists() else 0,
        "controls": frozenset(),
        "other": open_judge(spec(changed), *inputs),
    }


BENCHES = {
    "reader": reader_bench,
    "loss": loss_bench,
    "loss on files": files_loss_bench,
    "command": command_bench,
}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    torch.set_num_threads(1)
    made = BENCHES[request.param](tmp_path)
    store = StageStore(tmp_path / "stages")
    write_stage(store, STAGE, weights())
    return Bench(store=store, environment=environment_of(made["judge"], "cpu"), **made)


def equal(first: Evaluation, second: Evaluation) -> bool:
    return all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def test_scoring_twice_gives_the_same(bench: Bench) -> None:
    before = bench.asked()
    first, second = bench.evaluate_anew(), bench.evaluate_anew()
    assert equal(first, second)
    assert bench.asked() > before
    assert first.shots.shape == (QUESTIONS, 4)


def test_other_weights_are_scored_otherwise(bench: Bench) -> None:
    write_stage(bench.store, "another", weights(seed=1))
    assert not torch.equal(bench.evaluate_anew().scores, bench.evaluate_anew("another").scores)


def test_what_was_said_of_a_stage_is_not_asked_again(bench: Bench) -> None:
    assert not is_scored(bench.store, STAGE, bench.judge, bench.environment)
    first = bench.evaluate()
    asked = bench.asked()
    assert equal(bench.evaluate(), first)
    assert is_scored(bench.store, STAGE, bench.judge, bench.environment)
    shots = shots_of_stage(bench.store, STAGE, bench.judge, bench.environment)
    assert torch.equal(shots, first.shots)
    assert bench.asked() == asked


def test_a_judge_of_shots_is_asked_for_the_rest_alone_and_others_for_all(bench: Bench) -> None:
    few = bench.judge.only(QUESTIONS // 2)
    assert few.spec.evaluate.asked == QUESTIONS // 2
    before = bench.asked()
    part = bench.evaluate(few)
    first = bench.asked() - before
    whole = bench.evaluate()
    rest = bench.asked() - before - first
    assert rest == first  # half of the questions, or one loss, or one run of the command, again
    if bench.judge.scores_shots:
        assert torch.equal(part.scores, whole.scores[: QUESTIONS // 2])
        asked = bench.asked()
        assert equal(bench.evaluate(few), part)  # read off the whole
        assert bench.asked() == asked


@pytest.mark.parametrize("control", ["random", "nearest"])
def test_a_control_has_a_score_or_none_but_never_a_wrong_one(
    bench: Bench, control: Control
) -> None:
    evaluation = bench.judge.score_control(control)
    assert (evaluation is not None) == (control in bench.controls)
    again = bench.judge.score_control(control)
    if evaluation is not None and again is not None:
        assert equal(evaluation, again)
        assert evaluation.shots.shape == (QUESTIONS, 4)
        assert scores_of(evaluation, bench.judge).questions == QUESTIONS


def test_only_answers_to_shots_are_kept_of_what_is_no_stage(bench: Bench) -> None:
    first = bench.keep("random")
    asked = bench.asked()
    second = bench.keep("random")
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert equal(first, second)
    assert (bench.asked() == asked) == (bench.judge.scores_shots or first is None)
    kept = bench.store.read_evaluation("random")
    assert (kept is not None) == bench.judge.scores_shots


def test_who_scores_otherwise_has_another_identity(bench: Bench) -> None:
    assert bench.judge.identity() == bench.judge.identity()
    assert bench.judge.identity() == bench.judge.only(2).identity()
    assert bench.judge.identity() != bench.other.identity()
    loaded = [evaluate_folder(bench.store.folder(STAGE), judge, device="cpu")
              for judge in (bench.judge, bench.other)]  # fmt: skip
    assert not torch.equal(loaded[0].scores, loaded[1].scores)


def test_the_probe_sees_what_a_judge_reacts_to(bench: Bench, tmp_path: Path) -> None:
    stages = bench.store, STAGE, bench.judge, bench.environment
    liveness = probe_liveness(*stages, tmp_path / "live")
    assert liveness.alive
    assert all(reaction.selections_changed > 0 for reaction in liveness.groups)
    assert all(reaction.answers_changed > 0 for reaction in liveness.groups) or (
        bench.judge.scores_shots
    )


def test_the_probe_sees_that_nothing_of_what_was_trained_is_loaded(
    bench: Bench, tmp_path: Path
) -> None:
    def blind(folder: Path, **options: Any) -> PointerSelector:
        policy = load_policy(folder, **options)
        policy.initialise(0)
        return policy

    stages = bench.store, STAGE, bench.judge, bench.environment
    liveness = probe_liveness(*stages, tmp_path / "blind", load=blind)
    assert all(reaction.selections_changed == 0 for reaction in liveness.groups)
    reads_the_file = isinstance(bench.judge, CommandJudge)  # by itself, without our loader
    assert liveness.alive == reads_the_file


def test_scores_are_fractions_by_number_of_shots_or_a_loss(bench: Bench) -> None:
    evaluation = bench.evaluate_anew()
    accuracy = bench.judge.accuracy(evaluation)
    counts = [str(count) for count in bench.judge.spec.evaluate.shots]
    assert list(accuracy) == ([] if isinstance(bench.judge, LossJudge) else counts)
    assert all(0.0 <= share <= 1.0 for share in accuracy.values())
    if accuracy:
        assert evaluation.score == pytest.approx(sum(accuracy.values()) / len(accuracy), abs=1e-12)
    assert bench.judge.answers(evaluation) == bench.judge.spec.evaluate.answers


def test_conditions_name_who_scores(bench: Bench) -> None:
    conditions = bench.judge.conditions()
    assert conditions.scorer
    assert conditions.shots in (None, bench.judge.spec.evaluate.shots)
