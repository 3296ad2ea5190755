from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainer.contract import EasyVqaSpec, TrainSpec
from trainer.errors import InputError
from trainer.readers import Reader
from trainer.readers.in_context import CARD
from trainer.tasks import QuestionSet, open_inputs
from trainer.tasks.easy_vqa import PARTS, WEIGHTS, EasyVqa
from trainer.tasks.easy_vqa.build import IMAGES
from trainer.tasks.easy_vqa.data import KIND_OF_ANSWER
from trainer.tasks.easy_vqa.reader import open_own_reader

SPLITS = pytest.mark.parametrize("split", ["select", "holdout"])
SHOTS = (1, 2, 3, 4)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def task() -> EasyVqa:
    return EasyVqa(EasyVqaSpec())


@pytest.fixture(scope="module")
def small_task() -> EasyVqa:
    return EasyVqa(EasyVqaSpec(training_queries=400))


@pytest.fixture(scope="module")
def reader(task: EasyVqa) -> Reader:
    return open_own_reader(task, device="cpu")


def accuracy(reader: Reader, queries: Tensor, shots: Tensor) -> float:
    """Mean over one to as many shots as there are; the last ones are kept."""
    scores = [
        reader.answer(queries, shots[:, shots.shape[1] - count :]).score.mean().item()
        for count in SHOTS
    ]
    return sum(scores) / len(scores)


def similarity(task: EasyVqa, asked: QuestionSet) -> Tensor:
    return (task.embeddings[asked.pools] * task.embeddings[asked.queries, None]).sum(-1)


def test_the_task_is_found_by_name(task: EasyVqa, reader: Reader) -> None:
    built = open_inputs(TrainSpec.model_validate({"phases": [{"rce": {}}]}), "cpu")
    assert built.task.data_digest == task.data_digest
    assert built.reader.digest == reader.digest


def test_sizes_are_as_documented(task: EasyVqa) -> None:
    assert task.embeddings.shape == (4000, 48)
    assert task.embeddings.dtype == torch.float32
    assert task.training_queries.tolist() == list(range(1600))
    assert task.questions("select").queries.tolist() == list(range(2400, 3200))
    assert task.questions("holdout").queries.tolist() == list(range(3200, 4000))


def test_pretraining_training_and_both_evaluations_see_different_images() -> None:
    used = [("train", image) for image in range(IMAGES)]
    used += [(split, image) for split, images, _ in PARTS for image in images]
    assert len(set(used)) == len(used) == 5000


@pytest.mark.parametrize(("start", "count"), [(0, 2400), (0, 400), (2400, 800), (3200, 100)])
def test_every_part_and_every_prefix_is_balanced(task: EasyVqa, start: int, count: int) -> None:
    kinds = KIND_OF_ANSWER[task.answers[start : start + count]].bincount()
    assert kinds.max() - kinds.min() <= 1


def test_pools_hold_64_distinct_pool_rows_of_other_images(task: EasyVqa) -> None:
    pools = task.draw_pools(task.training_queries, torch.Generator().manual_seed(0))
    assert pools.shape == (1600, 64)
    assert pools.min() >= 0
    assert pools.max() < 2400
    assert (pools.sort(dim=1).values.diff(dim=1) > 0).all()
    assert not (task.image_of_row[pools] == task.image_of_row[:1600, None]).any()


def test_every_pool_row_is_drawn_alike(task: EasyVqa) -> None:
    # 5,000 draws of 64 from 2,400, less the own image: 133 a row, standard deviation 11.4
    query = torch.zeros(5000, dtype=torch.int64)
    pools = task.draw_pools(query, torch.Generator().manual_seed(0))
    counts = pools.flatten().bincount(minlength=2400)
    own = task.image_of_row[:2400] == task.image_of_row[0]
    assert (counts[own] == 0).all()
    assert (counts[~own] - 133).abs().max() < 6 * 11.4


def test_pools_are_drawn_anew_from_the_generator(task: EasyVqa) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (task.draw_pools(task.training_queries[:8], generator) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(
        first, task.draw_pools(task.training_queries[:8], torch.Generator().manual_seed(0))
    )


@SPLITS
def test_evaluation_pools_are_fixed_pool_rows(task: EasyVqa, split: str) -> None:
    pools = task.questions(split).pools
    assert pools.shape == (800, 64)
    assert pools.max() < 2400
    assert (pools.sort(dim=1).values.diff(dim=1) > 0).all()
    assert torch.equal(pools, task.questions(split).pools)


@pytest.mark.parametrize(("split", "count", "first"), [("train", 1600, 0), ("validate", 400, 1600)])
def test_recorded_rollouts_are_two_distinct_shots_each(
    task: EasyVqa, split: str, count: int, first: int, reader: Reader
) -> None:
    recorded = task.record_rollouts(split, reader)
    assert recorded.queries.tolist() == list(range(first, first + count))
    assert recorded.pools.shape == (count, 64)
    assert recorded.pointers.shape == (count * 16, 2)
    assert recorded.offsets.tolist() == list(range(0, count * 16 + 1, 16))
    assert (recorded.pointers[..., 0] != recorded.pointers[..., 1]).all()
    assert not (
        task.image_of_row[recorded.pools] == task.image_of_row[recorded.queries, None]
    ).any()


def test_every_second_recorded_rollout_is_among_the_twelve_nearest(
    task: EasyVqa, reader: Reader
) -> None:
    recorded = task.record_rollouts("validate", reader)
    ranks = similarity(task, recorded.questions).argsort(dim=1, descending=True).argsort(dim=1)
    chosen = ranks[:, None].expand(-1, 16, -1).gather(2, recorded.pointers.view(-1, 16, 2))
    assert chosen[:, 1::2].max() == 11
    assert chosen[:, 0::2].max() == 63
    assert chosen[:, 0::2].float().mean() == pytest.approx(31.5, abs=1.0)


def test_recorded_answers_are_the_readers(task: EasyVqa, reader: Reader) -> None:
    recorded = task.record_rollouts("validate", reader)
    shots = recorded.pools.gather(1, recorded.pointers[5::16])
    answers = reader.answer(recorded.queries, shots)
    assert torch.equal(recorded.hard[5::16], answers.score)
    assert torch.equal(recorded.soft[5::16], answers.score)
    assert torch.equal(recorded.gt_prob[5::16], answers.gt_prob)


def test_fewer_training_queries_are_a_prefix(
    task: EasyVqa, small_task: EasyVqa, reader: Reader
) -> None:
    assert small_task.training_queries.tolist() == list(range(400))
    assert small_task.data_digest == task.data_digest
    some, every = small_task.record_rollouts("train", reader), task.record_rollouts("train", reader)
    assert small_task.training_digest != task.training_digest
    for field in ("queries", "pools"):
        assert torch.equal(getattr(some, field), getattr(every, field)[:400])
    for field in ("pointers", "hard", "soft", "gt_prob"):
        assert torch.equal(getattr(some, field), getattr(every, field)[: 400 * 16])


def test_two_tasks_are_equal_bit_by_bit(task: EasyVqa, small_task: EasyVqa) -> None:
    assert torch.equal(task.embeddings, small_task.embeddings)
    for split in ("select", "holdout"):
        assert torch.equal(task.questions(split).pools, small_task.questions(split).pools)
    queries, pools = task.questions("select").queries, task.questions("select").pools
    answers = [
        open_own_reader(each, device="cpu").answer(queries, pools[:, :4]).gt_prob
        for each in (task, small_task)
    ]
    assert torch.equal(*answers)


@SPLITS
def test_without_shots_about_half_is_right(task: EasyVqa, split: str, reader: Reader) -> None:
    asked = task.questions(split)
    score = reader.answer(asked.queries, asked.pools[:, :0]).score
    assert 0.42 < score.mean() < 0.56


@SPLITS
def test_random_shots_hardly_help(task: EasyVqa, split: str, reader: Reader) -> None:
    asked = task.questions(split)
    scores = [
        accuracy(reader, asked.queries, shots)
        for shots in torch.split(asked.pools[:, :20], 4, dim=1)
    ]
    assert 0.48 < sum(scores) / len(scores) < 0.59


@SPLITS
def test_near_shots_help(task: EasyVqa, split: str, reader: Reader) -> None:
    asked = task.questions(split)
    nearest = similarity(task, asked).topk(4, dim=1).indices.flip(1)
    assert 0.60 < accuracy(reader, asked.queries, asked.pools.gather(1, nearest)) < 0.72


@SPLITS
def test_shots_with_the_right_answer_help_most(task: EasyVqa, split: str, reader: Reader) -> None:
    asked = task.questions(split)
    right = (task.answers[asked.pools] == task.answers[asked.queries, None]).float()
    enough = right.sum(1) >= 4
    best = right.topk(4, dim=1).indices
    shots = asked.pools.gather(1, best)[enough]
    assert accuracy(reader, asked.queries[enough], shots) > 0.95


def test_the_order_of_the_shots_matters(task: EasyVqa, reader: Reader) -> None:
    asked = task.questions("select")
    shots = asked.pools[:, :4]
    scores = [reader.answer(asked.queries, each).score for each in (shots, shots.flip(1))]
    assert (scores[0] != scores[1]).float().mean() > 0.05


def test_the_reward_is_sparse_for_some_and_not_hopeless(task: EasyVqa, reader: Reader) -> None:
    asked = task.questions("select")
    queries = asked.queries.repeat_interleave(64)
    right = reader.answer(queries, asked.pools.reshape(-1, 1)).score.view(800, 64).sum(1)
    assert ((right >= 1) & (right <= 8)).sum() > 150
    assert (right > 0).float().mean() > 0.95


def test_missing_data_are_an_error_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train/questions\.json: .*; install it again"):
        EasyVqa(EasyVqaSpec(), data=tmp_path)


def test_missing_weights_are_an_error_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"reader\.safetensors: the reader's weights cannot"):
        EasyVqa(EasyVqaSpec(), weights=tmp_path / "reader.safetensors")


def test_weights_with_other_answers_are_an_error(tmp_path: Path) -> None:
    with safe_open(WEIGHTS, framework="pt") as file:
        card = file.metadata()[CARD].replace("yellow", "golden")
    path = tmp_path / "reader.safetensors"
    save_file(load_file(WEIGHTS), path, metadata={CARD: card})
    with pytest.raises(InputError, match=r"the reader answers .*golden.*build it again"):
        EasyVqa(EasyVqaSpec(), weights=path)
