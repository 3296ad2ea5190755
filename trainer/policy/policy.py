"""The pointer selector: scores the candidates of a query and chooses shots one after another.

Decides how a query and its pool become logits, and how logits become shots. Knows no rewards, no
files, no training. Names and shapes of the tensors are those of the lab's checkpoints.

A query attends to its pool, both sides are projected to unit length, and a candidate's logit is
their cosine over a temperature; a candidate that was chosen keeps a place in the softmax, at a
logit that makes it all but impossible. "static": the query is the same at every step. "gated":
after each choice a gate mixes the chosen candidate into the query.

Shape legend: B queries, G rollouts of a query, S shots, K candidates, D width of an embedding,
H hidden width, L layers.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.errors import InputError, NotFiniteError
from trainer.policy.attention import attend
from trainer.policy.tensors import check_sizes, hidden_width, initial_value, misfits, tensor_group
from trainer.policy.unit_length import unit_length

Variant = Literal["static", "gated"]

TEMPERATURE = 0.1  # of the cosine: logits lie in [-10, 10]
MASKED_LOGIT = -100.0  # of a candidate that was chosen before; finite, as in the lab's code
ABSENT_LOGIT = -1e9  # where a pool is shorter than the longest; finite, so that 0 * it is 0
PROJECTED_ROWS = 65536  # projected at once: bounds memory


class Encoded(NamedTuple):
    """Queries and pools in the space where they are compared."""

    queries: Tensor  # of unit length. Shape: (B, H)
    candidates: Tensor  # of unit length. Shape: (B, K, H)
    mask: Tensor | None = None  # True where there is a candidate; None: everywhere. Shape: (B, K)


class Projected(NamedTuple):
    """What frozen projections make of every row of the embedding matrix."""

    hidden: Tensor  # by input_proj. Shape: (N, H)
    candidates: Tensor | None
    """By cand_proj after it, of unit length unless dropout comes before that; None where it comes
    before cand_proj. Shape: (N, H)"""


class RollOut(NamedTuple):
    """Shots chosen by the policy."""

    pointers: Tensor  # local indices in the order chosen. Shape: (B, G, S), int64
    log_probs: Tensor  # of the whole rollout, in nats, without gradient. Shape: (B, G)


# What is chosen at a step, from the logits and the candidates taken before, both (B, G, K).
_Choose = Callable[[int, Tensor, Tensor], Tensor]


class PointerSelector(nn.Module):
    """Cross-attention of a query over its pool, then a pointer at one candidate a step."""

    def __init__(
        self,
        *,
        width: int,
        hidden_dim: int = 64,
        num_layers: int = 1,
        num_heads: int = 1,
        variant: Variant = "static",
    ) -> None:
        """Build the policy with the parameters of seed 0; see ``initialise``.

        Args:
            width: D, of the embeddings. There is no `input_proj` where it equals ``hidden_dim``.
            hidden_dim: H.
            num_layers: L, layers of cross-attention.
            num_heads: heads of each; must divide ``hidden_dim``.
            variant: "static", or "gated" with a query that changes after each choice.

        Raises:
            ValueError: where a size is not positive or the heads do not divide ``hidden_dim``.
        """
        super().__init__()
        check_sizes(width, hidden_dim, num_layers, num_heads)
        self.width = width
        self.variant = variant
        self.projection_dropout = 0.0
        with torch.random.fork_rng(devices=()):  # torch's initialisation moves the global generator
            self.input_proj = (
                nn.Identity() if width == hidden_dim else nn.Linear(width, hidden_dim, bias=False)
            )
            self.cross_attn_layers = nn.ModuleList(
                nn.MultiheadAttention(hidden_dim, num_heads, batch_first=True)
                for _ in range(num_layers)
            )
            self.attn_norms = nn.ModuleList(nn.LayerNorm(hidden_dim) for _ in range(num_layers))
            self.query_proj = nn.Linear(hidden_dim, hidden_dim, bias=False)
            self.cand_proj = nn.Linear(hidden_dim, hidden_dim, bias=False)
            self.query_update_gate = (
                nn.Linear(2 * hidden_dim, hidden_dim) if variant == "gated" else None
            )
        self.initialise(0)

    @classmethod
    def from_state_dict(
        cls, state_dict: Mapping[str, Tensor], *, num_heads: int = 1
    ) -> "PointerSelector":
        """Build the policy whose tensors these are; variant, D, H and L are read off them.

        Strict: a tensor that is missing, not known, of another shape or not finite is an error,
        since a policy that lost some of its tensors still answers, and answers wrongly.

        Args:
            state_dict: tensors under the names of the lab's checkpoints, without prefix.
            num_heads: heads of the attention, which leave no trace in the tensors.

        Raises:
            InputError: names every tensor that does not fit.
            ValueError: where ``num_heads`` does not divide H.
        """
        shapes = {name: tuple(tensor.shape) for name, tensor in state_dict.items()}
        hidden = hidden_width(shapes)
        projection = shapes.get("input_proj.weight", (hidden, hidden))
        groups = {tensor_group(name) for name in shapes}
        layers = {name.split(".")[1] for name in shapes if name.startswith("cross_attn_layers.")}
        width = projection[-1] if projection else hidden
        if min(width, hidden) < 1:
            raise InputError(f"tensors of no size: embeddings are {width} wide, H = {hidden}")
        policy = cls(
            width=width,
            hidden_dim=hidden,
            num_layers=max(1, len(layers)),
            num_heads=num_heads,
            variant="gated" if "query_update_gate" in groups else "static",
        )
        problems = misfits(state_dict, policy.state_dict())
        if problems:
            raise InputError(
                f"these are not the tensors of a {policy.variant} pointer selector with"
                f" H = {hidden}: " + "; ".join(problems)
            )
        policy.load_state_dict(dict(state_dict), strict=True)
        return policy

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Set every parameter from ``seed``: the same on every device, no global generator used.

        Xavier-uniform matrices and zero biases; the two projections near the identity, so that an
        untrained policy compares embeddings; norms that only normalise; a gate that is half open.
        """
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            parameter.copy_(initial_value(name, parameter.shape, generator))

    def set_dropout(self, *, projection: float, attention: float) -> None:
        """Set the dropout of training mode, drawn from torch's global generator.

        Args:
            projection: of both projections' outputs ("static") or inputs ("gated"), in [0, 1).
            attention: of the attention's weights, in [0, 1).

        Raises:
            ValueError: where a share lies outside [0, 1).
        """
        for name, share in (("projection", projection), ("attention", attention)):
            if not 0.0 <= share < 1.0:
                raise ValueError(f"`{name}` must be in [0, 1), but got {share!r}")
        self.projection_dropout = projection
        for layer in self.cross_attn_layers:
            assert isinstance(layer, nn.MultiheadAttention)
            layer.dropout = attention

    def encode(self, queries: Tensor, candidates: Tensor, *, mask: Tensor | None = None) -> Encoded:
        """Encode each query and its pool, once for all of its rollouts.

        Args:
            queries: Embeddings. Shape: ``(B, D)``.
            candidates: Embeddings. Shape: ``(B, K, D)``.
            mask: True where a pool has a candidate, False where it is shorter than the longest
                (then those embeddings do not matter); None where all pools are full. Shape:
                ``(B, K)``, bool.

        Raises:
            ValueError: where the shapes do not fit each other or this policy's D.
        """
        if (
            queries.ndim != 2
            or candidates.ndim != 3
            or (
                queries.shape != (candidates.shape[0], self.width)
                or candidates.shape[2] != self.width
            )
        ):
            raise ValueError(
                f"needs queries (B, {self.width}) and candidates (B, K, {self.width}), but got"
                f" {tuple(queries.shape)} and {tuple(candidates.shape)}"
            )
        pool = self.input_proj(candidates)
        return self._encode(self.input_proj(queries), pool, None, mask)

    @torch.no_grad()
    def project(self, embeddings: Tensor) -> Projected:
        """Compute what the projections make of every row, for as long as they are frozen.

        Args:
            embeddings: Shape: ``(N, D)``.
        """
        hidden = torch.cat(
            [self.input_proj(part) for part in torch.split(embeddings, PROJECTED_ROWS)]
        )
        if self.variant == "gated":  # its dropout comes before the projection
            return Projected(hidden, None)
        candidates = torch.cat(
            [self.cand_proj(part) for part in torch.split(hidden, PROJECTED_ROWS)]
        )
        if self.projection_dropout == 0.0:
            candidates = unit_length(candidates)
        return Projected(hidden, candidates)

    def encode_projected(
        self, projected: Projected, queries: Tensor, pools: Tensor, *, mask: Tensor | None = None
    ) -> Encoded:
        """As ``encode``, from rows of which the projections were computed before.

        Args:
            projected: of all rows, by these very projections.
            queries: Global ids. Shape: ``(B,)``.
            pools: Global ids. Shape: ``(B, K)``.
            mask: as for ``encode``.
        """
        hidden, made = projected  # `embedding` looks rows up thrice as fast as an index does
        candidates = None if made is None else F.embedding(pools, made)
        return self._encode(
            F.embedding(queries, hidden), F.embedding(pools, hidden), candidates, mask
        )

    def _encode(
        self, query: Tensor, pool: Tensor, candidates: Tensor | None, mask: Tensor | None
    ) -> Encoded:
        """From hidden queries (B, H) and pools (B, K, H); ``candidates``: `cand_proj` of these."""
        for attention, norm in zip(self.cross_attn_layers, self.attn_norms, strict=True):
            assert isinstance(attention, nn.MultiheadAttention)
            dropout = attention.dropout if self.training else 0.0
            query = norm(query + attend(attention, query, pool, mask=mask, dropout=dropout))
        return Encoded(
            queries=self._normalise(self.query_proj, query),
            candidates=self._candidates(pool, candidates),
            mask=mask,
        )

    def _candidates(self, pool: Tensor, projected: Tensor | None) -> Tensor:
        if projected is None:
            return self._normalise(self.cand_proj, pool)
        if self.projection_dropout == 0.0:
            return projected
        return unit_length(self._drop(projected))

    def step_logits(self, encoded: Encoded, pointers: Tensor) -> Tensor:
        """Logits of every step, given that the shots before it were those of ``pointers``.

        Args:
            encoded: of the queries.
            pointers: Local indices. Shape: ``(B, G, S)``, int64.

        Returns:
            Logits in [-10, 10], or -100 for a candidate chosen before. Shape: ``(B, G, S, K)``.

        Raises:
            ValueError: where the pool has fewer than S candidates.
        """
        _, rollouts, steps = pointers.shape

        def teacher(step: int, logits: Tensor, taken: Tensor) -> Tensor:
            return pointers[:, :, step]

        return self._decode(encoded, steps=steps, rollouts=rollouts, choose=teacher)[1]

    @torch.no_grad()
    def roll_out(
        self,
        encoded: Encoded,
        *,
        steps: int,
        rollouts: int = 1,
        generator: torch.Generator | None = None,
    ) -> RollOut:
        """Choose ``steps`` different candidates for each query, one after another.

        Args:
            encoded: of the queries.
            steps: S, number of shots.
            rollouts: G, of each query; all equal without a generator.
            generator: draws from the softmax, on the device of ``encoded``; None takes the
                candidate of highest logit, the first one on ties.

        Raises:
            ValueError: where the pool has fewer than ``steps`` candidates, or ``steps`` < 1.
            NotFiniteError: where a logit is NaN.
        """

        def choose(step: int, logits: Tensor, taken: Tensor) -> Tensor:
            if logits.isnan().any():
                raise NotFiniteError(f"a logit of step {step + 1} is NaN: no shot can be chosen")
            allowed = logits.masked_fill(taken, -torch.inf)  # exp(-90) is a positive float32
            return allowed.argmax(dim=2) if generator is None else _draw(allowed, generator)

        pointers, logits = self._decode(encoded, steps=steps, rollouts=rollouts, choose=choose)
        return RollOut(pointers, rollout_log_probs(logits, pointers))

    def _normalise(self, projection: nn.Linear, hidden: Tensor) -> Tensor:
        if self.variant == "gated":
            return unit_length(projection(self._drop(hidden)))
        return unit_length(self._drop(projection(hidden)))

    def _drop(self, hidden: Tensor) -> Tensor:
        if not self.training or self.projection_dropout == 0.0:
            return hidden  # must not move the global generator
        return F.dropout(hidden, self.projection_dropout)

    def _decode(
        self, encoded: Encoded, *, steps: int, rollouts: int, choose: _Choose
    ) -> tuple[Tensor, Tensor]:
        """Walk through the steps: pointers (B, G, S) and logits (B, G, S, K)."""
        batch, pool, _ = encoded.candidates.shape
        smallest = pool if encoded.mask is None else int(encoded.mask.sum(dim=1).min())
        if not 1 <= steps <= smallest:
            raise ValueError(f"cannot choose {steps} shots from a pool of {smallest} candidates")
        positions = torch.arange(pool, device=encoded.candidates.device)
        taken = torch.zeros(batch, rollouts, pool, dtype=torch.bool, device=positions.device)
        query = encoded.queries.unsqueeze(1)  # (B, 1, H) for as long as rollouts share it
        all_pointers, all_logits = [], []
        logits = self._logits(query, encoded).expand(-1, rollouts, -1)
        for step in range(steps):
            if step > 0:
                if self.query_update_gate is not None:
                    logits = self._logits(query, encoded)
                logits = logits.masked_fill(taken, MASKED_LOGIT)
            pointers = choose(step, logits, taken)
            all_pointers.append(pointers)
            all_logits.append(logits)
            if step + 1 < steps:
                chosen = pointers.unsqueeze(2) == positions
                taken = taken | chosen
                query = self._update(query, chosen, encoded.candidates)
        return torch.stack(all_pointers, dim=2), torch.stack(all_logits, dim=2)

    def _logits(self, query: Tensor, encoded: Encoded) -> Tensor:
        """Logits of every candidate as if none was chosen: (B, G, H) to (B, G, K)."""
        logits = query @ encoded.candidates.transpose(1, 2) / TEMPERATURE
        if encoded.mask is None:
            return logits
        return logits.masked_fill(~encoded.mask.unsqueeze(1), ABSENT_LOGIT)

    def _update(self, query: Tensor, chosen: Tensor, candidates: Tensor) -> Tensor:
        """Mix the chosen candidate, of ``chosen`` (B, G, K), into the query: (B, G, H)."""
        if self.query_update_gate is None:
            return query
        # A product, not `gather`: on CUDA the backward pass of `gather` adds in no fixed order.
        shot = chosen.to(candidates.dtype) @ candidates
        query = query.expand_as(shot)
        gate = torch.sigmoid(self.query_update_gate(torch.cat([query, shot], dim=2)))
        return unit_length(gate * query + (1.0 - gate) * shot)


def rollout_log_probs(logits: Tensor, pointers: Tensor) -> Tensor:
    """Log-probability of each rollout: the sum over its steps.

    Args:
        logits: of every step. Shape: ``(B, G, S, K)``.
        pointers: Local indices. Shape: ``(B, G, S)``, int64.

    Returns:
        Nats, at most 0. Shape: ``(B, G)``.
    """
    log_probs = logits.log_softmax(dim=3)
    return log_probs.gather(3, pointers.unsqueeze(3)).squeeze(3).sum(dim=2)


def step_entropy(logits: Tensor) -> Tensor:
    """Entropy of the choice at every step, in nats; log K at most.

    Args:
        logits: of every step. Shape: ``(B, G, S, K)``.

    Returns:
        Shape: ``(B, G, S)``.
    """
    log_probs = logits.log_softmax(dim=3)
    return -(log_probs.exp() * log_probs).sum(dim=3)


def _draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    weights = logits.softmax(dim=2).flatten(0, 1)
    return torch.multinomial(weights, 1, generator=generator).view(logits.shape[:2])
