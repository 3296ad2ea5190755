"""Images and questions of the `easy-vqa` package, and balanced samples of them.

Reads the package's files itself, so that only the images in use are decoded. No reader, no policy.

References:
    Victor Zhou, easy-VQA 1.0 (MIT licence): 5,000 rendered images of one shape each, 48,248
    questions of three kinds; 74 % are yes/no questions, hence the balancing.
"""

import importlib.util
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.errors import InputError

ANSWERS = (
    *("yes", "no"),
    *("circle", "rectangle", "triangle"),
    *("black", "blue", "brown", "gray", "green", "red", "teal", "yellow"),
)
KIND_SIZES = (2, 3, 8)  # answers of yes/no, shape and colour questions, in the order of ANSWERS
KIND_OF_ANSWER = torch.repeat_interleave(torch.arange(3), torch.tensor(KIND_SIZES))
RESOLUTION = 32  # pixels; the package's images have 64
ADVICE = "install it again: pip install --force-reinstall easy-vqa==1.0"

Split = Literal["train", "test"]


class Questions(NamedTuple):
    """Questions in the package's order."""

    texts: Sequence[str]
    answers: Tensor  # index into ANSWERS. Shape: (N,), int64
    images: Tensor  # the package's image ids. Shape: (N,), int64


class Rows(NamedTuple):
    """Questions with the images they ask about, each image once."""

    texts: Sequence[str]
    answers: Tensor  # index into ANSWERS. Shape: (N,), int64
    images: Tensor  # Shape: (M, 3, 32, 32), uint8
    image_of_row: Tensor  # index into images. Shape: (N,), int64


def package_data() -> Path:
    """Folder of the installed package's data. Raises InputError where it is not installed."""
    spec = importlib.util.find_spec("easy_vqa")
    if spec is None or spec.origin is None:
        raise InputError("task easy_vqa: package easy-vqa is missing; pip install easy-vqa==1.0")
    return Path(spec.origin).parent / "data"


def load_questions(root: Path, split: Split) -> Questions:
    """Read all questions of ``split``. Raises InputError where the file is missing or damaged."""
    path = root / split / "questions.json"
    index = {answer: position for position, answer in enumerate(ANSWERS)}
    try:
        texts, answers, images = zip(*json.loads(path.read_text()), strict=True)
        return Questions(
            texts=texts,
            answers=torch.tensor([index[answer] for answer in answers]),
            images=torch.tensor(images),
        )
    except FileNotFoundError as error:
        raise InputError(f"{path}: the questions of easy-vqa are missing; {ADVICE}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a list of [question, known answer, image id] ({error!r}); {ADVICE}"
        ) from error


def load_images(root: Path, split: Split, ids: Tensor) -> Tensor:
    """Decode images at 32 x 32. Raises InputError that counts what is missing or damaged.

    Shape: ``(M,)`` to ``(M, 3, 32, 32)``, uint8.
    """
    folder = root / split / "images"
    images = np.empty((len(ids), RESOLUTION, RESOLUTION, 3), np.uint8)
    problems = []
    for position, image_id in enumerate(ids.tolist()):
        try:
            with Image.open(folder / f"{image_id}.png") as image:
                small = image.convert("RGB").resize(
                    (RESOLUTION, RESOLUTION), Image.Resampling.BILINEAR
                )
            images[position] = np.asarray(small)
        except (OSError, SyntaxError, ValueError) as error:  # Pillow's answers to a damaged PNG
            problems.append(f"{image_id}.png ({error})")
    if problems:
        raise InputError(
            f"{folder}: {len(problems)} of {len(ids)} images cannot be read, "
            f"first {problems[0]}; {ADVICE}"
        )
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def balanced_sample(answers: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Choose ``count`` distinct positions whose kinds take turns, in random order within a kind.

    Every prefix is balanced too. Shape: ``(N,)`` to ``(count,)``, int64.

    Raises:
        ValueError: if a kind has too few questions.
    """
    turns = -(-count // len(KIND_SIZES))
    kinds = KIND_OF_ANSWER[answers]
    columns = []
    for kind in range(len(KIND_SIZES)):
        positions = (kinds == kind).nonzero()[:, 0]
        if len(positions) < turns:
            raise ValueError(f"kind {kind} has {len(positions)} questions, {turns} are needed")
        columns.append(positions[torch.randperm(len(positions), generator=generator)[:turns]])
    return torch.stack(columns, dim=1).flatten()[:count]


def sample_rows(
    root: Path, split: Split, *, images: range, count: int, generator: torch.Generator
) -> Rows:
    """Choose ``count`` balanced questions about the images whose ids lie in ``images``."""
    questions = load_questions(root, split)
    inside = (questions.images >= images.start) & (questions.images < images.stop)
    among = inside.nonzero()[:, 0]
    try:
        chosen = among[balanced_sample(questions.answers[among], count, generator)]
    except ValueError as error:
        raise InputError(f"{root / split / 'questions.json'}: {error}; {ADVICE}") from error
    ids, image_of_row = torch.unique(questions.images[chosen], return_inverse=True)
    return Rows(
        texts=[questions.texts[position] for position in chosen.tolist()],
        answers=questions.answers[chosen],
        images=load_images(root, split, ids),
        image_of_row=image_of_row,
    )


def concatenate_rows(parts: Sequence[Rows]) -> Rows:
    """Put samples one below the other; images of different parts count as different."""
    offsets = np.cumsum([0, *(len(part.images) for part in parts[:-1])]).tolist()
    return Rows(
        texts=[text for part in parts for text in part.texts],
        answers=torch.cat([part.answers for part in parts]),
        images=torch.cat([part.images for part in parts]),
        image_of_row=torch.cat(
            [part.image_of_row + offset for part, offset in zip(parts, offsets, strict=True)]
        ),
    )


def split_words(text: str) -> list[str]:
    """Words of a question, in lower case, without punctuation."""
    return re.findall("[a-z]+", text.lower())


def word_matrix(texts: Sequence[str], vocabulary: Sequence[str]) -> Tensor:
    """1.0 where a question contains a word. Shape: ``(N, V)``, float32.

    Raises:
        InputError: if a question has a word outside ``vocabulary``.
    """
    column = {word: position for position, word in enumerate(vocabulary)}
    matrix = torch.zeros(len(texts), len(vocabulary))
    unknown = set()
    for row, text in enumerate(texts):
        words = set(split_words(text))
        unknown |= words - column.keys()
        matrix[row, [column[word] for word in words & column.keys()]] = 1.0
    if unknown:
        raise InputError(
            f"easy-vqa: questions have words that the reader does not know: {sorted(unknown)}; "
            f"{ADVICE}, or build the reader again: python -m trainer.tasks.easy_vqa.build"
        )
    return matrix
