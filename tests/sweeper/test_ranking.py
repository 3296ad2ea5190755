import random

import pytest

from sweeper.ranking import leader, ranking
from sweeper.records import Final, TrialRecord, TrialState


def drawn(dice: random.Random, *, with_finals: bool) -> list[TrialRecord]:
    """Some trials and shorter trainings of few settings and scores, so that many are alike."""
    rows = []
    for number in range(dice.randrange(8)):
        state = dice.choice(list(TrialState))
        for prefix in (1, None):
            score = dice.randrange(3) / 2
            final = Final(score=dice.randrange(3) / 2, accuracy={}, questions=1)
            rows.append(
                TrialRecord(
                    number=number,
                    prefix=prefix,
                    params={"lr": dice.randrange(3)},
                    state=TrialState.COMPLETE if prefix else state,
                    score=score if prefix or state is TrialState.COMPLETE else None,
                    final=final if with_finals and dice.random() < 0.3 else None,
                )
            )
    dice.shuffle(rows)
    return rows


@pytest.mark.parametrize("with_finals", [False, True])
@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_the_leader_is_the_first_of_the_ranking(goal: str, with_finals: bool) -> None:
    dice = random.Random(0)
    for _ in range(500):
        rows = drawn(dice, with_finals=with_finals)
        assert leader(rows, goal=goal) is next(iter(ranking(rows, goal=goal)), None)
