"""The in-context reader: answers questions about the rows of a data set from up to four shots.

What does not depend on the other tokens of a prompt is computed once, for every row at every
distance: the token and what the first layer makes of it alone. Prompts are read in blocks of one
shape, so that no answer depends on its neighbours, bit by bit.

Knows neither task nor data set: rows, words and answers come in as tensors.
Shapes: N rows, M images, V words, A answers, B prompts, S shots, T = S + 1 tokens, W width.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from trainer.errors import InputError
from trainer.readers import Answers, Calls
from trainer.readers.in_context_model import MAX_SHOTS, WIDTH, InContextModel

BLOCK = 256  # prompts a pass, as many as 32 queries with 8 rollouts
CARD = "in_context_model"  # the one key of a file's metadata: safetensors keeps no order of several


class PretrainedModel(NamedTuple):
    """What a weights file holds."""

    model: InContextModel
    vocabulary: tuple[str, ...]  # words that a question may contain, in the order of the columns
    answers: tuple[str, ...]
    digest: str  # of the file and of all else that determines an answer


class InContextReader:
    """Reads prompts made of the rows of one data set.

    Args:
        pretrained: The model and what it knows.
        images: Distinct images. Shape: ``(M, 3, 32, 32)``, uint8.
        image_of_row: Which image a row asks about. Shape: ``(N,)``, int64.
        words: 1.0 where the question of a row has a word of the vocabulary. Shape: ``(N, V)``.
        answers: Right answer of each row, as an index. Shape: ``(N,)``, int64.
        device: Where answers are computed; ids and answers stay where the caller has them.
    """

    def __init__(
        self,
        pretrained: PretrainedModel,
        *,
        images: Tensor,
        image_of_row: Tensor,
        words: Tensor,
        answers: Tensor,
        device: str = "cpu",
    ) -> None:
        self.digest = pretrained.digest
        self.batch_size = BLOCK
        self.batch_invariant = True  # every pass has one shape
        self.worth_storing = False  # to answer takes as long as to look it up
        self.calls = Calls()
        self._device = device
        self._model = pretrained.model.to(device).eval()
        self._answers = answers.to(device)
        with torch.inference_mode():
            seen = torch.cat(
                [self._model.see(part.to(device)) for part in torch.split(images, BLOCK)]
            )
            items = self._model.items(seen[image_of_row.to(device)], words.to(device))
            self._prompt_table = _prompt_table(self._model, items, self._answers)

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        """Answer each query with its shots; see `Reader`. The score is 1.0 or 0.0."""
        if shots.ndim != 2 or len(shots) != len(queries) or shots.shape[1] > MAX_SHOTS:
            raise ValueError(
                f"`shots` must be ({len(queries)}, S) with S in 0-{MAX_SHOTS}, "
                f"but got {tuple(shots.shape)}."
            )
        self.calls += Calls(asked=len(queries))
        answers = Answers(  # made outside inference mode: losses may be built upon them
            score=torch.empty(len(queries), device=self._device),
            gt_prob=torch.empty(len(queries), device=self._device),
        )
        with torch.inference_mode():
            prompts = torch.cat([shots, queries[:, None]], dim=1).to(self._device)
            for start in range(0, len(prompts), BLOCK):
                part = slice(start, start + BLOCK)
                block = Answers(answers.score[part], answers.gt_prob[part])
                self._answer_block(prompts[part], block)
        return Answers(answers.score.to(queries.device), answers.gt_prob.to(queries.device))

    def _answer_block(self, prompts: Tensor, out: Answers) -> None:
        """Write the answers to up to ``BLOCK`` prompts. Shape: ``(B, T)``, the query last."""
        size, length = prompts.shape
        rows = F.pad(prompts, (0, 0, 0, BLOCK - size))
        distances = torch.arange(length - 1, -1, -1, device=self._device)
        index = rows + distances * len(self._answers)
        known = self._prompt_table.index_select(0, index.view(-1)).view(BLOCK, length, -1)
        probabilities = self._model.read(
            *torch.split(known, [WIDTH, WIDTH, 2 * WIDTH], dim=-1)
        ).softmax(1)
        right = self._answers[rows[:, -1]]
        out.score.copy_((probabilities.argmax(1) == right)[:size])
        out.gt_prob.copy_(probabilities.gather(1, right[:, None])[:size, 0])


def load_model(path: Path) -> PretrainedModel:
    """Read a weights file. Raises InputError that names the file and what to do."""
    advice = "restore the file, or build it again with the `build` command of its task"
    try:
        content = path.read_bytes()
        card = _read_card(content)
        vocabulary, answers = tuple(card["vocabulary"]), tuple(card["answers"])
        model = InContextModel(words=len(vocabulary), answers=len(answers))
        model.load_state_dict({name: part.float() for name, part in load(content).items()})
    except OSError as error:
        raise InputError(
            f"{path}: the reader's weights cannot be read ({error}); {advice}"
        ) from error
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: the reader's weights are damaged ({error}); {advice}") from error
    settings = f"float32, blocks of {BLOCK}".encode()
    return PretrainedModel(
        model, vocabulary, answers, hashlib.sha256(content + settings).hexdigest()[:32]
    )


def _read_card(content: bytes) -> dict[str, Any]:
    """The card in a safetensors file: a length of 8 bytes, a JSON header, the tensors."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    card: dict[str, Any] = json.loads(header["__metadata__"][CARD])
    return card


def _prompt_table(model: InContextModel, items: Tensor, answers: Tensor) -> Tensor:
    """Token, query, key and value of every row at every distance. Shape: ``(5 N, 4 W)``.

    Entry ``distance * N + row``; distance 0 is the query itself.
    """
    distances = [torch.full_like(answers, distance) for distance in range(1, MAX_SHOTS + 1)]
    tokens = torch.cat(
        [
            model.query_tokens(items),
            *(model.shot_tokens(items, answers, distance) for distance in distances),
        ]
    )
    return torch.cat([tokens, *model.first.project(tokens)], dim=1)
