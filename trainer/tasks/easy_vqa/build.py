"""Pre-train the reader of easy_vqa: `python -m trainer.tasks.easy_vqa.build`.

First plain question answering, then episodes of 0-4 shots in which the names of colours and shapes
are permuted within their kind, anew in every episode. So the reader knows yes and no, but has to
read a colour's or a shape's name off its shots. Half of the shots have the query's answer, to the
last step: where they become rarer, the reader learns to look for the shot that looks alike, and the
choice of the shots matters less. The further a shot stands from the query, the more often it is
mislabelled, so that the reader trusts the last one most and order matters. (Without the plain part,
four times as many steps are needed.)

Only train images 0-1999 are seen; the task asks about others. Every draw comes from one seed and
the schedule counts steps, never seconds: on one machine, two builds give the same bytes.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Generator, Tensor, nn

from trainer.contract import digest
from trainer.errors import InputError
from trainer.readers.in_context import CARD
from trainer.readers.in_context_model import MAX_SHOTS, InContextModel
from trainer.tasks.easy_vqa import WEIGHTS
from trainer.tasks.easy_vqa.data import (
    ANSWERS,
    KIND_OF_ANSWER,
    KIND_SIZES,
    load_images,
    load_questions,
    package_data,
    split_words,
    word_matrix,
)

IMAGES = 2000  # the train images before this id
THREADS = 1  # another number gives other bits; a second one saves a third of the time
KIND_EDGES = torch.tensor([0, *KIND_SIZES]).cumsum(0)  # answers of kind k: edge k to edge k + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the weights depend on beside the code and the number of threads."""

    seed: int = 0
    steps: int = 2000
    plain_share: float = 0.2  # of the steps, plain question answering
    batch: int = 96  # episodes a step; a plain step has three times as many questions
    lr: float = 3e-3  # of AdamW; constant in plain steps
    lr_floor: float = 0.02  # share of lr that is left at the end of the linear decay
    warmup: int = 100  # episode steps
    weight_decay: float = 0.02
    max_grad_norm: float = 1.0
    mislabelled: float = 0.15  # probability for each step of distance beyond the last shot
    same_answer: float = (
        0.5  # share of the shots with the query's answer; the others are of any kind
    )


class Lessons(NamedTuple):
    """The questions to learn from, sorted by answer: an answer, and a kind, is a range of rows."""

    images: Tensor  # Shape: (M, 3, 32, 32), uint8
    image_of_row: Tensor  # Shape: (N,), int64
    words: Tensor  # Shape: (N, V), float32
    answers: Tensor  # ascending. Shape: (N,), int64
    vocabulary: Sequence[str]


class Episodes(NamedTuple):
    """Prompts to learn from; the last column is the query."""

    rows: Tensor  # Shape: (B, S + 1), int64
    labels: Tensor  # the answers, as the episode names them. Shape: (B, S + 1), int64


def load_lessons(root: Path) -> Lessons:
    """Read the questions about ``IMAGES``. Raises InputError where data are missing or damaged."""
    questions = load_questions(root, "train")
    vocabulary = sorted({word for text in questions.texts for word in split_words(text)})
    inside = (questions.images < IMAGES).nonzero()[:, 0]
    rows = inside[questions.answers[inside].argsort(stable=True)]
    return Lessons(
        images=load_images(root, "train", torch.arange(IMAGES)),
        image_of_row=questions.images[rows],
        words=word_matrix([questions.texts[row] for row in rows.tolist()], vocabulary),
        answers=questions.answers[rows],
        vocabulary=vocabulary,
    )


def draw_plain(answers: Tensor, settings: Settings, generator: Generator) -> Episodes:
    """Draw questions without shots, every kind alike, with their true answers."""
    kinds = torch.arange(len(KIND_SIZES)).repeat(settings.batch)[:, None]
    edges = _kind_edges(answers)
    rows = _draw(edges[kinds], edges[kinds + 1], generator)
    return Episodes(rows=rows, labels=answers[rows])


def draw_episodes(
    answers: Tensor, shots: int, settings: Settings, generator: Generator
) -> Episodes:
    """Draw prompts whose names of colours and shapes hold within one prompt only.

    Args:
        answers: True answers of all rows, ascending. Shape: ``(N,)``.
        shots: Shots a prompt, 0-4.
        settings: Shares of shots with the query's answer and of mislabelled shots.
        generator: Source of all draws.
    """
    size = (settings.batch, shots)
    kinds = torch.randint(len(KIND_SIZES), (settings.batch, 1), generator=generator)
    kind_edges, answer_edges = _kind_edges(answers), _answer_edges(answers)
    queries = _draw(kind_edges[kinds], kind_edges[kinds + 1], generator)

    alike = torch.rand(size, generator=generator) < settings.same_answer
    wanted, other = answers[queries], torch.randint(len(KIND_SIZES), size, generator=generator)
    low = torch.where(alike, answer_edges[wanted], kind_edges[other])
    high = torch.where(alike, answer_edges[wanted + 1], kind_edges[other + 1])

    rows = torch.cat([_draw(low, high, generator), queries], dim=1)
    labels = permuted_names(settings.batch, generator).gather(1, answers[rows])
    return Episodes(rows=rows, labels=_mislabel(labels, settings.mislabelled, generator))


def permuted_names(count: int, generator: Generator) -> Tensor:
    """Rename the answers within their kind, yes and no excepted. Shape: ``(count, A)``, int64."""
    keys = KIND_OF_ANSWER + torch.rand(count, len(ANSWERS), generator=generator)
    keys[:, :2] = torch.tensor([0.0, 0.5])
    return keys.argsort(dim=1)


def pretrain(
    lessons: Lessons,
    settings: Settings,
    *,
    tell: Callable[[int, float], None] = lambda step, loss: None,
) -> InContextModel:
    """Train a model from scratch.

    Args:
        lessons: What to learn from.
        settings: Schedule and shares.
        tell: Called after each step with its number, from 1, and its loss in nats.
    """
    generator = Generator().manual_seed(settings.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)  # layers draw their start from the global generator
        model = InContextModel(words=len(lessons.vocabulary), answers=len(ANSWERS))
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=settings.weight_decay)
    plain = round(settings.steps * settings.plain_share)
    for step in range(settings.steps):
        done = step - plain
        if done < 0:
            lr, episodes = settings.lr, draw_plain(lessons.answers, settings, generator)
        else:
            progress = done / (settings.steps - plain)
            warmth = min(1.0, (done + 1) / settings.warmup)
            lr = settings.lr * warmth * max(settings.lr_floor, 1 - progress)
            shots = int(torch.randint(MAX_SHOTS + 1, (), generator=generator))
            episodes = draw_episodes(lessons.answers, shots, settings, generator)
        loss = episode_loss(model, lessons, episodes)
        _descend(loss, optimizer, lr=lr, max_grad_norm=settings.max_grad_norm)
        tell(step + 1, loss.item())
    return model


def episode_loss(model: InContextModel, lessons: Lessons, episodes: Episodes) -> Tensor:
    """Mean cross-entropy of the queries' names, in nats. Shape: ``()``."""
    rows = episodes.rows
    seen, places = torch.unique(lessons.image_of_row[rows], return_inverse=True)
    items = model.items(model.see(lessons.images[seen])[places], lessons.words[rows])
    return F.cross_entropy(model(items, episodes.labels[:, :-1]), episodes.labels[:, -1])


def weights_file(model: InContextModel, lessons: Lessons, settings: Settings) -> bytes:
    """The content of a weights file: tensors in float16 and a card that says what they are."""
    card = {
        "vocabulary": list(lessons.vocabulary),
        "answers": list(ANSWERS),
        "steps": settings.steps,
        "seed": settings.seed,
        "settings": digest(asdict(settings)),
    }
    tensors = {name: tensor.half() for name, tensor in model.state_dict().items()}
    return save(tensors, metadata={CARD: json.dumps(card)})


def _descend(
    loss: Tensor, optimizer: torch.optim.Optimizer, *, lr: float, max_grad_norm: float
) -> None:
    """Take one step down the clipped gradient of ``loss``."""
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    for group in optimizer.param_groups:
        nn.utils.clip_grad_norm_(group["params"], max_grad_norm)
        group["lr"] = lr
    optimizer.step()


def _answer_edges(answers: Tensor) -> Tensor:
    """First row of each answer, and the end of the last. Shape: ``(A + 1,)``."""
    return torch.searchsorted(answers, torch.arange(len(ANSWERS) + 1))


def _kind_edges(answers: Tensor) -> Tensor:
    return _answer_edges(answers)[KIND_EDGES]


def _draw(low: Tensor, high: Tensor, generator: Generator) -> Tensor:
    """Draw whole numbers from ``[low, high)``, each for itself."""
    return low + (torch.rand(low.shape, generator=generator) * (high - low)).long()


def _mislabel(labels: Tensor, probability: float, generator: Generator) -> Tensor:
    """Replace names of far shots by any of their kind; the last shot and the query keep theirs."""
    distances = torch.arange(labels.shape[1] - 1, -1, -1)
    wrong = torch.rand(labels.shape, generator=generator) < probability * (distances - 1)
    kinds = KIND_OF_ANSWER[labels]
    return torch.where(wrong, _draw(KIND_EDGES[kinds], KIND_EDGES[kinds + 1], generator), labels)


def main() -> None:
    """Parse the command line, train, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=Settings().steps, help="default %(default)s")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="default %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)

    settings = Settings(steps=options.steps)
    recent: list[float] = []

    def tell(step: int, loss: float) -> None:
        recent.append(loss)
        if step % 100 == 0 or step == settings.steps:
            print(f"step {step} of {settings.steps}: loss {sum(recent) / len(recent):.3f} nats")
            recent.clear()

    try:
        lessons = load_lessons(package_data())
    except InputError as error:
        raise SystemExit(f"Error: {error}") from error
    model = pretrain(lessons, settings, tell=tell)
    options.output.write_bytes(weights_file(model, lessons, settings))
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
