"""The RCE phase: reward-weighted cross-entropy on recorded rollouts, one epoch at a time.

A generator of epoch statistics; between two epochs its caller may evaluate, save or leave.
Randomness comes from (seed, phase, epoch) alone, so the phase can be entered at any epoch.

Shape legend: B queries, K candidates, N rollouts of all queries, G of one, S shots.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from trainer.contract import RceSpec
from trainer.errors import NotFiniteError
from trainer.groups import batch_of
from trainer.policy.encoding import Rows
from trainer.policy.losses import mean, rce_loss, temperature_at
from trainer.policy.policy import PointerSelector, rollout_log_probs, step_entropy
from trainer.rollouts.recorded import for_rce, padded
from trainer.seeds import epoch_generators
from trainer.tally import Tally
from trainer.tasks import RecordedRollouts


def rce_epochs(
    policy: PointerSelector,
    optimizer: torch.optim.Optimizer,
    settings: RceSpec,
    recorded: RecordedRollouts,
    embeddings: Tensor,
    *,
    seed: int,
    phase_index: int,
    first_epoch: int,
    bf16: bool = False,
) -> Iterator[dict[str, float]]:
    """Train epoch after epoch from ``first_epoch`` and yield each one's statistics.

    Raises:
        NotFiniteError: at the first step whose loss is NaN or infinite.

    References:
        The lab's RCE: softmax of the rewards over a query's rollouts as weights of their
        cross-entropies, the temperature falling linearly over the whole schedule.
    """
    rollouts, _, values, _ = for_rce(recorded, settings)
    rows, device = Rows(embeddings), embeddings.device
    queries = len(rollouts.queries)
    steps = -(-queries // settings.batch_size)
    for epoch in range(first_epoch, settings.trained_epochs + 1):
        generators = epoch_generators(seed, phase_index, epoch, device=device)
        policy.requires_grad_(True).train()
        policy.set_dropout(projection=settings.dropout, attention=settings.attention_dropout)
        tally = Tally()
        order = torch.randperm(queries, generator=generators.data)
        for step, chosen in enumerate(torch.split(order.to(device), settings.batch_size)):
            temperature = temperature_at(
                (epoch - 1) * steps + step,
                settings.epochs * steps,
                settings.temperature_start,
                settings.temperature_end,
            )
            batch = batch_of(rollouts.offsets, chosen)
            pointers = rollouts.pointers[batch.members]
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits = policy.step_logits(
                    rows.encode(policy, rollouts.questions[chosen]), pointers
                )
            weighed = padded(values, rollouts.offsets, chosen, absent=-torch.inf)
            loss = rce_loss(rollout_log_probs(logits, pointers), weighed, temperature=temperature)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = clip_grad_norm_(policy.parameters(), settings.max_grad_norm)
            if not torch.isfinite(loss + norm):
                raise NotFiniteError(
                    f"rce epoch {epoch}, step {step + 1}: the loss is {loss.item()}, the gradient's"
                    f" norm {norm.item()}; lower `lr` ({settings.lr:g})"
                )
            optimizer.step()
            tally.add(
                len(chosen),
                loss=loss,
                gradient_norm=norm,
                entropy=mean(step_entropy(logits).mean(dim=2), batch.shares),
                temperature=temperature,
            )
        yield tally.means()
