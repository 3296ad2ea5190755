import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from trainer.errors import InputError
from trainer.tasks.easy_vqa.data import (
    ANSWERS,
    KIND_OF_ANSWER,
    Rows,
    balanced_sample,
    concatenate_rows,
    load_images,
    load_questions,
    package_data,
    sample_rows,
    word_matrix,
)


def write_questions(root: Path, questions: object) -> None:
    (root / "train").mkdir(parents=True, exist_ok=True)
    (root / "train" / "questions.json").write_text(json.dumps(questions))


def write_image(root: Path, image_id: int, colour: tuple[int, int, int]) -> None:
    folder = root / "train" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), colour).save(folder / f"{image_id}.png")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_answer_has_a_kind() -> None:
    kinds = dict(zip(ANSWERS, KIND_OF_ANSWER.tolist(), strict=True))
    assert kinds["no"] == 0
    assert kinds["circle"] == kinds["triangle"] == 1
    assert kinds["black"] == kinds["yellow"] == 2


def test_the_package_has_questions_of_both_splits() -> None:
    train, test = (load_questions(package_data(), split) for split in ("train", "test"))
    assert len(train.texts) == len(train.answers) == len(train.images) == 38_575
    assert len(test.texts) == 9_673
    assert train.texts[0] == "what is the blue shape?"
    assert ANSWERS[train.answers[0]] == "rectangle"


def test_words_are_marked_by_column() -> None:
    matrix = word_matrix(["Is it red?", "what is it", "is is"], ("is", "it", "red", "what"))
    assert matrix.tolist() == [[1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 0, 0]]


def test_unknown_words_are_all_named() -> None:
    with pytest.raises(InputError, match=r"does not know: \['blue', 'red'\]"):
        word_matrix(["is it red?", "is it blue?"], ("is", "it"))


def test_kinds_take_turns_in_a_balanced_sample() -> None:
    answers = torch.tensor([0, 1, 0, 1, 2, 3, 4, 5, 6])  # four of yes/no, three shapes, two colours
    chosen = balanced_sample(answers, 5, generator())
    assert KIND_OF_ANSWER[answers[chosen]].tolist() == [0, 1, 2, 0, 1]
    assert len(set(chosen.tolist())) == 5
    assert torch.equal(chosen, balanced_sample(answers, 5, generator()))
    assert any(
        not torch.equal(chosen, balanced_sample(answers, 5, generator(seed))) for seed in range(5)
    )


def test_a_kind_with_too_few_questions_is_an_error() -> None:
    with pytest.raises(ValueError, match="kind 2 has 1 questions, 2 are needed"):
        balanced_sample(torch.tensor([0, 1, 2, 3, 5]), 6, generator())


def test_only_questions_about_the_given_images_are_sampled(tmp_path: Path) -> None:
    wanted = [["is it?", "yes", 3], ["what shape?", "circle", 3], ["what color?", "red", 5]]
    outside = [["not it?", "no", image] for image in (*range(3), *range(6, 20))]
    write_questions(tmp_path, [*outside, *wanted])
    write_image(tmp_path, 3, (1, 2, 3))
    write_image(tmp_path, 5, (4, 5, 6))
    rows = sample_rows(tmp_path, "train", images=range(3, 6), count=3, generator=generator())
    assert list(rows.texts) == ["is it?", "what shape?", "what color?"]
    assert [ANSWERS[answer] for answer in rows.answers] == ["yes", "circle", "red"]
    assert rows.image_of_row.tolist() == [0, 0, 1]
    assert rows.images.shape == (2, 3, 32, 32)
    assert rows.images[:, :, 0, 0].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_images_of_different_parts_are_different() -> None:
    part = Rows(["a", "b"], torch.tensor([0, 1]), torch.zeros(2, 3, 32, 32), torch.tensor([1, 0]))
    rows = concatenate_rows([part, part])
    assert list(rows.texts) == ["a", "b", "a", "b"]
    assert rows.image_of_row.tolist() == [1, 0, 3, 2]
    assert len(rows.images) == 4


def test_missing_questions_are_an_error_with_the_path_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"train/questions\.json: .*missing; install it again: pip"
    ):
        load_questions(tmp_path, "train")


@pytest.mark.parametrize(
    "questions",
    [[], {}, [1], [["is it?", "yes"]], [["is it?", "maybe", 3]], [["is it?", "yes", "three"]]],
)
def test_damaged_questions_are_an_error_with_the_path(tmp_path: Path, questions: object) -> None:
    write_questions(tmp_path, questions)
    with pytest.raises(InputError, match=r"train/questions\.json: not a list of \[question, known"):
        load_questions(tmp_path, "train")


def test_torn_questions_are_an_error_with_the_path(tmp_path: Path) -> None:
    write_questions(tmp_path, [["is it?", "yes", 3]])
    path = tmp_path / "train" / "questions.json"
    path.write_text(path.read_text()[:-4])
    with pytest.raises(InputError, match=r"train/questions\.json: not a list"):
        load_questions(tmp_path, "train")


def test_too_few_questions_are_an_error_with_the_path(tmp_path: Path) -> None:
    write_questions(tmp_path, [["is it?", "yes", 3]])
    with pytest.raises(InputError, match=r"questions\.json: kind 1 has 0 questions, 1 are needed"):
        sample_rows(tmp_path, "train", images=range(9), count=3, generator=generator())


def test_missing_and_damaged_images_are_counted(tmp_path: Path) -> None:
    write_image(tmp_path, 0, (0, 0, 0))
    write_image(tmp_path, 1, (0, 0, 0))
    damaged = tmp_path / "train" / "images" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(InputError, match=r"images: 2 of 3 images cannot be read, first 1\.png \("):
        load_images(tmp_path, "train", torch.arange(3))
