import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from trainer.contract import digest
from trainer.readers.in_context import CARD, load_model
from trainer.tasks.easy_vqa import WEIGHTS
from trainer.tasks.easy_vqa.build import (
    Episodes,
    Lessons,
    Settings,
    draw_episodes,
    draw_plain,
    load_lessons,
    permuted_names,
    pretrain,
    weights_file,
)
from trainer.tasks.easy_vqa.data import ANSWERS, KIND_OF_ANSWER, package_data

CHANCE = (math.log(2) + math.log(3) + math.log(8)) / 3  # nats, for one who knows the kind only
TRUE_ANSWERS = torch.arange(13).repeat_interleave(20)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    return load_lessons(package_data())


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def episodes(shots: int = 4, *, mislabelled: float = 0.15) -> Episodes:
    settings = Settings(batch=3000, mislabelled=mislabelled)
    return draw_episodes(TRUE_ANSWERS, shots, settings, generator())


def card(path: Path) -> dict[str, object]:
    with safe_open(path, framework="pt") as file:
        content: dict[str, object] = json.loads(file.metadata()[CARD])
    return content


def kinds(rows: Tensor) -> Tensor:
    return KIND_OF_ANSWER[TRUE_ANSWERS[rows]]


def test_lessons_are_about_the_first_2000_images_sorted_by_answer(lessons: Lessons) -> None:
    assert lessons.images.shape == (2000, 3, 32, 32)
    assert lessons.image_of_row.max() < 2000
    assert (lessons.answers.diff() >= 0).all()
    assert len(lessons.vocabulary) == lessons.words.shape[1] == 26


def test_names_are_permuted_within_their_kind_and_yes_stays_yes() -> None:
    names = permuted_names(500, generator())
    assert torch.equal(names.sort(dim=1).values, torch.arange(13).expand(500, -1))
    assert torch.equal(KIND_OF_ANSWER[names], KIND_OF_ANSWER.expand(500, -1))
    assert (names[:, 0] == 0).all()
    colours = names[:, 5]
    assert [(colours == colour).any() for colour in range(5, 13)] == [True] * 8


def test_plain_questions_are_balanced_and_bear_their_true_answers() -> None:
    drawn = draw_plain(TRUE_ANSWERS, Settings(batch=50), generator())
    assert drawn.rows.shape == (150, 1)
    assert kinds(drawn.rows).flatten().bincount().tolist() == [50, 50, 50]
    assert torch.equal(drawn.labels, TRUE_ANSWERS[drawn.rows])


@pytest.mark.parametrize("shots", [0, 1, 4])
def test_an_episode_has_its_shots_and_the_query(shots: int) -> None:
    drawn = episodes(shots)
    assert drawn.rows.shape == drawn.labels.shape == (3000, shots + 1)


def test_names_hold_throughout_an_episode() -> None:
    drawn = episodes(mislabelled=0.0)
    true = TRUE_ANSWERS[drawn.rows]
    same = true[:, :-1] == true[:, -1:]
    assert torch.equal(same, drawn.labels[:, :-1] == drawn.labels[:, -1:])
    assert torch.equal(KIND_OF_ANSWER[drawn.labels], KIND_OF_ANSWER[true])
    assert (drawn.labels != true).any()


def test_far_shots_are_mislabelled_more_often_and_the_last_one_never() -> None:
    # 15 % a step of distance; a name drawn from 2, 3 or 8 is the right one by luck
    clean, noisy = episodes(mislabelled=0.0), episodes(mislabelled=0.15)
    assert torch.equal(clean.rows, noisy.rows)
    shares = (clean.labels != noisy.labels).float().mean(0)
    assert shares[3:].tolist() == [0.0, 0.0]  # the last shot and the query
    lucky = (1 / 2 + 1 / 3 + 1 / 8) / 3  # kinds are equally frequent
    expected = torch.tensor([0.45, 0.3, 0.15]) * (1 - lucky)
    torch.testing.assert_close(shares[:3], expected, rtol=0.0, atol=0.03)


def test_half_of_the_shots_have_the_answer_of_the_query_for_sure() -> None:
    # of the others a third is of the same kind, and has the same answer by luck
    true = TRUE_ANSWERS[episodes().rows]
    lucky = (1 / 2 + 1 / 3 + 1 / 8) / 3
    share = (true[:, :-1] == true[:, -1:]).float().mean().item()
    assert share == pytest.approx(0.5 + 0.5 / 3 * lucky, abs=0.02)


def test_a_rebuild_on_a_small_budget_learns(lessons: Lessons) -> None:
    losses = []
    settings = Settings(steps=90, plain_share=1.0, batch=32)
    pretrain(lessons, settings, tell=lambda step, loss: losses.append(loss))
    assert losses[0] == pytest.approx(math.log(13), abs=0.4)
    assert sum(losses[-10:]) / 10 < 0.75 * CHANCE


def test_two_builds_give_the_same_bytes(lessons: Lessons) -> None:
    settings = Settings(steps=6, plain_share=0.5, batch=8)
    builds = [weights_file(pretrain(lessons, settings), lessons, settings) for _ in range(2)]
    assert builds[0] == builds[1]
    other = Settings(steps=6, plain_share=0.5, batch=8, seed=1)
    assert weights_file(pretrain(lessons, other), lessons, other) != builds[0]


def test_building_leaves_the_global_generator_alone(lessons: Lessons) -> None:
    before = torch.random.get_rng_state()
    pretrain(lessons, Settings(steps=1, batch=2))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_command_writes_weights_that_load(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trainer.tasks.easy_vqa.build", "--steps", "1"]
    output = tmp_path / "weights"
    printed = subprocess.run(
        [*command, "--output", output], check=True, capture_output=True, text=True
    ).stdout
    assert printed.splitlines()[-1] == f"wrote {output}"
    assert load_model(output).answers == ANSWERS
    assert card(output)["steps"] == 1


def test_the_weights_in_the_tree_are_those_of_the_settings(lessons: Lessons) -> None:
    assert card(WEIGHTS)["settings"] == digest(asdict(Settings()))
    assert load_model(WEIGHTS).vocabulary == tuple(lessons.vocabulary)
