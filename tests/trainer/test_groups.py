import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.groups import batch_of, subset, within_groups

OFFSETS = torch.tensor([0, 3, 5, 9])  # groups of 3, 2 and 4


def test_a_batch_lays_groups_side_by_side_and_padding_repeats_the_first() -> None:
    members, present = batch_of(OFFSETS, torch.tensor([1, 2]))
    assert members.tolist() == [[3, 4, 3, 3], [5, 6, 7, 8]]
    assert present.tolist() == [[True, True, False, False], [True, True, True, True]]


def test_a_batch_is_no_wider_than_its_largest_group() -> None:
    assert batch_of(OFFSETS, torch.tensor([1])).members.tolist() == [[3, 4]]


def test_every_group_sees_its_own_members_and_no_padding() -> None:
    values = torch.tensor([1.0, 2.0, 3.0, 10.0, 20.0, 5.0, 5.0, 5.0, 9.0])
    means = within_groups(values, OFFSETS, lambda g: g.mean(dim=1, keepdim=True).expand_as(g))
    assert means.tolist() == [2.0] * 3 + [15.0] * 2 + [6.0] * 4


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(2, 6), min_size=1, max_size=8))
def test_groups_of_any_sizes_are_as_if_each_was_alone(sizes: list[int]) -> None:
    offsets = torch.tensor([0, *sizes]).cumsum(0)
    values = torch.rand(sum(sizes), generator=torch.Generator().manual_seed(0))
    together = within_groups(values, offsets, lambda g: g.softmax(dim=1))
    alone = [values[a:b].softmax(dim=0) for a, b in itertools.pairwise(offsets.tolist())]
    torch.testing.assert_close(together, torch.cat(alone))


def test_leaving_rollouts_out_moves_the_offsets() -> None:
    kept = torch.tensor([1, 0, 1, 1, 1, 0, 0, 1, 1]).bool()
    assert subset(OFFSETS, kept).tolist() == [0, 2, 4, 6]
