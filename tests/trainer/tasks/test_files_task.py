"""The lab's files as a task: index conventions, the mapped form, judges, and the data contract."""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.lab_files import write_embeddings, write_json, write_rl_data
from fakes.toy_task import ToyReader, ToyTask
from torch import Tensor

from trainer.contract import Epoch, Job, TrainSpec, read_epochs
from trainer.errors import InputError, JudgeError
from trainer.jobs.controls import score_controls
from trainer.jobs.data_contract import data_contract
from trainer.jobs.train import train
from trainer.scoring.opening import open_judge
from trainer.tasks import build_task, open_inputs
from trainer.tasks.files import rollouts_digest
from trainer.tasks.files.recorded_reader import RecordedReader
from trainer.tasks.files.rl_data import RolloutFile, RolloutOptions, read_rollouts

JUDGE = """
import json, sys
from safetensors.numpy import load_file  # torch would take a second each time
weights = load_file(sys.argv[1])
size = sum(float(abs(tensor).sum()) for tensor in weights.values())
print(json.dumps({"accuracy": {str(s): size * s % 1 for s in (1, 2, 3, 4)}, "questions": 200}))
"""


def read(folder: Path, name: str = "rl.json", **options: Any) -> RolloutFile:
    return read_rollouts(folder / name, options=RolloutOptions(**options))


def named(file: RolloutFile) -> Tensor:
    """The shots of every rollout as global ids."""
    owner = torch.arange(len(file.queries)).repeat_interleave(file.offsets.diff())
    return file.pools[owner].gather(1, file.pointers)


@pytest.mark.parametrize("form", ["pointer_pos", "pointer"])
def test_every_index_convention_names_the_same_shots(form: str, tmp_path: Path) -> None:
    write_rl_data(tmp_path / "rl.json")
    write_rl_data(tmp_path / "other.json", form=form)  # type: ignore[arg-type]
    first, other = read(tmp_path), read(tmp_path, "other.json")
    assert first.kinds == {"pointer_global": 6}
    assert other.kinds == {form: 6}
    assert torch.equal(named(first), named(other))
    assert first.queries.tolist() == [0, 3, 6, 9, 12, 15]  # the file has them the other way round
    for query, size in enumerate(other.pool_sizes.tolist()):
        begin, end = other.offsets[query], other.offsets[query + 1]
        pool = other.pools[query, :size].tolist()
        assert pool == sorted(set(named(other)[begin:end].flatten().tolist()))


def test_pointer_global_wins_over_a_stale_pointer_pos(tmp_path: Path) -> None:
    data = write_rl_data(tmp_path / "rl.json")
    for rollout in data["3"]["pointer_candidates"]:
        rollout["pointer_pos"] = [0, 1]
    write_json(tmp_path / "stale.json", data)
    assert torch.equal(named(read(tmp_path)), named(read(tmp_path, "stale.json")))


def test_what_is_of_no_use_is_dropped_and_counted(tmp_path: Path) -> None:
    data = write_rl_data(tmp_path / "rl.json", rollouts=(5, 5))
    rollouts = data["3"]["pointer_candidates"]
    rollouts[0]["eval_failed"] = True
    rollouts[1]["vqa_eval_mode"] = "error"
    rollouts[2]["vqa_eval_mode"] = "fallback"
    for rollout in data["6"]["pointer_candidates"][:4]:
        rollout["eval_failed"] = True
    for rollout in data["9"]["pointer_candidates"]:
        rollout |= {"vqa_correct": 0, "vqa_acc_score": 0.0}
    data["12"]["pointer_candidates"][0]["vqa_correct"] = 0
    data["12"]["pointer_candidates"][0]["vqa_acc_score"] = 0.3
    write_json(tmp_path / "rl.json", data)
    file = read(tmp_path)
    assert file.dropped == {
        "rollouts whose evaluation failed": 5,
        "rollouts with an error": 1,
        "rollouts scored by the fallback": 1,
        "queries with fewer than two rollouts": 1,
    }
    assert file.contradictions == 1
    assert file.offsets.diff().tolist() == [5, 2, 5, 5, 5]  # query 3 has two left, 6 is gone
    assert read(tmp_path, skip_fallback=False).offsets.diff().tolist() == [5, 3, 5, 5, 5]
    positive = read(tmp_path, require_positive=True)
    assert positive.dropped["queries without a correct rollout"] == 1
    assert 9 not in positive.queries.tolist()


def test_a_file_is_streamed_once_and_mapped_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "rl.json"
    write_rl_data(path)
    first = read(tmp_path)
    stamp = path.stat()
    path.write_bytes(b"x" * stamp.st_size)  # not looked at: size and time are those noted
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert torch.equal(read(tmp_path).pointers, first.pointers)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    with pytest.raises(InputError, match="is not whole JSON"):
        read(tmp_path)


def test_a_copy_that_only_its_time_tells_apart_is_not_parsed_again(tmp_path: Path) -> None:
    path = tmp_path / "rl.json"
    write_rl_data(path)
    first = read(tmp_path)
    path.touch()
    assert torch.equal(read(tmp_path).pointers, first.pointers)
    assert len(list((tmp_path / "rl.json.mapped").iterdir())) == 1
    read(tmp_path, require_positive=True)
    assert len(list((tmp_path / "rl.json.mapped").iterdir())) == 2


@pytest.mark.parametrize("name", ["pointers.npy", "pools.npy"])
@pytest.mark.parametrize("content", [b"", b"no array"])
def test_a_damaged_mapped_form_is_made_again(name: str, content: bytes, tmp_path: Path) -> None:
    write_rl_data(tmp_path / "rl.json")
    first = read(tmp_path)
    [mapped] = (tmp_path / "rl.json.mapped").iterdir()
    (mapped / name).unlink()  # what is mapped already must not change under it
    (mapped / name).write_bytes(content)
    assert torch.equal(named(read(tmp_path)), named(first))
    assert (mapped / name).read_bytes() != content


def test_where_nothing_may_be_written_the_file_is_read_all_the_same(tmp_path: Path) -> None:
    write_rl_data(tmp_path / "rl.json")
    (tmp_path / "rl.json.mapped").touch()  # in the place of the folder
    assert read(tmp_path).queries.tolist() == [0, 3, 6, 9, 12, 15]


def spec(folder: Path, evaluate: dict[str, Any], **task: Any) -> TrainSpec:
    settings = {"epochs": 1, "lr": 1e-3, "batch_size": 2, "curriculum": [3]}
    fields = {
        "task": {"name": "files", "rollouts": "rl.json", "embeddings": "e.npy", **task},
        "policy": {"hidden_dim": 16},
        "phases": [{"rce": {"epochs": 1}}, {"grpo": settings}],
        "evaluate": evaluate,
    }
    return TrainSpec.model_validate(fields).below(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_rl_data(tmp_path / "rl.json", queries=10, rollouts=(4, 9))
    write_embeddings(tmp_path / "e.npy")
    (tmp_path / "trial").mkdir()
    return tmp_path


def trained(folder: Path, chosen: TrainSpec) -> tuple[dict[str, Any], list[Epoch]]:
    job = Job(spec=chosen, stages=folder / "stages")
    train(job, folder / "trial", *open_inputs(chosen, "cpu"))
    result = json.loads((folder / "trial" / "result.json").read_text())
    return result, read_epochs(folder / "trial")[0]


def test_the_validation_loss_scores_without_a_reader(folder: Path) -> None:
    result, lines = trained(folder, spec(folder, {"score": "validation_loss"}))
    assert result["accuracy"] == {}
    assert result["questions"] == 2  # of ten queries the last fifth
    assert result["score"] == lines[-1].score
    # GRPO validates with the same reward, hard_plus_soft
    assert result["score"] == pytest.approx(lines[-1].metrics["validation_loss"], abs=1e-6)
    assert result["reader_calls"]["needed"] == 0


def test_only_the_first_queries_are_scored_where_fewer_are_asked(folder: Path) -> None:
    whole, _ = trained(folder, spec(folder, {"score": "validation_loss"}))
    (folder / "trial" / "result.json").unlink()
    one, _ = trained(folder, spec(folder, {"score": "validation_loss", "questions": 1}))
    assert (whole["questions"], one["questions"]) == (2, 1)
    assert one["score"] != whole["score"]


def test_a_loss_has_no_nearest_and_its_random_is_the_uniform_policy(folder: Path) -> None:
    chosen = spec(folder, {"score": "validation_loss"})
    judge = open_judge(chosen, *open_inputs(chosen, "cpu"))
    random = judge.score_control("random")
    assert random is not None
    assert random.score == pytest.approx(math.log(8) + math.log(7), abs=1e-6)
    assert judge.score_control("nearest") is None


def test_recorded_answers_score_what_they_hold_and_say_how_much(folder: Path) -> None:
    chosen = spec(folder, {"reader": "recorded", "shots": [2]}, validation="rl.json")
    task, reader = open_inputs(chosen, "cpu")
    rollouts = task.record_rollouts("validate", reader)
    owner = torch.arange(10).repeat_interleave(rollouts.offsets.diff())
    shots = rollouts.pools[owner].gather(1, rollouts.pointers)
    answers = reader.answer(rollouts.queries[owner], shots).score
    assert answers.isfinite().all()
    swapped = reader.answer(rollouts.queries[owner], shots.flip(1)).score
    assert swapped.isnan().any()  # the order counts
    assert reader.answer(torch.tensor([1]), shots[:1]).score.isnan().all()  # no such query
    result, lines = trained(folder, chosen)
    known = lines[-1].metrics["recorded_share"]
    assert 0.0 < known < 1.0
    assert result["known"] == known


def test_other_numbers_of_shots_than_were_recorded_are_refused(folder: Path) -> None:
    four = spec(folder, {"reader": "recorded"})
    inputs = open_inputs(four, "cpu")
    with pytest.raises(InputError, match=r"record the answers to 2 shots .* write `shots: \[2\]`"):
        open_judge(four, *inputs)


def test_the_first_of_equal_rollouts_answers() -> None:
    rollouts = ToyTask().record_rollouts("train", ToyReader())
    reader = RecordedReader(rollouts, digest="d")
    assert reader.digest == "recorded-d"
    shots = rollouts.pools[:1].gather(1, rollouts.pointers[:1])
    assert reader.answer(rollouts.queries[:1], shots).score.item() == rollouts.soft[0].item()


def command(folder: Path, code: str = JUDGE) -> dict[str, Any]:
    (folder / "judge.py").write_text(code)
    arguments = [sys.executable, str(folder / "judge.py"), "{checkpoint}"]
    return {"command": arguments, "checkpoint_format": "safetensors"}


def test_a_command_of_the_labs_scores_every_checkpoint(folder: Path) -> None:
    result, lines = trained(folder, spec(folder, command(folder)))
    assert list(result["accuracy"]) == ["1", "2", "3", "4"]
    assert result["questions"] == 200
    assert len({line.score for line in lines}) == 2  # it sees what was trained


def test_the_probe_sees_that_a_command_ignores_the_checkpoint(folder: Path) -> None:
    blind = JUDGE.replace("weights.values()", "[]").replace("size * s % 1", "0.5")
    for code, alive in ((JUDGE, True), (blind, False)):
        chosen = spec(folder, command(folder, code))
        job = Job(spec=chosen, stages=folder / "stages", controls=("random", "start", "nearest"))
        score_controls(job, folder / "trial", *open_inputs(chosen, "cpu"))
        result = json.loads((folder / "trial" / "result.json").read_text())
        assert result["liveness"]["alive"] is alive
        assert list(result["controls"]) == ["start"]
        contract = json.loads((folder / "trial" / "data.json").read_text())
        assert any(text.startswith("reader: ") for text in contract["warnings"])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise SystemExit('no GPU')", r"ended with exit code 1:\nno GPU"),
        ("", r"the answer is not JSON"),
        ("print('[]')", r"the answer is no JSON object"),
        ("print('{\"1\": 58.8}')", r"no fractions in \[0, 1\] for 1 shot"),
        ('print(\'{"1": 0.5, "2": NaN}\')', r"no fractions in \[0, 1\] for 2 shot"),
        ('print(\'{"scores": {"1": [1], "2": [1, 0]}}\')', r"differ in their number of questions"),
    ],
)
def test_a_command_that_fails_or_says_no_fractions_is_an_error(
    code: str, message: str, folder: Path
) -> None:
    with pytest.raises(JudgeError, match=message):
        trained(folder, spec(folder, {**command(folder, code), "shots": [1, 2]}))


def test_the_labs_own_keys_and_scores_by_question_are_understood(folder: Path) -> None:
    told = {"2026-11-24-test_data_num=2": {"shot_num=1": 0.25, "shot_num=2": 0.75}}
    means, _ = trained(
        folder, spec(folder, {**command(folder, f"print({json.dumps(json.dumps(told))})"),
                              "shots": [1, 2]}))  # fmt: skip
    assert (means["accuracy"], means["questions"]) == ({"1": 0.25, "2": 0.75}, 0)
    (folder / "trial" / "result.json").unlink()
    told = {"scores": {"1": [1.0, 0.0], "2": [1.0, 1.0]}}
    each, _ = trained(
        folder, spec(folder, {**command(folder, f"print({json.dumps(json.dumps(told))})"),
                              "shots": [1, 2]}))  # fmt: skip
    assert (each["accuracy"], each["questions"]) == ({"1": 0.5, "2": 1.0}, 2)


def test_the_data_contract_tells_what_was_read_and_what_differs(folder: Path) -> None:
    chosen = spec(folder, {"reader": "recorded", "shots": [2]})
    contract = data_contract(chosen, *open_inputs(chosen, "cpu"))
    text = "\n".join(contract["lines"])
    assert "train: 8 queries, " in text
    assert "validate: 2 queries, " in text
    assert "indices: pointer_global 10" in text
    assert f"validation loss of a uniform policy: {math.log(8) + math.log(7):.4f} nats" in text
    warnings = "\n".join(contract["warnings"])
    assert "gt_prob is constant in effect" in warnings
    assert "rel is constant in effect" in warnings
    assert "shots:" not in warnings
    four = spec(folder, {"score": "validation_loss"}, pools={"size": 4})
    assert "shots:" not in "\n".join(data_contract(four, *open_inputs(four, "cpu"))["warnings"])
    first = spec(folder, {"reader": "recorded", "shots": [2], "first": 2})
    assert (
        data_contract(first, *open_inputs(first, "cpu"))["warnings"][-1] == first.evaluate.no_sample
    )
    json.dumps(contract, allow_nan=False)


def test_evaluation_questions_have_rows_and_pools_of_their_own(folder: Path) -> None:
    write_embeddings(folder / "asked.npy", rows=30, seed=1)
    files = {"train": "e.npy", "evaluate": "asked.npy"}
    chosen = spec(folder, command(folder), embeddings=files, pools={"size": 5, "seed": 1})
    task, reader = open_inputs(chosen, "cpu")
    questions = task.questions("select")
    assert questions.pools.shape == (30, 5)
    assert sorted(questions.queries.tolist()) == list(range(40, 70))
    assert questions.pools.max() < 40
    warnings = data_contract(chosen, task, reader)["warnings"]
    assert any(text.startswith("pools: training has 8") for text in warnings)
    other = spec(folder, command(folder), embeddings=files, pools={"size": 5, "seed": 2})
    assert build_task(other).selection_digest != task.selection_digest
    assert build_task(other).training_digest == task.training_digest


def test_another_data_file_trains_otherwise_and_is_scored_alike(folder: Path) -> None:
    write_rl_data(folder / "more.json", queries=10, seed=4)
    loss = {"score": "validation_loss"}
    specs = [
        spec(folder, loss, rollouts=name, validation="rl.json") for name in ("rl.json", "more.json")
    ]
    tasks = [build_task(each) for each in specs]
    assert tasks[0].data_digest == tasks[1].data_digest
    assert tasks[0].training_digest != tasks[1].training_digest
    parts = [rollouts_digest(task.record_rollouts("train", ToyReader())) for task in tasks]
    assert parts[0] != parts[1]
