"""What is wrong with a study, or worth knowing: one small pure rule each, with its numbers.

instrument.py   can the evaluation see what was trained?
parameters.py   do the parameters matter?
training.py     did the training do its work?
kl.py           does the KL term hold, and is it a distance?
noise.py        is there enough to tell by?
rows.py         what the rules look up
texts.py        all of it in English and Chinese
"""

from collections.abc import Callable, Iterable

from sweeper.findings import instrument, kl, noise, parameters, training
from sweeper.findings.finding import Finding
from sweeper.results.assessment import Assessment
from sweeper.results.evidence import Evidence

Rule = Callable[[Evidence, Assessment], Iterable[Finding]]
RULES: tuple[Rule, ...] = (
    instrument.dead_evaluation,
    instrument.choices_of_a_control,
    instrument.mislabelled,
    instrument.small_pool,
    instrument.few_demonstrations,
    parameters.parameter_not_applied,
    parameters.identical_settings,
    parameters.dead_parameter,
    parameters.best_at_the_edge,
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
    noise.too_few_questions,
    noise.lead_of_epochs,
    noise.unstable_seeds,
    noise.another_winner_by_shots,
    noise.lost_trials,
    noise.calls_without_a_chance,
)
__all__ = ["Finding", "findings", "rows", "texts"]

_ORDER = {"alarm": 0, "warning": 1, "note": 2}


def findings(evidence: Evidence, assessment: Assessment) -> list[Finding]:
    """Everything that any rule finds, the alarming first."""
    found = [finding for rule in RULES for finding in rule(evidence, assessment)]
    return sorted(found, key=lambda finding: _ORDER[finding.level])
