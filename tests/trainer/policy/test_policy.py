"""The pointer selector: by hand, by law, and against torch's own layers; bit by bit."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.errors import InputError, NotFiniteError
from trainer.policy.policy import (
    MASKED_LOGIT,
    Encoded,
    PointerSelector,
    Variant,
    rollout_log_probs,
    step_entropy,
)
from trainer.policy.tensors import tensor_group

WIDTH, HIDDEN, POOL, BATCH = 12, 8, 6, 3
BOTH = pytest.mark.parametrize("variant", ["static", "gated"])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def selector(variant: Variant = "static", **sizes: int) -> PointerSelector:
    policy = PointerSelector(
        **{"width": WIDTH, "hidden_dim": HIDDEN, **sizes}, variant=variant
    ).eval()
    with torch.no_grad():  # away from zero biases and unit norms, so that every tensor matters
        for name, parameter in policy.named_parameters():
            seed = sum(map(ord, name))
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
            parameter.add_(0.3 * noise)
    return policy


def embeddings(batch: int = BATCH, pool: int = POOL, width: int = WIDTH) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, width, generator=generator),
        torch.randn(batch, pool, width, generator=generator),
    )


def orderings(policy: PointerSelector, steps: int = 3) -> tuple[Encoded, Tensor]:
    """Encoded queries and four rollouts of each, without repeats."""
    encoded = policy.encode(*embeddings())
    generator = torch.Generator().manual_seed(2)
    order = torch.rand(BATCH, 4, POOL, generator=generator).argsort(dim=2)
    return encoded, order[:, :, :steps]


# ---- names and shapes


def test_the_static_policy_of_the_lab_has_its_parameters() -> None:
    policy = PointerSelector(width=512, hidden_dim=256)
    sizes = {name: parameter.numel() for name, parameter in policy.named_parameters()}
    head = sum(n for name, n in sizes.items() if name.startswith(("cross_attn", "attn_norms")))
    # 512 x 256 + 3 x 256 x 256 + 3 x 256 + 256 x 256 + 256 + 2 x 256 + 2 x 256 x 256
    assert (sum(sizes.values()), head) == (525_824, 263_680)


def test_the_gated_policy_of_the_lab_has_its_parameters() -> None:
    policy = PointerSelector(width=512, hidden_dim=256, variant="gated")
    assert sum(parameter.numel() for parameter in policy.parameters()) == 657_152


def test_names_and_shapes_are_those_of_the_checkpoints() -> None:
    shapes = {name: tuple(t.shape) for name, t in selector("gated").state_dict().items()}
    assert shapes == {
        "input_proj.weight": (8, 12),
        "cross_attn_layers.0.in_proj_weight": (24, 8),
        "cross_attn_layers.0.in_proj_bias": (24,),
        "cross_attn_layers.0.out_proj.weight": (8, 8),
        "cross_attn_layers.0.out_proj.bias": (8,),
        "attn_norms.0.weight": (8,),
        "attn_norms.0.bias": (8,),
        "query_proj.weight": (8, 8),
        "cand_proj.weight": (8, 8),
        "query_update_gate.weight": (8, 16),
        "query_update_gate.bias": (8,),
    }


def test_there_is_no_input_projection_where_the_widths_are_equal() -> None:
    assert "input_proj.weight" not in selector(width=HIDDEN).state_dict()


def test_a_tensor_belongs_to_the_group_before_its_first_dot() -> None:
    assert tensor_group("cross_attn_layers.0.out_proj.bias") == "cross_attn_layers"


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_heads": 3}, "`num_heads` 3 must divide `hidden_dim` 8"),
        ({"width": 0, "num_layers": 0}, "`width` must be >= 1, but got 0; `num_layers`"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        selector(**sizes)


# ---- initial values


@BOTH
def test_building_and_initialising_leave_the_global_generator_alone(variant: Variant) -> None:
    before = torch.get_rng_state()
    PointerSelector(width=WIDTH, hidden_dim=HIDDEN, variant=variant).initialise(7)
    assert torch.equal(torch.get_rng_state(), before)


@BOTH
def test_equal_seeds_give_equal_bits_and_others_do_not(variant: Variant) -> None:
    policies = [PointerSelector(width=WIDTH, hidden_dim=HIDDEN, variant=variant) for _ in "abc"]
    for policy, seed in zip(policies, (5, 5, 6), strict=True):
        policy.initialise(seed)
    first, again, other = (policy.state_dict() for policy in policies)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["input_proj.weight"], other["input_proj.weight"])


def test_an_untrained_policy_starts_near_the_identity_with_neutral_norms() -> None:
    policy = PointerSelector(width=WIDTH, hidden_dim=HIDDEN, variant="gated")
    policy.initialise(3)
    state = policy.state_dict()
    torch.testing.assert_close(state["query_proj.weight"], torch.eye(HIDDEN), atol=0.06, rtol=0.0)
    assert not torch.equal(state["query_proj.weight"], state["cand_proj.weight"])
    assert torch.equal(state["attn_norms.0.weight"], torch.ones(HIDDEN))
    assert all(not tensor.any() for name, tensor in state.items() if name.endswith("bias"))
    # xavier-uniform: bound sqrt(6 / (fan in + fan out))
    largest = {name: float(tensor.abs().max()) for name, tensor in state.items()}
    bound = math.sqrt(6 / (WIDTH + HIDDEN))
    assert 0.8 * bound < largest["input_proj.weight"] <= bound
    gate_bound = 0.1 * math.sqrt(6 / (3 * HIDDEN))
    assert 0.8 * gate_bound < largest["query_update_gate.weight"] <= gate_bound


# ---- encoding and logits


@pytest.mark.parametrize("layers", [1, 2])
def test_encoding_is_attention_plus_query_normed_layer_by_layer(layers: int) -> None:
    policy = selector(num_layers=layers, num_heads=2)
    state = policy.state_dict()
    queries, candidates = embeddings()
    query = (queries @ state["input_proj.weight"].T)[:, None]
    pool = candidates @ state["input_proj.weight"].T
    for layer in range(layers):
        attention = nn.MultiheadAttention(HIDDEN, 2, batch_first=True)
        prefix = f"cross_attn_layers.{layer}."
        attention.load_state_dict(
            {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
        )
        query = query + attention(query, pool, pool)[0]
        query = F.layer_norm(
            query,
            (HIDDEN,),
            state[f"attn_norms.{layer}.weight"],
            state[f"attn_norms.{layer}.bias"],
        )
    encoded = policy.encode(queries, candidates)
    expected = F.normalize(query[:, 0] @ state["query_proj.weight"].T, dim=1)
    torch.testing.assert_close(encoded.queries, expected)
    torch.testing.assert_close(
        encoded.candidates, F.normalize(pool @ state["cand_proj.weight"].T, dim=2)
    )


def test_logits_are_cosines_over_a_tenth_and_taken_candidates_get_minus_a_hundred() -> None:
    encoded = Encoded(
        torch.tensor([[1.0, 0.0]]), torch.tensor([[[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]])
    )
    logits = selector().step_logits(encoded, torch.tensor([[[0, 2]]]))
    # cosines 1, 0.6, 0; at step 2 candidate 0 is taken
    torch.testing.assert_close(logits, torch.tensor([[[[10.0, 6.0, 0.0], [-100.0, 6.0, 0.0]]]]))


def test_the_gate_mixes_the_chosen_candidate_into_the_query() -> None:
    policy = PointerSelector(width=2, hidden_dim=2, variant="gated")
    with torch.no_grad():
        policy.query_update_gate.weight.zero_()  # type: ignore[union-attr]
        policy.query_update_gate.bias.fill_(math.log(3.0))  # type: ignore[union-attr]
    encoded = Encoded(torch.tensor([[1.0, 0.0]]), torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]))
    logits = policy.step_logits(encoded, torch.tensor([[[0, 1]]]))
    # gate sigmoid(log 3) = 3/4; query (3/4, 1/4) of length sqrt(10)/4, so cosine 3/sqrt(10)
    expected = torch.tensor([[[[0.0, 10.0], [-100.0, 30.0 / math.sqrt(10.0)]]]])
    torch.testing.assert_close(logits, expected)


def test_a_gated_policy_whose_gate_is_open_is_the_static_one() -> None:
    static, gated = selector(), PointerSelector(width=WIDTH, hidden_dim=HIDDEN, variant="gated")
    gate = {"query_update_gate.weight": torch.zeros(8, 16)}
    gate["query_update_gate.bias"] = torch.full((8,), 30.0)
    gated.load_state_dict({**static.state_dict(), **gate})
    encoded, pointers = orderings(static)
    torch.testing.assert_close(
        gated.step_logits(encoded, pointers),
        static.step_logits(encoded, pointers),
        atol=1e-5,
        rtol=0.0,
    )


@BOTH
def test_a_rollout_is_scored_alike_alone_and_among_others(variant: Variant) -> None:
    policy = selector(variant)
    encoded, pointers = orderings(policy)
    together = policy.step_logits(encoded, pointers)
    alone = torch.cat(
        [policy.step_logits(encoded, pointers[:, g : g + 1]) for g in range(4)], dim=1
    )
    torch.testing.assert_close(together, alone)


@BOTH
def test_logits_follow_a_permutation_of_the_pool(variant: Variant) -> None:
    policy = selector(variant)
    queries, candidates = embeddings()
    _, pointers = orderings(policy)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    moved = order.argsort()[pointers]  # where the same candidates stand now
    before = policy.step_logits(policy.encode(queries, candidates), pointers)
    after = policy.step_logits(policy.encode(queries, candidates[:, order]), moved)
    torch.testing.assert_close(after, before[..., order], atol=1e-5, rtol=1e-5)


def test_only_the_gated_query_depends_on_what_was_chosen() -> None:
    first_shots = torch.tensor([[[0, 5], [1, 5]]]).expand(BATCH, -1, -1)
    for variant, depends in (("static", False), ("gated", True)):
        policy = selector(variant)  # type: ignore[arg-type]
        logits = policy.step_logits(policy.encode(*embeddings()), first_shots)
        assert torch.equal(logits[:, 0, 1, 2:], logits[:, 1, 1, 2:]) is not depends


@BOTH
def test_encoding_happens_once_a_query_whatever_the_number_of_rollouts(variant: Variant) -> None:
    policy = selector(variant)
    calls: list[int] = []
    policy.cand_proj.register_forward_hook(lambda *_: calls.append(1))
    encoded = policy.encode(*embeddings())
    policy.roll_out(encoded, steps=4, rollouts=16, generator=torch.Generator().manual_seed(0))
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("queries", "candidates"), [((3, 11), (3, 6, 11)), ((3, 12), (2, 6, 12)), ((12,), (3, 6, 12))]
)
def test_embeddings_of_another_shape_are_refused(
    queries: tuple[int, ...], candidates: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"needs queries \(B, 12\) and candidates \(B, K, 12\)"):
        selector().encode(torch.zeros(queries), torch.zeros(candidates))


# ---- roll-outs


@BOTH
def test_greedy_takes_the_highest_logit_at_every_step(variant: Variant) -> None:
    policy = selector(variant)
    encoded = policy.encode(*embeddings())
    pointers = policy.roll_out(encoded, steps=4).pointers
    assert torch.equal(policy.step_logits(encoded, pointers).argmax(dim=3), pointers)


def test_greedy_takes_the_first_of_equal_candidates() -> None:
    encoded = Encoded(torch.ones(1, 2), torch.ones(1, 4, 2))
    assert selector().roll_out(encoded, steps=3).pointers.tolist() == [[[0, 1, 2]]]


@BOTH
def test_greedy_selections_of_fewer_shots_are_prefixes(variant: Variant) -> None:
    policy = selector(variant)
    encoded = policy.encode(*embeddings())
    four = policy.roll_out(encoded, steps=4).pointers
    for steps in (1, 2, 3):
        assert torch.equal(policy.roll_out(encoded, steps=steps).pointers, four[:, :, :steps])


@BOTH
def test_sampling_never_repeats_a_candidate_even_when_the_whole_pool_is_chosen(
    variant: Variant,
) -> None:
    policy = selector(variant)
    rolled = policy.roll_out(
        policy.encode(*embeddings()),
        steps=POOL,
        rollouts=200,
        generator=torch.Generator().manual_seed(0),
    )
    assert rolled.pointers.dtype == torch.int64
    assert torch.equal(
        rolled.pointers.sort(dim=2).values, torch.arange(POOL).expand(BATCH, 200, POOL)
    )


@pytest.mark.parametrize("seed", [None, 0])
def test_a_taken_candidate_is_not_chosen_again_however_low_the_others_are(
    seed: int | None,
) -> None:
    # longer than encoding ever makes them: logits -100 before, -100 and -101 after the first choice
    encoded = Encoded(torch.tensor([[1.0, 0.0]]), torch.tensor([[[-10.0, 0.0], [-10.1, 0.0]]]))
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    rolled = selector().roll_out(encoded, steps=2, rollouts=200, generator=generator)
    assert (rolled.pointers.sum(dim=2) == 1).all()


def test_samples_follow_the_softmax() -> None:
    # logits 0 and log 3: the second is drawn three times out of four
    encoded = Encoded(
        torch.tensor([[1.0, 0.0]]), torch.tensor([[[0.0, 1.0], [0.1 * math.log(3.0), 0.994]]])
    )
    rolled = selector().roll_out(
        encoded, steps=1, rollouts=20_000, generator=torch.Generator().manual_seed(0)
    )
    # standard error sqrt(3/16 / 20000) = 0.003
    assert rolled.pointers.double().mean().item() == pytest.approx(0.75, abs=0.015)
    probabilities = sorted(set(rolled.log_probs.exp().flatten().tolist()))
    assert probabilities == pytest.approx([0.25, 0.75], abs=1e-4)


@BOTH
def test_sampled_log_probabilities_equal_the_teacher_forced_ones_to_the_bit(
    variant: Variant,
) -> None:
    policy = selector(variant).train()  # the ratio of the first step must be exactly 1
    queries, candidates = embeddings()
    with torch.no_grad():
        rolled = policy.roll_out(
            policy.encode(queries, candidates),
            steps=4,
            rollouts=5,
            generator=torch.Generator().manual_seed(0),
        )
    logits = policy.step_logits(policy.encode(queries, candidates), rolled.pointers)
    assert torch.equal(rollout_log_probs(logits, rolled.pointers), rolled.log_probs)


@BOTH
def test_probabilities_of_all_orderings_sum_to_one(variant: Variant) -> None:
    policy = selector(variant)
    encoded = policy.encode(*embeddings(batch=1, pool=4))
    pairs = torch.tensor([[[i, j] for i in range(4) for j in range(4) if i != j]])
    log_probs = rollout_log_probs(policy.step_logits(encoded, pairs), pairs)
    assert log_probs.exp().sum().item() == pytest.approx(1.0, abs=1e-5)


@BOTH
def test_rolling_out_twice_gives_the_same_bits(variant: Variant) -> None:
    def roll() -> tuple[Tensor, Tensor]:
        policy = selector(variant)
        generator = torch.Generator().manual_seed(9)
        return policy.roll_out(
            policy.encode(*embeddings()), steps=3, rollouts=7, generator=generator
        )

    (pointers, log_probs), (pointers_again, log_probs_again) = roll(), roll()
    assert torch.equal(pointers, pointers_again)
    assert torch.equal(log_probs, log_probs_again)


def test_rolling_out_with_a_generator_leaves_the_global_one_alone() -> None:
    policy, before = selector(), torch.get_rng_state()
    policy.roll_out(
        policy.encode(*embeddings()), steps=2, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("steps", [0, POOL + 1])
def test_a_pool_smaller_than_the_shots_is_an_error(steps: int) -> None:
    policy = selector()
    with pytest.raises(ValueError, match=f"cannot choose {steps} shots from a pool of 6"):
        policy.roll_out(policy.encode(*embeddings()), steps=steps)


def test_a_policy_gone_nan_does_not_choose() -> None:
    encoded = Encoded(torch.full((1, 2), math.nan), torch.ones(1, 3, 2))
    with pytest.raises(NotFiniteError, match="a logit of step 1 is NaN"):
        selector().roll_out(encoded, steps=2)


# ---- log-probabilities and entropy


def test_log_probability_of_a_rollout_is_the_sum_over_its_steps() -> None:
    logits = torch.tensor([[[[0.0, math.log(3.0)], [0.0, 0.0]]]])
    # 3/4 at the first step, 1/2 at the second
    log_prob = rollout_log_probs(logits, torch.tensor([[[1, 0]]]))
    assert log_prob.item() == pytest.approx(math.log(3 / 8), abs=1e-6)


def test_entropy_of_a_uniform_choice_is_log_k_and_of_a_sure_one_zero() -> None:
    logits = torch.tensor([[[[0.0, 0.0, 0.0, 0.0], [0.0, MASKED_LOGIT, MASKED_LOGIT, -90.0]]]])
    entropy = step_entropy(logits)
    torch.testing.assert_close(entropy, torch.tensor([[[math.log(4.0), 0.0]]]), atol=1e-6, rtol=0.0)


# ---- dropout


@BOTH
def test_dropout_acts_in_training_mode_only_and_draws_from_the_global_generator(
    variant: Variant,
) -> None:
    policy = selector(variant)
    policy.set_dropout(projection=0.5, attention=0.1)
    clean = policy.encode(*embeddings()).queries
    policy.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noisy = policy.encode(*embeddings()).queries
        torch.manual_seed(0)
        again = policy.encode(*embeddings()).queries
        other = policy.encode(*embeddings()).queries
    assert torch.equal(noisy, again)
    assert not torch.equal(noisy, other)
    assert not torch.equal(noisy, clean)
    assert torch.equal(policy.eval().encode(*embeddings()).queries, clean)


def test_static_dropout_zeroes_the_projections_outputs_and_gated_their_inputs() -> None:
    for variant, zeroes_outputs in (("static", True), ("gated", False)):
        policy = selector(variant).train()  # type: ignore[arg-type]
        policy.set_dropout(projection=0.5, attention=0.0)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            encoded = policy.encode(*embeddings())
        for outputs in encoded[:2]:
            assert bool((outputs == 0).any()) is zeroes_outputs


@pytest.mark.parametrize("layer", [0, 1])
def test_attention_dropout_reaches_every_layer(layer: int) -> None:
    policy = selector(num_layers=2).train()
    policy.set_dropout(projection=0.0, attention=0.9)
    with torch.no_grad():  # only this layer's attention is left to act
        for index, attention in enumerate(policy.cross_attn_layers):
            if index != layer:
                attention.out_proj.weight.zero_()  # type: ignore[union-attr, operator]
    clean = policy.eval().encode(*embeddings())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noisy = policy.train().encode(*embeddings())
    assert not torch.allclose(noisy.queries, clean.queries)
    assert torch.equal(noisy.candidates, clean.candidates)


def test_training_without_dropout_draws_nothing() -> None:
    policy, before = selector("gated").train(), torch.get_rng_state()
    policy.encode(*embeddings()).queries.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_dropout_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"`attention` must be in \[0, 1\)"):
        selector().set_dropout(projection=0.0, attention=share)


# ---- from tensors


@BOTH
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("width", [HIDDEN, WIDTH])
def test_a_policy_is_rebuilt_from_its_tensors(variant: Variant, layers: int, width: int) -> None:
    policy = selector(variant, width=width, num_layers=layers, num_heads=2)
    rebuilt = PointerSelector.from_state_dict(policy.state_dict(), num_heads=2).eval()
    assert (rebuilt.width, rebuilt.variant) == (width, variant)
    inputs = embeddings(width=width)
    for ours, theirs in zip(rebuilt.encode(*inputs)[:2], policy.encode(*inputs)[:2], strict=True):
        assert torch.equal(ours, theirs)


def test_a_rebuilt_policy_does_not_share_memory_with_the_tensors() -> None:
    state = selector().state_dict()
    rebuilt = PointerSelector.from_state_dict(state)
    state["query_proj.weight"].zero_()
    assert rebuilt.query_proj.weight.any()


def test_every_tensor_that_does_not_fit_is_named() -> None:
    state = selector().state_dict()
    del state["attn_norms.0.bias"]
    state["decoder_gru.weight_ih"] = torch.zeros(3)
    state["cand_proj.weight"] = torch.zeros(8, 9)
    state["cross_attn_layers.0.in_proj_bias"] = torch.full((24,), math.nan)
    with pytest.raises(InputError) as caught:
        PointerSelector.from_state_dict(state)
    assert str(caught.value) == (
        "these are not the tensors of a static pointer selector with H = 8:"
        " attn_norms.0.bias is missing;"
        " cross_attn_layers.0.in_proj_bias holds values that are not finite numbers"
        " (torch.float32);"
        " cand_proj.weight has shape (8, 9) instead of (8, 8);"
        " decoder_gru.weight_ih is not known"
    )


def test_the_names_before_the_layers_were_numbered_are_not_accepted_in_silence() -> None:
    state = {
        name.replace("cross_attn_layers.0", "cross_attn"): tensor
        for name, tensor in selector().state_dict().items()
    }
    with pytest.raises(InputError, match=r"in_proj_weight is missing.*cross_attn\.in_proj_weight"):
        PointerSelector.from_state_dict(state)


def test_a_gap_in_the_layers_is_an_error() -> None:
    state = {
        name.replace("attn_layers.1", "attn_layers.2"): tensor
        for name, tensor in selector(num_layers=2).state_dict().items()
    }
    with pytest.raises(InputError, match=r"cross_attn_layers\.1\.in_proj_weight is missing"):
        PointerSelector.from_state_dict(state)


def test_half_a_gate_is_an_error() -> None:
    state = selector("gated").state_dict()
    del state["query_update_gate.bias"]
    with pytest.raises(InputError, match=r"query_update_gate\.bias is missing"):
        PointerSelector.from_state_dict(state)


@pytest.mark.parametrize("state", [{}, {"query_proj.weight": torch.zeros(2, 3)}])
def test_tensors_of_something_else_are_refused(state: dict[str, Tensor]) -> None:
    with pytest.raises(InputError, match=r"needs query_proj.weight of shape \(H, H\)"):
        PointerSelector.from_state_dict(state)


def test_integers_are_not_weights() -> None:
    state = selector().state_dict()
    state["query_proj.weight"] = torch.eye(8, dtype=torch.int64)
    with pytest.raises(InputError, match=r"query_proj\.weight holds values .* \(torch\.int64\)"):
        PointerSelector.from_state_dict(state)
