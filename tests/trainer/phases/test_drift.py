"""Drift of tensors: by hand, by law."""

import math

import pytest
import torch

from trainer.phases.drift import TensorDrift, tensor_drift


def test_drift_by_hand() -> None:
    start = {"weight": torch.tensor([[3.0, 0.0], [0.0, 4.0]])}
    now = {"weight": torch.tensor([[3.0, 0.3], [-0.4, 4.0]])}
    # differences 0, 0.3, 0.4, 0: mean 0.175, largest 0.4; norms 0.5 over 5
    drift = tensor_drift(start, now)["weight"]
    assert drift == pytest.approx((0.175, 0.4, 0.1), rel=1e-6)
    assert drift._fields == ("mean_abs", "max_abs", "relative_norm")


def test_a_tensor_that_stayed_has_no_drift_even_where_it_is_zero() -> None:
    start = {"a": torch.tensor([0.1, 0.7]), "b": torch.zeros(3)}
    drifts = tensor_drift(start, {name: tensor.clone() for name, tensor in start.items()})
    assert drifts == {"a": TensorDrift(0.0, 0.0, 0.0), "b": TensorDrift(0.0, 0.0, 0.0)}


def test_a_tensor_that_started_at_zero_has_no_finite_relative_drift() -> None:
    drift = tensor_drift({"bias": torch.zeros(2)}, {"bias": torch.tensor([0.0, 0.5])})["bias"]
    assert drift == TensorDrift(0.25, 0.5, math.inf)


def test_the_relative_drift_does_not_depend_on_the_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    start, change = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    small = tensor_drift({"w": start}, {"w": start + change})["w"]
    large = tensor_drift({"w": 100 * start}, {"w": 100 * (start + change)})["w"]
    assert large.relative_norm == pytest.approx(small.relative_norm, rel=1e-12)
    assert large.mean_abs == pytest.approx(100 * small.mean_abs, rel=1e-12)


def test_tensors_that_cannot_be_compared_are_all_named() -> None:
    start = {"a": torch.zeros(2), "b": torch.zeros(1), "c": torch.zeros(2)}
    now = {"a": torch.zeros(3), "c": torch.zeros(2), "d": torch.zeros(1)}
    with pytest.raises(ValueError, match="b is on one side only; d is on one side only; a has"):
        tensor_drift(start, now)
