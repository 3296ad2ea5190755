from collections.abc import Callable, Iterator

import pytest
import torch
from fakes.toy_task import POOL, ToyReader, ToyTask, toy_inputs

from trainer.contract import EvaluateSpec, TrainSpec
from trainer.evaluation_batch import LAID_OUT, SMALLEST, set_evaluation_batch
from trainer.policy.encoding import Rows
from trainer.policy.policy import PointerSelector
from trainer.scoring.evaluation import accuracy_by_shots, answered
from trainer.scoring.opening import open_judge
from trainer.scoring.reader_judge import score_shots
from trainer.scoring.selection import asked_questions, select_shots
from trainer.tasks import QuestionSet

SPEC = TrainSpec.model_validate(
    {"phases": [{"rce": {}}], "evaluate": {"questions": 32, "holdout": 32}}
)


def policy() -> PointerSelector:
    selector = PointerSelector(width=12, hidden_dim=16)
    selector.initialise(3)
    return selector.eval()


def test_shots_are_distinct_members_of_the_pool_in_the_order_chosen() -> None:
    task = ToyTask()
    questions = task.questions("select")
    shots = select_shots(policy(), task.embeddings, questions, steps=4)
    assert shots.shape == (32, 4)
    for chosen, pool in zip(shots.tolist(), questions.pools.tolist(), strict=True):
        assert set(chosen) <= set(pool)
        assert len(set(chosen)) == 4


def test_fewer_steps_choose_the_first_of_more_steps() -> None:
    task = ToyTask()
    four = select_shots(policy(), task.embeddings, task.questions("select"), steps=4)
    two = select_shots(policy(), task.embeddings, task.questions("select"), steps=2)
    assert torch.equal(two, four[:, :2])


def test_the_order_of_the_questions_changes_no_choice() -> None:
    task = ToyTask()
    questions = task.questions("select")
    order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    shuffled = questions[order]
    shots = select_shots(policy(), task.embeddings, questions, steps=4)
    assert torch.equal(select_shots(policy(), task.embeddings, shuffled, steps=4), shots[order])


Batches = Callable[[int], None]


@pytest.fixture
def batches() -> Iterator[Batches]:
    yield set_evaluation_batch
    set_evaluation_batch(LAID_OUT)


def ragged() -> tuple[Rows, QuestionSet]:
    """Pools of five candidates and more; more questions than one batch holds."""
    generator = torch.Generator().manual_seed(0)
    pools = torch.rand(300, 96, generator=generator).argsort(dim=1)[:, :40]
    sizes = torch.randint(5, 41, (300,), generator=generator)
    queries = torch.arange(300) % 96
    questions = QuestionSet(queries=queries, pools=pools, pool_sizes=sizes)
    return Rows(torch.randn(96, 12, generator=generator)), questions


def test_the_evaluation_batch_changes_no_bit_of_what_a_policy_makes_of_a_question(
    batches: Batches,
) -> None:
    rows, questions = ragged()
    part, steps = questions[:249], 4  # 249 = 31 * 8 + 1: no part of one question
    made = []
    with torch.no_grad():
        for count, parts in ((256, 1), (32, 8), (8, 32)):
            batches(count)
            places, encoded = zip(*rows.encode_parts(policy(), part), strict=True)
            assert len(places) == parts
            assert {p.stop - p.start for p in places} <= {249 // parts, 249 // parts + 1}
            pointers = [policy().roll_out(e, steps=steps).pointers for e in encoded]
            logits = [policy().step_logits(e, p) for e, p in zip(encoded, pointers, strict=True)]
            made.append((torch.cat(pointers), torch.cat(logits)))
    for pointers_, logits_ in made[1:]:
        assert torch.equal(pointers_, made[0][0])
        assert torch.equal(logits_, made[0][1])


def test_the_evaluation_batch_changes_no_choice(batches: Batches) -> None:
    rows, questions = ragged()
    whole = select_shots(policy(), rows.embeddings, questions, steps=4)
    batches(9)
    assert torch.equal(select_shots(policy(), rows.embeddings, questions, steps=4), whole)


@pytest.mark.parametrize("count", [SMALLEST - 1, LAID_OUT + 1])
def test_a_batch_that_cannot_be_is_refused(count: int, batches: Batches) -> None:
    with pytest.raises(ValueError, match=rf"in \[8, 256\], but got {count}"):
        batches(count)


def test_every_number_of_shots_is_scored_on_its_prefix() -> None:
    reader = ToyReader()
    queries = torch.tensor([0, 3])  # kind 0
    shots = torch.tensor([[1, 3, 6, 9], [3, 1, 1, 1]])  # kinds 1 0 0 0 and 0 1 1 1
    scores = score_shots(reader, queries, shots, EvaluateSpec(questions=2))
    # weights 1 .. s grow towards the query; right where kind 0 has more than half of them:
    # first row 0/1, 2/3, 5/6, 9/10; second row 1/1, 1/3, 1/6, 1/10
    assert scores.tolist() == [[0, 1, 1, 1], [1, 0, 0, 0]]
    assert reader.calls.asked == 2 * 4


def test_the_nearest_candidate_stands_next_to_the_query() -> None:
    task, reader = toy_inputs()
    evaluation = open_judge(SPEC, task, reader).score_control("nearest")
    assert evaluation is not None
    questions = task.questions("select")
    similarity = torch.einsum(
        "qd,qkd->qk", task.embeddings[questions.queries], task.embeddings[questions.pools]
    )
    best = questions.pools.gather(1, similarity.argmax(dim=1, keepdim=True))
    assert torch.equal(evaluation.shots[:, :1], best)
    alone = reader.answer(questions.queries, best).score
    assert torch.equal(evaluation.scores[:, 0], alone)
    pair = evaluation.shots[:, :2].flip(1)  # the nearest last
    assert torch.equal(evaluation.scores[:, 1], reader.answer(questions.queries, pair).score)


def test_the_random_control_is_the_same_every_time_and_repeats_no_shot() -> None:
    first, second = (open_judge(SPEC, *toy_inputs()).score_control("random") for _ in range(2))
    assert first is not None
    assert second is not None
    assert torch.equal(first.shots, second.shots)
    assert all(len(set(row)) == 4 for row in first.shots.tolist())
    assert POOL > 4


def test_the_score_is_the_mean_over_questions_and_numbers_of_shots() -> None:
    scores = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    evaluation = answered(torch.zeros(2, 4, dtype=torch.int64), scores)
    assert evaluation.score == 0.5  # (1 + 0 + 1 + 1 + 0 + 0 + 1 + 0) / 8
    assert accuracy_by_shots(evaluation, EvaluateSpec()) == {"1": 0.5, "2": 0.0, "3": 1.0, "4": 0.5}


class Shuffled(ToyTask):
    """Its questions come in a random order, as those of every real task do."""

    def questions(self, split: str) -> QuestionSet:
        order = torch.randperm(32, generator=torch.Generator().manual_seed(1))
        return super().questions(split)[order]


def test_the_first_of_the_file_come_by_their_ids_with_their_own_pools() -> None:
    file, task = ToyTask().questions("select"), Shuffled()
    history = asked_questions(task, EvaluateSpec(first=5))
    assert torch.equal(history.queries, file.queries[:5])
    assert torch.equal(history.pools, file.pools[:5])
    sample = asked_questions(task, EvaluateSpec(questions=5))
    assert torch.equal(sample.queries, task.questions("select").queries[:5])
    assert not torch.equal(sample.queries.sort().values, file.queries[:5])
    confirming = asked_questions(task, EvaluateSpec(first=5, holdout=6, split="holdout"))
    assert torch.equal(confirming.queries, task.questions("holdout").queries[:6])
