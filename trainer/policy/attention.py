"""Attention of one query over its pool, by the weights of `nn.MultiheadAttention`.

The module's own forward pass makes a key and a value of every candidate. One query needs neither:
w_k is applied to the query instead, and w_v to the attended mean, which leaves out two of the five
products over the pool. A key's bias moves all scores of a query alike, hence nothing. The backward
pass is written out: autograd's would take thrice as many operations, most of them copies.

Shape legend: B queries, K candidates, H hidden width, n heads, w = H / n.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attend(
    attention: nn.MultiheadAttention,
    query: Tensor,
    pool: Tensor,
    *,
    mask: Tensor | None,
    dropout: float,
) -> Tensor:
    """Let each query attend to its pool, which is both key and value.

    Args:
        attention: The weights.
        query: Shape: ``(B, H)``.
        pool: Shape: ``(B, K, H)``.
        mask: True where there is a candidate; None: everywhere. Shape: ``(B, K)``, bool.
        dropout: of the attention's weights, in [0, 1).

    Returns:
        Shape: ``(B, H)``.
    """
    assert attention.in_proj_weight is not None, "query and pool have one width"
    assert attention.in_proj_bias is not None, "built with a bias"
    shape = (len(query), attention.num_heads, pool.shape[1])
    kept = F.dropout(pool.new_ones(shape), dropout) if dropout else None
    with torch.autocast(pool.device.type, enabled=False):  # the written-out pass knows one type
        values: Tensor = _PoolAttention.apply(  # type: ignore[no-untyped-call]
            query.float() if query.dtype == torch.bfloat16 else query,
            pool.float() if pool.dtype == torch.bfloat16 else pool,
            attention.in_proj_weight,
            attention.in_proj_bias,
            attention.num_heads,
            mask,
            kept,
        )
        attended: Tensor = attention.out_proj(values)
    return attended


class _PoolAttention(torch.autograd.Function):
    """All of it but the output's projection.

    `bmm` throughout: `@` chooses its order of sums by whether a gradient is wanted, and so the last
    bits.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        pool: Tensor,
        weight: Tensor,
        bias: Tensor,
        heads: int,
        mask: Tensor | None,
        kept: Tensor | None,
    ) -> Tensor:
        """Values of all heads side by side. Shape: ``(B, H)``."""
        width = query.shape[1] // heads
        w_q, w_k, w_v = weight.view(3, heads, width, -1)
        b_q, _, b_v = bias.view(3, heads, 1, width)
        queries = torch.baddbmm(b_q, query.expand(heads, -1, -1), w_q.transpose(1, 2))  # (n, B, w)
        asked = queries.bmm(w_k).transpose(0, 1)  # (B, n, H)
        scores = asked.bmm(pool.transpose(1, 2)) * width**-0.5
        if mask is not None:
            scores = scores.masked_fill(~mask.unsqueeze(1), -torch.inf)
        shares = scores.softmax(dim=2)
        weights = shares if kept is None else shares * kept
        mixed = weights.bmm(pool).transpose(0, 1)  # (n, B, H)
        if kept is not None:  # the weights no longer sum to 1, and of b_v only their sum is left
            b_v = weights.sum(dim=2).T.unsqueeze(2) * b_v
        ctx.save_for_backward(query, pool, weight, bias, kept, queries, asked, shares, mixed)
        values: Tensor = mixed.bmm(w_v.transpose(1, 2)) + b_v
        return values.transpose(0, 1).flatten(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of query, pool, weight and bias."""
        query, pool, weight, bias, kept, queries, asked, shares, mixed = ctx.saved_tensors
        heads, _, width = queries.shape
        w_q, w_k, w_v = weight.view(3, heads, width, -1)
        of_values = gradients[0].view(-1, heads, width).transpose(0, 1)  # (n, B, w)
        of_mixed = of_values.bmm(w_v).transpose(0, 1)  # (B, n, H)
        of_weights = of_mixed.bmm(pool.transpose(1, 2))  # (B, n, K)
        weights, of_shares, totals = shares, of_weights, None
        if kept is not None:
            b_v = bias.view(3, heads, 1, width)[2]
            of_weights = of_weights + (of_values * b_v).sum(dim=2).T.unsqueeze(2)
            weights, of_shares = shares * kept, of_weights * kept
            totals = weights.sum(dim=2).T.unsqueeze(2)  # (n, B, 1)
        inner = (of_shares * shares).sum(dim=2, keepdim=True)
        of_scores = (of_shares - inner) * shares * width**-0.5
        of_asked = of_scores.bmm(pool).transpose(0, 1)  # (n, B, H)
        of_queries = of_asked.bmm(w_k.transpose(1, 2))  # (n, B, w)
        of_query = of_pool = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_query = of_queries.bmm(w_q).sum(dim=0)
        if ctx.needs_input_grad[1]:
            of_pool = torch.cat([weights, of_scores], dim=1).transpose(1, 2)
            of_pool = of_pool.bmm(torch.cat([of_mixed, asked], dim=1))
        if ctx.needs_input_grad[2]:
            of_weight = torch.empty_like(weight)
            of_q, of_k, of_v = of_weight.view(3, heads, width, -1)
            torch.bmm(of_queries.transpose(1, 2), query.expand(heads, -1, -1), out=of_q)
            torch.bmm(queries.transpose(1, 2), of_asked, out=of_k)
            torch.bmm(of_values.transpose(1, 2), mixed, out=of_v)
        if ctx.needs_input_grad[3]:
            of_bias = torch.zeros_like(bias)
            of_q, _, of_v = of_bias.view(3, heads, width)
            torch.sum(of_queries, dim=1, out=of_q)
            torch.sum(of_values if totals is None else of_values * totals, dim=1, out=of_v)
        return of_query, of_pool, of_weight, of_bias, None, None, None
