import pytest
import torch

from trainer.contract import GrpoSpec, RceSpec
from trainer.errors import InputError
from trainer.rollouts.recorded import best_of, for_grpo, for_rce, padded, raw_reward, reward_of
from trainer.tasks import RecordedRollouts


def rollouts(*, score: bool = False) -> RecordedRollouts:
    """Two queries, of 3 and 4 rollouts."""
    soft = torch.tensor([0.0, 1.0, 0.3, 0.9, 0.9, 0.0, 0.6])
    return RecordedRollouts(
        queries=torch.tensor([4, 9]),
        pools=torch.arange(10).view(2, 5),
        pool_sizes=torch.tensor([5, 5]),
        offsets=torch.tensor([0, 3, 7]),
        pointers=torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [0, 2], [1, 3]]),
        hard=(soft > 0).float(),
        soft=soft,
        gt_prob=torch.zeros(7),
        rel=torch.full((7,), 0.5),
        score=soft - 1.0 if score else None,
    )


def test_weights_enter_the_reward() -> None:
    settings = RceSpec.model_validate(
        {"reward": "hard_plus_gtprob_plus_rel", "reward_weights": {"hard": 2.0, "rel": 0.4}}
    )
    # right: 2 * 1; wrong: 0.4 * 0.5
    expected = torch.tensor([0.2, 2.0, 2.0, 2.0, 2.0, 0.2, 2.0])
    torch.testing.assert_close(reward_of(rollouts(), settings), expected)


def test_older_rollouts_are_rewarded_by_their_score_and_nothing_else() -> None:
    assert torch.equal(raw_reward(rollouts(score=True), "score"), rollouts().soft - 1.0)
    with pytest.raises(InputError, match=r"hard_only` does not fit .* a score alone; use score"):
        raw_reward(rollouts(score=True), "hard_only")
    with pytest.raises(InputError, match=r"`reward: score` does not fit"):
        raw_reward(rollouts(), "score")


def test_the_best_are_kept_in_file_order_and_ties_go_to_the_first() -> None:
    kept = best_of(rollouts(), rollouts().soft, 2)[2]
    assert kept.tolist() == [False, True, True, True, True, False, False]
    used = best_of(rollouts(), rollouts().soft, 2)[0]
    assert used.offsets.tolist() == [0, 2, 4]
    assert used.pointers.tolist() == [[1, 2], [2, 3], [3, 4], [4, 0]]
    assert used.queries.tolist() == [4, 9]


def test_the_curriculum_takes_its_last_number_for_all_later_epochs() -> None:
    settings = GrpoSpec(rollouts="recorded", curriculum=(2, 3))
    sizes = [for_grpo(rollouts(), settings, epoch=epoch).kept.sum().item() for epoch in (1, 2, 3)]
    assert sizes == [4, 6, 6]


def test_advantages_are_taken_over_the_rollouts_used() -> None:
    settings = GrpoSpec(rollouts="recorded", curriculum=(2,), reward="soft_only")
    values = for_grpo(rollouts(), settings, epoch=1).values
    # 1.0 and 0.3: mean 0.65, unbiased deviation 0.35 * sqrt(2); the other two are equal
    torch.testing.assert_close(values, torch.tensor([0.5**0.5, -(0.5**0.5), 0.0, 0.0]))


def test_top_1_imitates_the_best_rollout_alone() -> None:
    used, rewards, values, _ = for_rce(rollouts(), RceSpec(top=1, reward="soft_only"))
    assert used.pointers.tolist() == [[1, 2], [3, 4]]
    assert torch.equal(rewards, values)
    weights = padded(values, used.offsets, torch.tensor([0, 1]), absent=-torch.inf).softmax(dim=1)
    assert weights.tolist() == [[1.0], [1.0]]


def test_padding_has_no_weight() -> None:
    side_by_side = padded(rollouts().soft, rollouts().offsets, torch.tensor([0, 1]), absent=-1e30)
    assert side_by_side[0, 3].item() == pytest.approx(-1e30)
    assert side_by_side.softmax(dim=1)[0, 3].item() == 0.0
