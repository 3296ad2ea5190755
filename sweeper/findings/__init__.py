"""What is wrong with a study, or worth knowing: one small pure rule each, with its numbers.

instrument.py   can the evaluation see what was trained?
parameters.py   do the parameters matter?
training.py     did the training do its work?
noise.py        is there enough to tell by?
texts.py        all of it in English and Chinese
"""

from collections.abc import Callable, Iterable

from sweeper.assessment import Assessment
from sweeper.evidence import Evidence
from sweeper.findings import instrument, noise, parameters, training
from sweeper.findings.finding import Finding

Rule = Callable[[Evidence, Assessment], Iterable[Finding]]
RULES: tuple[Rule, ...] = (
    instrument.dead_evaluation,
    instrument.choices_of_the_start,
    instrument.small_pool,
    instrument.few_demonstrations,
    parameters.identical_settings,
    parameters.dead_parameter,
    parameters.best_at_the_edge,
    training.step_too_small,
    training.kl_against_ppo,
    training.diverged,
    training.advantages_without_signal,
    training.overfitting,
    noise.too_few_questions,
    noise.another_winner_by_shots,
    noise.lost_trials,
    noise.calls_without_a_chance,
)
__all__ = ["Finding", "findings"]

_ORDER = {"alarm": 0, "warning": 1, "note": 2}


def findings(evidence: Evidence, assessment: Assessment) -> list[Finding]:
    """Everything that any rule finds, the alarming first."""
    found = [finding for rule in RULES for finding in rule(evidence, assessment)]
    return sorted(found, key=lambda finding: _ORDER[finding.level])
