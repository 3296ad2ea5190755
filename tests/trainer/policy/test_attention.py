import pytest
import torch
from torch import Tensor, nn

from trainer.policy.attention import _PoolAttention, attend

B, K, H = 3, 5, 8
SHORTER = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]).bool()


def module(heads: int) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(H, heads, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for parameter in attention.parameters():  # torch's own biases are zero
            parameter.copy_(torch.randn_like(parameter))
    return attention


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(B, H, dtype=torch.float64, generator=generator, requires_grad=True)
    pool = torch.randn(B, K, H, dtype=torch.float64, generator=generator, requires_grad=True)
    return query, pool


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("mask", [None, SHORTER])
def test_it_is_what_torchs_own_module_computes(heads: int, mask: Tensor | None) -> None:
    attention, (query, pool) = module(heads), inputs()
    ours = attend(attention, query, pool, mask=mask, dropout=0.0)
    absent = None if mask is None else ~mask
    theirs = attention(query[:, None], pool, pool, key_padding_mask=absent)[0][:, 0]
    torch.testing.assert_close(ours, theirs)
    tensors = [query, pool, *attention.parameters()]
    weights = torch.arange(B * H, dtype=torch.float64).view(B, H)
    for mine, other in zip(
        torch.autograd.grad((ours * weights).sum(), tensors),
        torch.autograd.grad((theirs * weights).sum(), tensors),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("mask", [None, SHORTER])
@pytest.mark.parametrize("dropout", [False, True])
def test_gradients_are_those_of_finite_differences(
    heads: int, mask: Tensor | None, dropout: bool
) -> None:
    query, pool = inputs()
    weight, bias = module(heads).in_proj_weight, module(heads).in_proj_bias
    kept = None
    if dropout:
        generator = torch.Generator().manual_seed(2)
        kept = 2.0 * (torch.rand(B, heads, K, generator=generator) > 0.5).double()
    assert torch.autograd.gradcheck(
        lambda *tensors: _PoolAttention.apply(*tensors, heads, mask, kept),  # type: ignore[no-untyped-call]
        (query, pool, weight, bias),
    )


def test_dropout_leaves_out_candidates_and_keeps_the_mean() -> None:
    attention, (query, pool) = module(1), inputs()
    whole = attend(attention, query, pool, mask=None, dropout=0.0)
    torch.manual_seed(0)
    noisy = torch.stack(
        [attend(attention, query, pool, mask=None, dropout=0.3) for _ in range(3000)]
    )
    assert not torch.equal(noisy[0], noisy[1])
    # a share of w is 0 or w / 0.7: the mean of 3,000 deviates by a few hundredths
    assert (noisy.mean(dim=0) - whole).abs().max() < 0.15 * whole.abs().max()


def test_bits_do_not_depend_on_whether_a_gradient_is_wanted() -> None:
    attention = module(1).float()
    query, pool = (tensor.detach().float() for tensor in inputs())
    with torch.no_grad():
        without = attend(attention, query, pool, mask=None, dropout=0.0)
    assert torch.equal(attend(attention, query, pool, mask=None, dropout=0.0), without)


def test_in_bfloat16_the_attention_itself_stays_in_float32() -> None:
    attention = module(1).float()
    query, pool = (tensor.detach().bfloat16() for tensor in inputs())
    with torch.autocast("cpu", torch.bfloat16):
        attended = attend(attention, query, pool, mask=None, dropout=0.0)
    exact = attend(attention, query.float(), pool.float(), mask=None, dropout=0.0)
    assert torch.equal(attended, exact)
