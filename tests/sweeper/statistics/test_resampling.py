"""Draws against their moments."""

import numpy as np
import pytest

from sweeper.statistics.resampling import (
    drawn_counts,
    flipped_sums,
    matrix,
    question_counts,
    resampled_means,
)


def test_a_resample_draws_as_many_questions_as_there_are() -> None:
    counts = np.concatenate(list(question_counts(7, 1200, seed=0)))
    assert counts.shape == (1200, 7)
    assert (counts.sum(axis=1) == 7).all()
    # binomial: mean 1, variance 7 x 1/7 x 6/7 = 0.857
    assert counts.mean(axis=0) == pytest.approx(np.ones(7), abs=0.15)
    assert counts.var() == pytest.approx(6 / 7, abs=0.05)


def test_fewer_draws_than_questions_leave_the_more_out() -> None:
    counts = drawn_counts(np.random.default_rng(0), 500, draws=10, questions=30)
    assert (counts.sum(axis=1) == 10).all()
    assert (counts == 0).mean() == pytest.approx((29 / 30) ** 10, abs=0.02)


def test_settings_share_their_resamples() -> None:
    scores = np.random.default_rng(1).random((2, 40))
    means = resampled_means(np.stack([scores[0], scores[1], scores[0] + 1.0]), 600, seed=0)
    assert means.shape == (600, 3)
    assert means[:, 2] - means[:, 0] == pytest.approx(np.ones(600))
    assert means.std(axis=0)[0] == pytest.approx(scores[0].std() / 40**0.5, rel=0.1)


def test_signs_are_a_fair_coins_and_common_to_all_rows() -> None:
    rows = np.array([[1.0, 2.0, 4.0], [2.0, 4.0, 8.0]])
    sums = np.concatenate(list(flipped_sums(rows, 4000, seed=0)))
    assert sums[:, 1].tolist() == (2.0 * sums[:, 0]).tolist()
    values, counts = np.unique(sums[:, 0], return_counts=True)
    assert values.tolist() == [-7.0, -5.0, -3.0, -1.0, 1.0, 3.0, 5.0, 7.0]
    assert counts / 4000 == pytest.approx(np.full(8, 1 / 8), abs=0.02)


def test_what_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        matrix(np.array([[0.5, np.nan]]))
    with pytest.raises(ValueError, match=r"settings by questions, but their shape is \(2, 0\)"):
        matrix(np.zeros((2, 0)))
    with pytest.raises(ValueError, match="settings by questions"):
        matrix(np.zeros(3))
