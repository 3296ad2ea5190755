import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.toy_task import ToyReader, ToyTask, toy_inputs

from trainer.contract import RESULT, STOP, Environment, Job, TrainSpec, read_epochs, stage_chain
from trainer.errors import NotFiniteError
from trainer.jobs.train import train
from trainer.jobs.training import environment_of
from trainer.policy.policy import PointerSelector
from trainer.scoring.opening import open_judge
from trainer.stage_store import POLICY, load_policy


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def toy_environment() -> Environment:
    return environment_of(open_judge(spec(), *toy_inputs()), "cpu")


def spec(*, rce: dict[str, Any] | None = None, variant: str = "static", **grpo: Any) -> TrainSpec:
    return TrainSpec.model_validate(
        {
            "policy": {"hidden_dim": 16, "variant": variant},
            "phases": [
                {"rce": {"epochs": 2, "lr": 3e-3, "batch_size": 8, **(rce or {})}},
                {"grpo": {"epochs": 2, "lr": 3e-3, "batch_size": 8, "group_size": 4, **grpo}},
            ],
            "evaluate": {"questions": 32, "holdout": 32},
        }
    )


def run(tmp_path: Path, name: str, chosen: TrainSpec, *, stages: str = "stages") -> Path:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    train(Job(spec=chosen, stages=tmp_path / stages), folder, *toy_inputs())
    return folder


def stage_bytes(stages: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(stages)): path.read_bytes()
        for path in sorted(stages.rglob("*"))
        if path.is_file()
    }


def metric_lines(folder: Path) -> list[dict[str, Any]]:
    return [epoch.model_dump(exclude={"timing"}) for epoch in read_epochs(folder)[0]]


VARIANTS: dict[str, dict[str, Any]] = {
    "sampled": {},
    "recorded": {"rollouts": "recorded", "curriculum": [3, 5], "adaptive_kl": True},
    "dropout": {"dropout": 0.5, "attention_dropout": 0.1},
    "frozen": {"freeze": "backbone", "reference": "run_start"},
    "unfreezing": {"freeze": "head_then_all:1"},
    "gated": {"variant": "gated", "freeze": "backbone"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_runs_of_one_spec_write_the_same_bytes(tmp_path: Path, variant: str) -> None:
    chosen = spec(**VARIANTS[variant])
    first = run(tmp_path, "first", chosen, stages="a")
    second = run(tmp_path, "second", chosen, stages="b")
    assert stage_bytes(tmp_path / "a") == stage_bytes(tmp_path / "b")
    assert metric_lines(first) == metric_lines(second)


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_from_a_stage_equals_training_at_once(tmp_path: Path, variant: str) -> None:
    settings = VARIANTS[variant]
    at_once = run(tmp_path, "at_once", spec(**settings, epochs=3), stages="a")
    run(tmp_path, "short", spec(**settings, epochs=1), stages="b")
    extended = run(tmp_path, "extended", spec(**settings, epochs=3), stages="b")
    assert stage_bytes(tmp_path / "a") == stage_bytes(tmp_path / "b")
    assert metric_lines(at_once) == metric_lines(extended)
    result = json.loads((extended / RESULT).read_text())
    assert result["epochs_trained"] == 2


def test_a_finished_spec_is_answered_from_disk(tmp_path: Path) -> None:
    run(tmp_path, "first", spec())
    again = run(tmp_path, "again", spec())
    result = json.loads((again / RESULT).read_text())
    assert (result["epochs_trained"], result["reader_calls"]["asked"]) == (0, 0)


def test_a_stop_file_ends_the_training_after_the_epoch_in_hand(tmp_path: Path) -> None:
    folder = tmp_path / "trial"
    folder.mkdir()
    (folder / STOP).touch()
    job = Job(spec=spec(), stages=tmp_path / "stages")
    assert train(job, folder, *toy_inputs()) == "stopped"
    assert [line.epoch for line in read_epochs(folder)[0]] == [1]
    assert not (folder / RESULT).exists()
    (folder / STOP).unlink()
    assert train(job, folder, *toy_inputs()) == "completed"
    assert metric_lines(folder) == metric_lines(run(tmp_path, "undisturbed", spec(), stages="b"))


def test_a_torn_last_line_is_written_anew(tmp_path: Path) -> None:
    folder = run(tmp_path, "trial", spec())
    whole = (folder / "metrics.jsonl").read_text()
    lines = whole.splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:-1]) + lines[-1][:20])
    (folder / RESULT).unlink()
    run(tmp_path, "trial", spec())
    assert [line.epoch for line in read_epochs(folder)[0]] == [1, 2, 1, 2]


@pytest.mark.parametrize("damage", ["flipped", "missing", "truncated"])
def test_a_damaged_stage_is_set_aside_and_trained_again(tmp_path: Path, damage: str) -> None:
    run(tmp_path, "first", spec())
    before = stage_bytes(tmp_path / "stages")
    key = stage_chain(spec(), toy_environment())[-1].key
    victim = tmp_path / "stages" / key / POLICY
    content = victim.read_bytes()
    if damage == "flipped":
        victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(content[: len(content) // 2])
    run(tmp_path, "again", spec())
    after = stage_bytes(tmp_path / "stages")
    assert {k: v for k, v in after.items() if ".damaged-" not in k} == before
    assert any(name.startswith(f"{key}.damaged-0") for name in after)


def evaluated_on(questions: int) -> TrainSpec:
    fewer = spec().evaluate.model_copy(update={"questions": questions})
    return spec().model_copy(update={"evaluate": fewer})


def test_more_questions_ask_only_for_the_others(tmp_path: Path) -> None:
    run(tmp_path, "fewer", evaluated_on(20))
    more = run(tmp_path, "more", evaluated_on(32))
    result = json.loads((more / RESULT).read_text())
    assert result["reader_calls"]["asked"] == 4 * 12 * 4  # epochs, questions, numbers of shots
    alone = run(tmp_path, "alone", evaluated_on(32), stages="alone_stages")
    assert metric_lines(more) == metric_lines(alone)


def test_fewer_questions_are_read_off_the_scores_of_more(tmp_path: Path) -> None:
    run(tmp_path, "more", evaluated_on(32))
    fewer = run(tmp_path, "fewer", evaluated_on(20))
    result = json.loads((fewer / RESULT).read_text())
    assert (result["questions"], result["reader_calls"]["asked"]) == (20, 0)
    alone = run(tmp_path, "alone", evaluated_on(20), stages="alone_stages")
    assert metric_lines(fewer) == metric_lines(alone)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied"])
def test_damaged_scores_are_set_aside_and_asked_again(tmp_path: Path, damage: str) -> None:
    first = run(tmp_path, "first", spec())
    evaluation = json.loads((first / RESULT).read_text())["evaluation"]
    victim = tmp_path / "stages" / "evaluations" / f"{evaluation}.safetensors"
    content = victim.read_bytes()
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    damaged = {"flipped": flipped, "truncated": content[:-100], "emptied": b""}[damage]
    victim.write_bytes(damaged)
    again = run(tmp_path, "again", spec())
    assert json.loads((again / RESULT).read_text())["reader_calls"]["asked"] == 32 * 4
    assert metric_lines(again) == metric_lines(first)
    assert victim.read_bytes() == content
    aside = tmp_path / "stages" / "evaluations" / f"{evaluation}.damaged-0"
    assert aside.read_bytes() == damaged


def test_the_scores_of_a_damaged_stage_are_not_asked_again(tmp_path: Path) -> None:
    first = run(tmp_path, "first", spec())
    key = json.loads((first / RESULT).read_text())["stage"]
    (tmp_path / "stages" / key / POLICY).unlink()
    again = run(tmp_path, "again", spec())
    result = json.loads((again / RESULT).read_text())
    trained = 32 * 4 * 4  # the training itself asks for sampled rollouts
    assert (result["epochs_trained"], result["reader_calls"]["asked"]) == (1, trained)


def test_a_loss_that_is_not_finite_names_phase_epoch_and_step(tmp_path: Path) -> None:
    with pytest.raises(NotFiniteError, match=r"epoch 1, step \d+: the loss is"):
        run(tmp_path, "trial", spec(rce={"lr": 1e30}))


def test_grpo_learns_on_the_toy_task(tmp_path: Path) -> None:
    folder = run(tmp_path, "trial", spec(epochs=8, kl_beta=0.01))
    scores = [line.score for line in read_epochs(folder)[0]]
    assert scores[-1] > scores[1] + 0.05  # measured: 0.1 and more


def test_frozen_tensors_stay_and_trained_ones_drift(tmp_path: Path) -> None:
    folder = run(tmp_path, "trial", spec(freeze="backbone"))
    metrics = read_epochs(folder)[0][-1].metrics
    for name in ("input_proj.weight", "query_proj.weight", "cand_proj.weight"):
        assert metrics[f"drift/{name}/max_abs"] == 0.0
    assert metrics["drift/cross_attn_layers.0.in_proj_weight/max_abs"] > 0.0


def test_on_policy_ratios_are_one_and_nothing_is_clipped(tmp_path: Path) -> None:
    metrics = read_epochs(run(tmp_path, "trial", spec()))[0][-1].metrics
    assert metrics["ratio_mean"] == pytest.approx(1.0, abs=1e-6)
    assert metrics["clip_fraction"] == 0.0


def test_the_kl_under_dropout_is_mostly_noise_where_nothing_is_learned(tmp_path: Path) -> None:
    metrics = read_epochs(run(tmp_path, "trial", spec(lr=1e-9, dropout=0.5)))[0][-1].metrics
    assert metrics["kl"] > 0.01
    assert 0.0 <= metrics["kl_without_dropout"] < 1e-6


def test_without_dropout_the_kl_is_told_once(tmp_path: Path) -> None:
    metrics = read_epochs(run(tmp_path, "trial", spec()))[0][-1].metrics
    assert "kl_without_dropout" not in metrics


def test_a_step_that_changes_no_choice_tells_how_much_larger_it_would_have_to_be(
    tmp_path: Path,
) -> None:
    metrics = read_epochs(run(tmp_path, "trial", spec(lr=1e-6, epochs=1)))[0][-1].metrics
    assert metrics["moved_queries"] < 0.1
    assert metrics["flip_margin"] > metrics["flip_moved"] > 0.0
    assert metrics["flip_step_factor"] > 10.0


def test_groups_without_signal_are_told_apart_by_what_they_earned(tmp_path: Path) -> None:
    metrics = read_epochs(run(tmp_path, "trial", spec(rollouts="recorded")))[0][-1].metrics
    rollouts = ToyTask().record_rollouts("train", ToyReader())
    rewards = (rollouts.hard + rollouts.gt_prob).view(-1, 6)  # the default of a recorded rollout
    silent = (rewards == rewards[:, :1]).all(dim=1)
    wrong = silent & (rewards[:, 0] == 0)
    assert metrics["groups_without_signal"] == pytest.approx(silent.double().mean().item())
    assert metrics["groups_all_wrong"] == pytest.approx(wrong.double().mean().item())


def test_a_gate_that_one_shot_does_not_use_is_trained_without_a_gradient(tmp_path: Path) -> None:
    chosen = spec(variant="gated")
    one_shot = chosen.model_copy(
        update={"evaluate": chosen.evaluate.model_copy(update={"shots": (1,)})}
    )
    metrics = read_epochs(run(tmp_path, "trial", one_shot))[0][-1].metrics
    assert metrics["gradient_norm_ppo"] > 0.0


def test_the_holdout_scores_the_last_stage_alone(tmp_path: Path) -> None:
    run(tmp_path, "select", spec())
    held_out = spec().model_copy(
        update={"evaluate": spec().evaluate.model_copy(update={"split": "holdout"})}
    )
    folder = run(tmp_path, "holdout", held_out)
    result = json.loads((folder / RESULT).read_text())
    assert result["split"] == "holdout"
    assert result["reader_calls"]["asked"] == 32 * 4
    assert read_epochs(folder)[0] == []


def test_the_evaluation_reads_the_weights_from_the_stage(tmp_path: Path) -> None:
    loaded: list[Path] = []

    def load(folder: Path, *, num_heads: int, device: str) -> PointerSelector:
        loaded.append(folder)
        return load_policy(folder, num_heads=num_heads, device=device)

    folder = tmp_path / "trial"
    folder.mkdir()
    train(Job(spec=spec(), stages=tmp_path / "stages"), folder, *toy_inputs(), load=load)
    chain = stage_chain(spec(), toy_environment())
    assert {path.name for path in loaded} == {ref.key for ref in chain}


def test_the_deepest_stage_is_enough_with_the_start_of_its_phase(tmp_path: Path) -> None:
    run(tmp_path, "short", spec(epochs=2))
    chain = stage_chain(spec(epochs=2), toy_environment())
    for index in (0, 1, 3):  # the untrained start, RCE's first epoch, GRPO's first
        shutil.rmtree(tmp_path / "stages" / chain[index].key)
    extended = run(tmp_path, "extended", spec(epochs=3))
    assert json.loads((extended / RESULT).read_text())["epochs_trained"] == 1
    at_once = run(tmp_path, "at_once", spec(epochs=3), stages="b")
    assert metric_lines(extended)[-1] == metric_lines(at_once)[-1]


def test_an_epoch_counts_as_trained_where_the_worker_died_before_its_line(tmp_path: Path) -> None:
    folder = run(tmp_path, "trial", spec())
    (folder / RESULT).unlink()
    (folder / "metrics.jsonl").unlink()
    run(tmp_path, "trial", spec())
    assert json.loads((folder / RESULT).read_text())["epochs_trained"] == 4


def test_lines_of_another_environment_are_dropped(tmp_path: Path) -> None:
    folder = run(tmp_path, "trial", spec())
    before = metric_lines(folder)
    text = (folder / "metrics.jsonl").read_text()
    first = text.splitlines()[0]
    foreign = first.replace(json.loads(first)["stage"], "0" * 32)
    (folder / "metrics.jsonl").write_text(foreign + "\n" + text.split("\n", 1)[1])
    (folder / RESULT).unlink()
    run(tmp_path, "trial", spec())
    assert sorted(metric_lines(folder), key=str) == sorted(before, key=str)


def test_the_clip_does_nothing_on_policy_and_keeps_the_key(tmp_path: Path) -> None:
    run(tmp_path, "narrow", spec(clip_epsilon=0.01))
    wide = run(tmp_path, "wide", spec(clip_epsilon=0.9))
    assert json.loads((wide / RESULT).read_text())["epochs_trained"] == 0
    run(tmp_path, "fresh", spec(clip_epsilon=0.9), stages="b")
    assert {k: v for k, v in stage_bytes(tmp_path / "b").items() if "safetensors" in k} == {
        k: v for k, v in stage_bytes(tmp_path / "stages").items() if "safetensors" in k
    }


@pytest.mark.parametrize(
    ("every", "scored"),
    [
        (1, [True, True, True, True]),
        (2, [False, True, False, True]),
        (3, [False, False, False, True]),
        ("last", [False, False, False, True]),
    ],
)
def test_only_the_epochs_that_are_wanted_are_scored(
    tmp_path: Path, every: Any, scored: list[bool]
) -> None:
    rarely = spec().evaluate.model_copy(update={"every": every})
    folder = run(tmp_path, "trial", spec().model_copy(update={"evaluate": rarely}))
    lines = read_epochs(folder)[0]
    assert ["score" in line.metrics for line in lines] == scored
    assert [line.evaluation is not None for line in lines] == scored
    evaluations = list((tmp_path / "stages" / "evaluations").iterdir())
    assert len(evaluations) == sum(scored)
    always = run(tmp_path, "always", spec(), stages="others")
    assert (
        json.loads((folder / RESULT).read_text())["score"]
        == json.loads((always / RESULT).read_text())["score"]
    )
