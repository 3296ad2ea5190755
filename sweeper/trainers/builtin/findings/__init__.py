"""What can go wrong with the post-training of a pointer selector: one small pure rule each.

training.py   did the training do its work?
kl.py         does the KL term hold, and is it a distance?
choices.py    what can be chosen, what is, and what that cost
grpo.py       what these rules look up
texts/        all of it in English and Chinese
"""

from sweeper.findings import Rule
from sweeper.trainers.builtin.findings import choices, kl, training

RULES: tuple[Rule, ...] = (
    choices.mislabelled,
    choices.small_pool,
    choices.few_demonstrations,
    training.step_too_small,
    training.diverged,
    training.representation_damaged,
    training.advantages_without_signal,
    training.overfitting,
    training.undertrained,
    training.validation_loss_misleads,
    kl.kl_beta_adapted,
    kl.kl_is_noise,
    kl.kl_whatever_kl_beta,
    kl.kl_against_ppo,
    choices.calls_without_a_chance,
)
