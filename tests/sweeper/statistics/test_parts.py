"""The verdict by number of shots: one family of settings x shots."""

import numpy as np
import pytest
from conftest import Answers

from sweeper.statistics.best import may_be_best
from sweeper.statistics.corrections import holm, max_t
from sweeper.statistics.intervals import difference_intervals
from sweeper.statistics.parts import by_part
from sweeper.statistics.sign_flip import sign_flip_p


def test_every_cell_is_the_plain_statistic_of_its_setting_and_shots(answers: Answers) -> None:
    scores = answers(np.random.default_rng(0), 3, 80)
    scores[2, :20, 1] = 1.0
    found = by_part(scores, 1)
    for setting in (0, 2):
        for shot in range(4):
            difference = scores[setting, :, shot] - scores[1, :, shot]
            assert found.difference[setting, shot] == pytest.approx(difference.mean())
            assert found.p[setting, shot] == sign_flip_p(difference)
            interval = [found.low[setting, shot], found.high[setting, shot]]
            assert interval == difference_intervals(difference[None])[0].tolist()


def test_the_correction_counts_settings_and_shots_together(answers: Answers) -> None:
    scores = answers(np.random.default_rng(1), 4, 80)
    scores[3, :25, 2] = 1.0
    found = by_part(scores, 0)
    cells = [scores[k, :, c] - scores[0, :, c] for k in (1, 2, 3) for c in range(4)]
    assert found.p_max_t[1:].ravel().tolist() == max_t(np.stack(cells)).tolist()
    assert found.p_holm[1:].ravel().tolist() == holm(found.p[1:].ravel()).tolist()
    alone = max_t(scores[1:, :, 2] - scores[0, :, 2])
    assert alone[2] < found.p_max_t[3, 2]


def test_the_baseline_has_nothing_against_itself_and_a_winner_for_two_shots_is_found(
    answers: Answers,
) -> None:
    scores = answers(np.random.default_rng(2), 3, 200)
    scores[2, :80, 1] = 1.0
    found = by_part(scores, 0)
    assert found.p[0].tolist() == found.p_holm[0].tolist() == found.p_max_t[0].tolist() == [1] * 4
    assert found.difference[0].tolist() == [0.0] * 4
    assert (found.p_max_t[2] < 0.05).tolist() == [False, True, False, False]
    assert found.may_be_best[:, 1].tolist() == [False, False, True]
    assert by_part(scores[:1], 0).p.tolist() == [[1.0] * 4]


def test_who_may_be_best_is_asked_at_a_quarter_of_the_error_rate(answers: Answers) -> None:
    differing = 0
    for planted in range(12, 40, 4):
        scores = answers(np.random.default_rng(2), 3, 100)
        scores[2, :planted, 1] = 1.0
        stays = by_part(scores, 0).may_be_best[:, 1].tolist()
        assert stays == may_be_best(scores[:, :, 1], error_rate=0.05 / 4).tolist()
        differing += stays != may_be_best(scores[:, :, 1]).tolist()
    assert differing


def test_a_winner_for_some_number_of_shots_is_seldom_claimed(answers: Answers) -> None:
    generator = np.random.default_rng(3)
    plain, corrected = 0, 0
    for _ in range(100):
        scores = answers(generator, 6, 60)
        rows = np.moveaxis(scores[1:] - scores[0], 2, 1).reshape(20, 60)
        corrected += (max_t(rows, flips=400) < 0.05).any()
        plain += any(sign_flip_p(row) < 0.05 for row in rows)
    assert plain > 25
    assert corrected <= 12
