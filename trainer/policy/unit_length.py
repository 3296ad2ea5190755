"""Vectors of length one, with a written-out backward pass.

Autograd's takes twice as many passes over the candidates of a batch, and those passes were a third
of a training step's time.

Shape legend: H width of a vector; any number of dimensions before it.
"""

from typing import Any

import torch
from torch import Tensor

SMALLEST = 1e-12  # length by which at least is divided, as in `torch.nn.functional.normalize`


def unit_length(vectors: Tensor) -> Tensor:
    """Scale each vector to Euclidean length 1; zero stays zero.

    Args:
        vectors: Shape: ``(..., H)``.

    Returns:
        In float32 where ``vectors`` are bfloat16. Shape: ``(..., H)``.
    """
    exact = vectors.float() if vectors.dtype == torch.bfloat16 else vectors
    scaled: Tensor = _UnitLength.apply(exact)  # type: ignore[no-untyped-call]
    return scaled


class _UnitLength(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        """Compute y = x / |x|."""
        lengths = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
        inverse = lengths.clamp_(min=SMALLEST).reciprocal_()
        scaled: Tensor = vectors * inverse
        ctx.save_for_backward(scaled, inverse)
        return scaled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Compute (g - y (y . g)) / |x|."""
        scaled, inverse = ctx.saved_tensors
        along = (gradients[0] * scaled).sum(dim=-1, keepdim=True)
        across: Tensor = torch.addcmul(gradients[0], scaled, along, value=-1.0).mul_(inverse)
        return across
