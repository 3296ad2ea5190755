"""A reader that is never asked the same thing twice: it looks up first, and keeps what is new.

Shape legend: B prompts, S shots, P distinct prompts.
"""

import functools

import torch
from torch import Tensor

from trainer.answers import Answer, AnswerStore, open_answers
from trainer.contract import AnswersPlace, EvaluateSpec
from trainer.readers import Answers, Calls, Reader, Settle
from trainer.readers.counting import CountedReader


def as_it_stands(prompts: Tensor, calls: Calls) -> Calls:
    """Count a call as what becomes of it; see `Settle`."""
    return calls


class RememberingReader:
    """A reader with the answers of its workspace beside it.

    Args:
        reader: Who answers what is not known.
        store: What is known.
        rows: Digest of what the global ids stand for.
        settle: Says how a call counts, before anybody is asked.
    """

    def __init__(
        self, reader: Reader, store: AnswerStore, *, rows: str, settle: Settle = as_it_stands
    ) -> None:
        self.digest = reader.digest
        self.batch_size = reader.batch_size
        self.batch_invariant = reader.batch_invariant
        self.worth_storing = reader.worth_storing
        self._reader = reader
        self._store = store
        self._rows = rows
        self._name = f"{reader.digest}/{rows}"
        self._settle = settle
        self.calls = Calls()  # as settled

    def counted(self, settle: Settle) -> "RememberingReader":
        """The same reader, its calls settled so."""
        return RememberingReader(self._reader, self._store, rows=self._rows, settle=settle)

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        """Answer each query with its shots; see `Reader`."""
        prompts = torch.cat([queries[:, None], shots], dim=1).cpu()
        distinct, place = torch.unique(prompts, dim=0, return_inverse=True)
        known = self._store.look_up(self._name, distinct.numpy())
        missing = torch.tensor([i for i, a in enumerate(known) if a is None], dtype=torch.int64)
        stands = Calls(
            asked=len(missing),
            store=len(distinct) - len(missing),
            equal=len(prompts) - len(distinct),
        )
        self.calls += self._settle(prompts, stands)
        if len(missing):  # of an empty tensor `split` makes one empty batch
            for part in torch.split(missing, self._reader.batch_size):
                self._ask(distinct[part])
            for index, answer in zip(
                missing.tolist(),
                self._store.look_up(self._name, distinct[missing].numpy()),
                strict=True,
            ):
                known[index] = answer
        return _gathered(known, place, queries.device)

    def learn(self, queries: Tensor, shots: Tensor, answers: Answers) -> None:
        """Keep what this very reader has answered elsewhere and the store does not know.

        The caller vouches for the reader: its weights, its decoder and the rows that ids stand for.
        """
        prompts = torch.cat([queries[:, None], shots], dim=1).cpu()
        known = self._store.look_up(self._name, prompts.numpy())
        missing = [index for index, answer in enumerate(known) if answer is None]
        if missing:
            rows = _rows(answers)
            new = [rows[index] for index in missing]
            self._store.add(self._name, prompts[missing].numpy(), new)

    def _ask(self, prompts: Tensor) -> None:
        """Ask one batch and keep what was said, before the next: it may have cost minutes."""
        said = self._reader.answer(prompts[:, 0], prompts[:, 1:])
        self._store.add(self._name, prompts.numpy(), _rows(said))


def remembered(reader: Reader, place: AnswersPlace, spec: EvaluateSpec, *, rows: str) -> Reader:
    """The same reader, with the answers at ``place`` beside it where they are worth keeping.

    Args:
        reader: Who answers.
        place: Where a workspace keeps its answers.
        spec: Says whether a job keeps any.
        rows: Digest of what the global ids stand for.

    Raises:
        AnswersError: where the store cannot be opened.
    """
    if not keeps_answers(reader, spec):
        return reader
    return RememberingReader(reader, _open(place), rows=rows)


def counted(reader: Reader, settle: Settle) -> Reader:
    """The same reader, its calls settled so; one that remembers settles before it asks: were it
    killed meanwhile, it would find what it had asked itself in the store.
    """
    if isinstance(reader, RememberingReader):
        return reader.counted(settle)
    return CountedReader(reader, settle)


def keeps_answers(reader: Reader, spec: EvaluateSpec) -> bool:
    """Whether a job of ``spec`` remembers what the reader says."""
    return spec.remember == "always" or (spec.remember == "auto" and reader.worth_storing)


def reader_facts(reader: Reader) -> dict[str, bool]:
    """What a result says of who answered: where an answer depends on its batch, the first one that
    was given stands if answers are kept, and else none does.
    """
    return {
        "batch_invariant": reader.batch_invariant,
        "answers_kept": isinstance(reader, RememberingReader),
    }


@functools.cache  # a warm worker opens, and checks, each store once
def _open(place: AnswersPlace) -> AnswerStore:
    return open_answers(place)


def _rows(answers: Answers) -> list[Answer]:
    scores, probabilities = answers.score.tolist(), answers.gt_prob.tolist()
    if answers.texts is None:
        return [Answer(*row) for row in zip(scores, probabilities, strict=True)]
    return [Answer(*row) for row in zip(scores, probabilities, answers.texts, strict=True)]


def _gathered(known: list[Answer | None], place: Tensor, device: torch.device) -> Answers:
    found = [answer for answer in known if answer is not None]
    assert len(found) == len(known), "every prompt was looked up or asked"
    texts = [answer.text for answer in found]
    order = place.tolist()
    return Answers(
        torch.tensor([answer.score for answer in found])[place].to(device),
        torch.tensor([answer.gt_prob for answer in found])[place].to(device),
        None if None in texts else [str(texts[index]) for index in order],
    )
