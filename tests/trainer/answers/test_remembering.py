from pathlib import Path

import pytest
import torch
from fakes.toy_task import ToyReader
from torch import Tensor

from trainer.answers import AnswerStore
from trainer.answers.file import AnswerFile
from trainer.answers.remembering import RememberingReader, remembered
from trainer.contract import AnswersPlace, EvaluateSpec
from trainer.readers import Answers, Calls


class TellingReader(ToyReader):
    """Says a word; forgetful of what stands beside a prompt only where it is told to be."""

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        said = super().answer(queries, shots)
        return said._replace(texts=[f"{q}?" for q in queries.tolist()])


class StrictReader(ToyReader):
    """Takes no empty batch, as little as the reader of recorded answers does."""

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        assert len(queries) > 0
        return super().answer(queries, shots)


class MoodyReader(ToyReader):
    """Its answers depend on what was asked before."""

    batch_invariant = False

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        said = super().answer(queries, shots)
        return said._replace(gt_prob=torch.full_like(said.gt_prob, self.calls.asked / 100))


@pytest.fixture
def store(tmp_path: Path) -> AnswerStore:
    return AnswerFile(tmp_path / "answers.db")


QUERIES = torch.tensor([0, 3, 0, 5, 0])
SHOTS = torch.tensor([[1, 3], [3, 1], [1, 3], [2, 4], [3, 1]])  # rows 0 and 2 are equal


def test_what_is_answered_is_what_the_reader_says(store: AnswerStore) -> None:
    reader = RememberingReader(StrictReader(), store, rows="toy")
    for _ in range(2):  # asked, then remembered
        said = reader.answer(QUERIES, SHOTS)
        expected = ToyReader().answer(QUERIES, SHOTS)
        assert torch.equal(said.score, expected.score)
        assert torch.equal(said.gt_prob, expected.gt_prob)


def test_only_what_is_new_is_asked_and_equal_prompts_once(store: AnswerStore) -> None:
    asked = ToyReader()
    reader = RememberingReader(asked, store, rows="toy")
    reader.answer(QUERIES[:2], SHOTS[:2])
    assert reader.calls == Calls(asked=2)
    reader.answer(QUERIES, SHOTS)
    assert asked.calls == Calls(asked=4)
    assert reader.calls == Calls(asked=4, store=2, equal=1)
    assert reader.calls.needed == 7


def test_another_process_finds_the_answers(store: AnswerStore, tmp_path: Path) -> None:
    RememberingReader(ToyReader(), store, rows="toy").answer(QUERIES, SHOTS)
    other = RememberingReader(ToyReader(), AnswerFile(tmp_path / "answers.db"), rows="toy")
    other.answer(QUERIES, SHOTS)
    assert other.calls.asked == 0


def test_ids_of_other_data_are_other_prompts(store: AnswerStore) -> None:
    RememberingReader(ToyReader(), store, rows="toy").answer(QUERIES, SHOTS)
    other = RememberingReader(ToyReader(), store, rows="other")
    other.answer(QUERIES, SHOTS)
    assert other.calls.asked == 4


def test_a_batch_is_kept_before_the_next_is_asked(store: AnswerStore) -> None:
    class Dying(ToyReader):
        batch_size = 2

        def answer(self, queries: Tensor, shots: Tensor) -> Answers:
            if self.calls.asked >= 2:
                raise KeyboardInterrupt
            return super().answer(queries, shots)

    with pytest.raises(KeyboardInterrupt):
        RememberingReader(Dying(), store, rows="toy").answer(QUERIES, SHOTS)
    assert len(store) == 2


def test_texts_are_kept(store: AnswerStore) -> None:
    reader = RememberingReader(TellingReader(), store, rows="toy")
    for _ in range(2):
        assert reader.answer(QUERIES, SHOTS).texts == ["0?", "3?", "0?", "5?", "0?"]


def test_the_first_answer_of_a_reader_that_minds_its_batch_stands(store: AnswerStore) -> None:
    first = RememberingReader(MoodyReader(), store, rows="toy").answer(QUERIES, SHOTS)
    moody = MoodyReader()
    moody.answer(QUERIES, SHOTS)  # in another mood from now on
    again = RememberingReader(moody, store, rows="toy").answer(QUERIES, SHOTS)
    assert torch.equal(first.gt_prob, again.gt_prob)


def test_what_was_recorded_is_learned_once(store: AnswerStore) -> None:
    said = ToyReader().answer(QUERIES, SHOTS)
    reader = RememberingReader(ToyReader(), store, rows="toy")
    reader.learn(QUERIES, SHOTS, said)
    reader.learn(QUERIES, SHOTS, said)
    again = reader.answer(QUERIES, SHOTS)
    assert torch.equal(again.score, said.score)
    assert reader.calls == Calls(store=4, equal=1)


def test_what_is_known_in_part_is_learned_in_full_and_keeps_its_first_answers(
    store: AnswerStore,
) -> None:
    first = RememberingReader(ToyReader(), store, rows="toy")
    known = first.answer(QUERIES[[1, 4]], SHOTS[[1, 4]]).score.tolist()  # the last is among them
    said = Answers(torch.arange(5) / 8, torch.full((5,), 0.5))
    reader = RememberingReader(ToyReader(), store, rows="toy")
    reader.learn(QUERIES, SHOTS, said)
    again = reader.answer(QUERIES, SHOTS)
    assert reader.calls.asked == 0
    assert again.score.tolist() == [0.0, known[0], 0.0, 3 / 8, known[1]]  # 0 and 2 are one prompt
    reader.learn(QUERIES[:0], SHOTS[:0], Answers(torch.empty(0), torch.empty(0)))
    assert len(store) == 4


@pytest.mark.parametrize(
    ("worth_storing", "remember", "kept"),
    [
        (True, "auto", True),
        (False, "auto", False),
        (False, "always", True),
        (True, "never", False),
    ],
)
def test_the_study_file_has_the_last_word(
    tmp_path: Path, worth_storing: bool, remember: str, kept: bool
) -> None:
    reader = ToyReader()
    reader.worth_storing = worth_storing
    spec = EvaluateSpec.model_validate({"remember": remember})
    place = AnswersPlace("file", str(tmp_path / "answers.db"))
    chosen = remembered(reader, place, spec, rows="toy")
    assert isinstance(chosen, RememberingReader) == kept
    assert (chosen is reader) != kept
