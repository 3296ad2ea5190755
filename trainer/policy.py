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

Variant = Literal["static", "gated"]

TEMPERATURE = 0.1  # of the cosine: logits lie in [-10, 10]
MASKED_LOGIT = -100.0  # of a candidate that was chosen before; finite, as in the lab's code
PROJECTION_NOISE = 0.01  # about the identity, from which query_proj and cand_proj start
GATE_GAIN = 0.1  # the gate starts half open, hardly depending on its input: there it learns fastest


class Encoded(NamedTuple):
    """Queries and pools in the space where they are compared."""

    queries: Tensor  # of unit length. Shape: (B, H)
    candidates: Tensor  # of unit length. Shape: (B, K, H)


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
        _check_sizes(width, hidden_dim, num_layers, num_heads)
        self.width = width
        self.variant = variant
        self.projection_dropout = 0.0
        with torch.device("meta"):  # torch's own initialisation would move the global generator
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
        self.to_empty(device="cpu")
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
        hidden_dim = _hidden_dim(shapes)
        projection = shapes.get("input_proj.weight", (hidden_dim, hidden_dim))
        groups = {tensor_group(name) for name in shapes}
        layers = {name.split(".")[1] for name in shapes if name.startswith("cross_attn_layers.")}
        policy = cls(
            width=projection[-1] if projection else hidden_dim,
            hidden_dim=hidden_dim,
            num_layers=max(1, len(layers)),
            num_heads=num_heads,
            variant="gated" if "query_update_gate" in groups else "static",
        )
        problems = _misfits(state_dict, policy.state_dict())
        if problems:
            raise InputError(
                f"these are not the tensors of a {policy.variant} pointer selector with"
                f" H = {hidden_dim}: " + "; ".join(problems)
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
            parameter.copy_(_initial_value(name, parameter.shape, generator))

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

    def encode(self, queries: Tensor, candidates: Tensor) -> Encoded:
        """Encode each query and its pool, once for all of its rollouts.

        Args:
            queries: Embeddings. Shape: ``(B, D)``.
            candidates: Embeddings. Shape: ``(B, K, D)``.

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
        query = self.input_proj(queries).unsqueeze(1)
        pool = self.input_proj(candidates)
        for attention, norm in zip(self.cross_attn_layers, self.attn_norms, strict=True):
            attended, _ = attention(query, pool, pool, need_weights=False)
            query = norm(query + attended)
        return Encoded(
            queries=self._project(self.query_proj, query.squeeze(1)),
            candidates=self._project(self.cand_proj, pool),
        )

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

    def _project(self, projection: nn.Linear, hidden: Tensor) -> Tensor:
        if self.variant == "gated":
            return F.normalize(projection(self._drop(hidden)), dim=-1)
        return F.normalize(self._drop(projection(hidden)), dim=-1)

    def _drop(self, hidden: Tensor) -> Tensor:
        if not self.training or self.projection_dropout == 0.0:
            return hidden  # must not move the global generator
        return F.dropout(hidden, self.projection_dropout)

    def _decode(
        self, encoded: Encoded, *, steps: int, rollouts: int, choose: _Choose
    ) -> tuple[Tensor, Tensor]:
        """Walk through the steps: pointers (B, G, S) and logits (B, G, S, K)."""
        batch, pool, _ = encoded.candidates.shape
        if not 1 <= steps <= pool:
            raise ValueError(f"cannot choose {steps} shots from a pool of {pool} candidates")
        positions = torch.arange(pool, device=encoded.candidates.device)
        taken = torch.zeros(batch, rollouts, pool, dtype=torch.bool, device=positions.device)
        query = encoded.queries.unsqueeze(1)  # (B, 1, H) for as long as rollouts share it
        all_pointers, all_logits = [], []
        for step in range(steps):
            cosine = query @ encoded.candidates.transpose(1, 2)
            logits = torch.where(taken, MASKED_LOGIT, cosine / TEMPERATURE)
            pointers = choose(step, logits, taken)
            all_pointers.append(pointers)
            all_logits.append(logits)
            if step + 1 < steps:
                chosen = pointers.unsqueeze(2) == positions
                taken = taken | chosen
                query = self._update(query, chosen, encoded.candidates)
        return torch.stack(all_pointers, dim=2), torch.stack(all_logits, dim=2)

    def _update(self, query: Tensor, chosen: Tensor, candidates: Tensor) -> Tensor:
        """Mix the chosen candidate, of ``chosen`` (B, G, K), into the query: (B, G, H)."""
        if self.query_update_gate is None:
            return query
        # A product, not `gather`: on CUDA the backward pass of `gather` adds in no fixed order.
        shot = chosen.to(candidates.dtype) @ candidates
        query = query.expand_as(shot)
        gate = torch.sigmoid(self.query_update_gate(torch.cat([query, shot], dim=2)))
        return F.normalize(gate * query + (1.0 - gate) * shot, dim=2)


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


def tensor_group(name: str) -> str:
    """Group of a tensor: `cross_attn_layers.0.in_proj_bias` belongs to `cross_attn_layers`."""
    return name.partition(".")[0]


def _check_sizes(width: int, hidden_dim: int, num_layers: int, num_heads: int) -> None:
    sizes = (width, hidden_dim, num_layers, num_heads)
    names = ("width", "hidden_dim", "num_layers", "num_heads")
    problems = [
        f"`{name}` must be >= 1, but got {size}"
        for name, size in zip(names, sizes, strict=True)
        if size < 1
    ]
    if not problems and hidden_dim % num_heads:
        problems = [f"`num_heads` {num_heads} must divide `hidden_dim` {hidden_dim}"]
    if problems:
        raise ValueError("; ".join(problems))


def _initial_value(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    group = tensor_group(name)
    if group in ("query_proj", "cand_proj"):
        return torch.eye(shape[0]) + PROJECTION_NOISE * torch.randn(shape, generator=generator)
    if name.endswith("bias"):
        return torch.zeros(shape)
    if group == "attn_norms":
        return torch.ones(shape)
    gain = GATE_GAIN if group == "query_update_gate" else 1.0
    return nn.init.xavier_uniform_(torch.empty(shape), gain=gain, generator=generator)


def _draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    weights = logits.softmax(dim=2).flatten(0, 1)
    return torch.multinomial(weights, 1, generator=generator).view(logits.shape[:2])


def _hidden_dim(shapes: Mapping[str, tuple[int, ...]]) -> int:
    shape = shapes.get("query_proj.weight", shapes.get("cand_proj.weight", ()))
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 1:
        found = ", ".join(f"{name} {size}" for name, size in shapes.items()) or "none"
        raise InputError(
            "these are not the tensors of a pointer selector: needs query_proj.weight of shape"
            f" (H, H), but found: {found}"
        )
    return shape[0]


def _misfits(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """What keeps ``given`` from being loaded as ``expected``, tensor by tensor."""
    problems = [f"{name} is missing" for name in expected if name not in given]
    for name, tensor in given.items():
        if name not in expected:
            problems.append(f"{name} is not known")
        elif tensor.shape != expected[name].shape:
            problems.append(
                f"{name} has shape {tuple(tensor.shape)} instead of {tuple(expected[name].shape)}"
            )
        elif not tensor.is_floating_point() or not tensor.isfinite().all():
            problems.append(f"{name} holds values that are not finite numbers ({tensor.dtype})")
    return problems
