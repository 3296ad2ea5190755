"""The lab's training as one would write it without thinking of speed, to measure and check against.

Every rollout is a row of its own: query and pool are expanded for each and encoded again. Shares no
code with the trainer's policy and losses, so that it is a second opinion on them too.

Shape legend: R rollouts, each with its own query (R, D) and pool (R, K, D), S shots.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.lab.reference_file import ReferenceFile, read_reference
from trainer.tasks import RecordedRollouts

HEAD = ("cross_attn_layers", "attn_norms", "query_update_gate")  # what `freeze: backbone` trains


class PlainSelector(nn.Module):
    """The pointer selector under the names of the lab's tensors."""

    def __init__(self, weights: Mapping[str, Tensor], num_heads: int = 1) -> None:
        super().__init__()
        hidden = weights["query_proj.weight"].shape[0]
        layers = {name.split(".")[1] for name in weights if name.startswith("cross_attn_layers.")}
        self.input_proj: nn.Module = nn.Identity()
        if "input_proj.weight" in weights:
            self.input_proj = nn.Linear(weights["input_proj.weight"].shape[1], hidden, bias=False)
        self.cross_attn_layers = nn.ModuleList(
            nn.MultiheadAttention(hidden, num_heads, batch_first=True) for _ in layers
        )
        self.attn_norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in layers)
        self.query_proj = nn.Linear(hidden, hidden, bias=False)
        self.cand_proj = nn.Linear(hidden, hidden, bias=False)
        self.query_update_gate = None
        if "query_update_gate.weight" in weights:
            self.query_update_gate = nn.Linear(2 * hidden, hidden)
        self.to(weights["query_proj.weight"].dtype)
        self.load_state_dict(dict(weights), strict=True)

    def log_probs(self, queries: Tensor, pools: Tensor, pointers: Tensor) -> Tensor:
        """Log-probability of each rollout. Shape: ``(R,)``."""
        query, pool = self.input_proj(queries)[:, None], self.input_proj(pools)
        for attention, norm in zip(self.cross_attn_layers, self.attn_norms, strict=True):
            query = norm(query + attention(query, pool, pool)[0])
        u = F.normalize(self.query_proj(query[:, 0]), dim=-1)
        v = F.normalize(self.cand_proj(pool), dim=-1)
        taken = torch.zeros(v.shape[:2], dtype=torch.bool)
        total = torch.zeros(len(v), dtype=v.dtype)
        for step in range(pointers.shape[1]):
            logits = torch.einsum("rh,rkh->rk", u, v) / 0.1
            logits = logits.masked_fill(taken, -100.0)
            chosen = pointers[:, step : step + 1]
            total = total + logits.log_softmax(dim=1).gather(1, chosen)[:, 0]
            taken = taken.scatter(1, chosen, True)
            if self.query_update_gate is not None:
                shot = v.gather(1, chosen[:, :, None].expand(-1, -1, v.shape[2]))[:, 0]
                gate = torch.sigmoid(self.query_update_gate(torch.cat([u, shot], dim=1)))
                u = F.normalize(gate * u + (1 - gate) * shot, dim=1)
        return total


def advantages(rewards: Tensor) -> Tensor:
    """z-scores of one query's rewards with the lab's floor and clamp."""
    std = rewards.std().clamp(min=0.1)
    return ((rewards - rewards.mean()) / std).clamp(-5.0, 5.0)


def grpo_loss(new: Tensor, old: Tensor, gains: Tensor, *, kl_beta: float) -> Tensor:
    """The lab's loss of one query's rollouts: one policy is both old and reference."""
    ratio = (new - old).exp()
    ppo = -torch.min(ratio * gains, ratio.clamp(0.8, 1.2) * gains).mean()
    return ppo + kl_beta * (ratio - 1.0 - (new - old)).mean()


def plain_grpo_epoch(
    weights: Mapping[str, Tensor],
    *,
    embeddings: Tensor,
    rollouts: RecordedRollouts,
    rewards: Tensor,
    order: Sequence[int],
    lr: float,
    kl_beta: float,
    freeze: str = "none",
    num_heads: int = 1,
) -> dict[str, Tensor]:
    """Train one epoch of single queries in ``order``; return the weights after it.

    The reference is the policy at the start. ``freeze`` is "none" or "backbone".
    """
    policy = PlainSelector(weights, num_heads)
    reference = copy.deepcopy(policy).requires_grad_(False)
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(freeze == "none" or name.startswith(HEAD))
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.01)
    for query in order:
        begin, end = rollouts.offsets[query].item(), rollouts.offsets[query + 1].item()
        count, size = end - begin, rollouts.pool_sizes[query].item()
        queries = embeddings[rollouts.queries[query]].expand(count, -1)
        pools = embeddings[rollouts.pools[query, :size]].expand(count, -1, -1)
        pointers = rollouts.pointers[begin:end]
        with torch.no_grad():
            old = reference.log_probs(queries, pools, pointers)
        new = policy.log_probs(queries, pools, pointers)
        gains = advantages(rewards[begin:end].to(new.dtype))
        optimizer.zero_grad()
        grpo_loss(new, old, gains, kl_beta=kl_beta).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
    return {name: tensor.detach() for name, tensor in policy.state_dict().items()}


def deviation_from_reference(path: Path) -> float:
    """Largest deviation from a reference file, relative where its numbers exceed 1."""
    file = read_reference(path)
    policy = PlainSelector(file.state_dict, file.config.num_heads)
    reference = PlainSelector(file.reference_state_dict, file.config.num_heads)
    with torch.no_grad():
        old = _log_probs(file, reference)
    pairs = [(old, file.reference_log_probs), (_log_probs(file, policy), file.log_probs)]
    for rce in file.rce:
        weights = (file.rewards / rce.temperature).softmax(dim=1)
        loss = -(weights * _log_probs(file, policy)).sum(dim=1).mean()
        pairs += [(loss, torch.tensor(rce.loss)), *_norms(policy, loss, rce.grad_norms)]
    for grpo in file.grpo:
        order = file.rewards.sort(dim=1, descending=True, stable=True).indices
        used = order[:, : grpo.top_k or order.shape[1]]
        new = _log_probs(file, policy).gather(1, used)
        losses = [
            grpo_loss(new[b], old.gather(1, used)[b], gains, kl_beta=grpo.kl_beta)
            for b, gains in enumerate(map(advantages, file.rewards.gather(1, used)))
        ]
        loss = torch.stack(losses).mean()
        pairs += [(loss, torch.tensor(grpo.loss)), *_norms(policy, loss, grpo.grad_norms)]
    return max(
        float(((ours.detach() - theirs).abs() / theirs.abs().clamp(min=1.0)).max())
        for ours, theirs in pairs
    )


def _log_probs(file: ReferenceFile, policy: PlainSelector) -> Tensor:
    """All rollouts of all queries, each a row. Shape: ``(B, G)``."""
    batch, group = file.pointers.shape[:2]
    return policy.log_probs(
        file.query.repeat_interleave(group, dim=0),
        file.candidates.repeat_interleave(group, dim=0),
        file.pointers.flatten(0, 1),
    ).view(batch, group)


def _norms(
    policy: PlainSelector, loss: Tensor, expected: Mapping[str, float]
) -> list[tuple[Tensor, Tensor]]:
    parameters = dict(policy.named_parameters())
    gradients = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)
    return [
        (gradient.norm(), torch.tensor(expected.get(name, 0.0)))
        for name, gradient in zip(parameters, gradients, strict=True)
    ]
