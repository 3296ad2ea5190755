"""What every store of answers keeps to, and the ways in which they are alone."""

import math
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes.postgres import Server, postgres

from trainer.answers import Answer, AnswerStore, Prompts, open_answers
from trainer.contract import AnswersPlace
from trainer.errors import AnswersError

PROMPTS: Prompts = np.array([[7, 1, 2], [7, 2, 1], [8, 1, 2]])
ANSWERS = [Answer(0.25, 0.5), Answer(1.0, 0.125, "a red square"), Answer(0.0, math.nan, "")]

Open = Callable[[], AnswerStore]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["file", "appended", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> AnswersPlace:
    if request.param == "server":
        return AnswersPlace("server", request.getfixturevalue("server").url())
    return AnswersPlace(request.param, str(tmp_path / "answers.db"))


@pytest.fixture
def opened(place: AnswersPlace) -> Iterator[Open]:
    """Opens the store, as another process would, as often as it is called."""
    stores: list[AnswerStore] = []

    def open_it() -> AnswerStore:
        stores.append(open_answers(place))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


def test_answers_come_back_as_they_were_given(opened: Open) -> None:
    store = opened()
    store.add("reader", PROMPTS, ANSWERS)
    found = store.look_up("reader", PROMPTS)
    assert found[:2] == ANSWERS[:2]
    assert found[2] is not None
    assert (found[2].score, found[2].text) == (0.0, "")
    assert math.isnan(found[2].gt_prob)
    assert len(store) == 3


def test_a_score_that_nobody_knows_stays_unknown(opened: Open) -> None:
    opened().add("reader", PROMPTS[:1], [Answer(math.nan, 0.5)])
    [found] = opened().look_up("reader", PROMPTS[:1])
    assert found is not None
    assert math.isnan(found.score)


@pytest.mark.parametrize(
    ("reader", "prompt"),
    [
        ("another", [7, 1, 2]),
        ("reader", [7, 1, 3]),
        ("reader", [9, 1, 2]),
        ("reader", [7, 1]),
        ("reader", [7, 1, 2, 3]),
    ],
)
def test_reader_query_and_every_shot_make_the_key(
    opened: Open, reader: str, prompt: list[int]
) -> None:
    store = opened()
    store.add("reader", PROMPTS, ANSWERS)
    assert store.look_up(reader, np.array([prompt])) == [None]


def test_another_process_finds_the_answers_and_what_is_added_later(opened: Open) -> None:
    first, second = opened(), opened()
    first.add("reader", PROMPTS[:2], ANSWERS[:2])
    assert second.look_up("reader", PROMPTS) == [*ANSWERS[:2], None]
    second.add("reader", PROMPTS[2:], [Answer(0.5, 0.5)])
    first.add("other", PROMPTS, ANSWERS)
    assert first.look_up("reader", PROMPTS) == [*ANSWERS[:2], Answer(0.5, 0.5)]
    assert len(first) == len(second) == 6


def test_the_first_answer_stands_whoever_gave_it(opened: Open) -> None:
    first, second = opened(), opened()
    first.add("reader", PROMPTS[:1], ANSWERS[:1])
    second.add("reader", PROMPTS[[0, 0, 1, 1]], [Answer(i / 4, 1.0) for i in range(4)])
    for store in (first, second, opened()):
        assert store.look_up("reader", PROMPTS[:2]) == [ANSWERS[0], Answer(0.5, 1.0)]
        assert len(store) == 2


def test_answers_outlive_their_process(opened: Open) -> None:
    store = opened()
    store.add("reader", PROMPTS[:2], ANSWERS[:2])
    store.close()
    for _ in range(3):  # each of which may merge
        again = opened()
        assert again.look_up("reader", PROMPTS) == [*ANSWERS[:2], None]
        again.add("reader", PROMPTS[:2], [Answer(0.75, 0.5)] * 2)
        assert len(again) == 2
        again.close()


def test_numbers_are_kept_to_single_precision(opened: Open) -> None:
    store = opened()
    store.add("reader", PROMPTS[:1], [Answer(0.1, 0.3)])
    expected = [Answer(*np.float32([0.1, 0.3]).tolist())]
    assert store.look_up("reader", PROMPTS[:1]) == expected
    assert opened().look_up("reader", PROMPTS[:1]) == expected


def test_many_prompts_at_once(opened: Open) -> None:
    prompts = np.arange(7500).reshape(-1, 3)
    opened().add("reader", prompts, [Answer(i % 2, 0.5) for i in range(2500)])
    found = opened().look_up("reader", prompts)
    assert [answer and answer.score for answer in found] == [i % 2 for i in range(2500)]
    assert opened().look_up("reader", np.empty((0, 3), dtype=np.int64)) == []


def _write(place: AnswersPlace, own: int) -> None:
    store = open_answers(place)
    for batch in range(10):
        for owner in (0, own):  # rows that all write, and rows of its own
            prompts = np.array([[owner, batch, shot] for shot in range(50)])
            store.add(f"reader {batch % 2}", prompts, [Answer(owner / 8, 0.5)] * 50)
            assert None not in store.look_up(f"reader {batch % 2}", prompts)


def test_four_processes_write_at_once(place: AnswersPlace, opened: Open) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(place, own)) for own in range(1, 5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    store = opened()
    assert len(store) == 5 * 10 * 50
    found = store.look_up("reader 1", np.array([[3, 9, 49], [0, 1, 0], [0, 0, 0]]))
    assert found == [Answer(3 / 8, 0.5), Answer(0.0, 0.5), None]


def test_a_damaged_answer_is_none_and_the_next_takes_its_place(
    place: AnswersPlace, opened: Open
) -> None:
    store = opened()
    store.add("reader", PROMPTS, ANSWERS)
    store.close()
    opened().close()  # merges
    _flip_a_bit_of_the_first(place)
    store = opened()
    assert store.look_up("reader", PROMPTS)[:2] == [None, ANSWERS[1]]
    store.add("reader", PROMPTS[:1], [Answer(0.75, 0.5)])
    store.close()
    for _ in range(2):
        store = opened()
        assert store.look_up("reader", PROMPTS[:2]) == [Answer(0.75, 0.5), ANSWERS[1]]
        store.close()


def _flip_a_bit_of_the_first(place: AnswersPlace) -> None:
    def flipped(value: bytes) -> bytes:
        return bytes([*value[:5], value[5] ^ 4, *value[6:]])

    if place.kind == "server":
        import psycopg

        with psycopg.connect(place.where) as connection:
            find = "SELECT key, value FROM sweeper_answers_1 ORDER BY key"
            key, value = connection.execute(find).fetchone()
            change = "UPDATE sweeper_answers_1 SET value = %s WHERE key = %s"
            connection.execute(change, (flipped(value), key))
        return
    import sqlite3

    damaged = sqlite3.connect(place.where)
    key, value = damaged.execute("SELECT key, value FROM answers ORDER BY key").fetchone()
    damaged.execute("UPDATE answers SET value = ? WHERE key = ?", (flipped(value), key))
    damaged.commit()
    damaged.close()


def test_a_connection_that_broke_is_opened_anew(server: Server) -> None:
    store = open_answers(AnswersPlace("server", server.url()))
    store.add("reader", PROMPTS[:1], ANSWERS[:1])
    server.stop()
    server.start()
    assert store.look_up("reader", PROMPTS[:1]) == ANSWERS[:1]
    server.stop()
    try:
        with pytest.raises(AnswersError, match=r"postgresql://sweeper@/.*see that it runs"):
            store.add("reader", PROMPTS, ANSWERS)
    finally:
        server.start()
    store.add("reader", PROMPTS, ANSWERS)
    assert len(store) == 3
    store.close()
