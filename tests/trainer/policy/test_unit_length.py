"""Unit vectors, held against torch's own normalisation."""

import torch
from torch.nn import functional as F

from trainer.policy.unit_length import unit_length


def test_vectors_have_length_one_and_zero_stays_zero() -> None:
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0], [-2e10, 0.0]])
    expected = torch.tensor([[0.6, 0.8], [0.0, 0.0], [-1.0, 0.0]])
    torch.testing.assert_close(unit_length(vectors), expected)


def test_gradients_are_those_of_finite_differences() -> None:
    vectors = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(unit_length, vectors.requires_grad_())  # type: ignore[no-untyped-call]


def test_the_gradient_at_zero_is_that_of_torch() -> None:
    ours, theirs = torch.zeros(1, 3, requires_grad=True), torch.zeros(1, 3, requires_grad=True)
    weights = torch.tensor([[1.0, -2.0, 3.0]])
    (unit_length(ours) * weights).sum().backward()  # type: ignore[no-untyped-call]
    (F.normalize(theirs, dim=1) * weights).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_bfloat16_is_scaled_in_float32() -> None:
    assert unit_length(torch.ones(2, 3, dtype=torch.bfloat16)).dtype == torch.float32
