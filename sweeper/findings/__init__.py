"""What is wrong with a study, or worth knowing: one small pure rule each, with its numbers.

These hold whatever is trained; a trainer brings rules of its own (`Trainer.rules`).

instrument.py   can the evaluation see what was trained?
parameters.py   do the parameters matter?
noise.py        is there enough to tell by?
rows.py         what the rules look up
texts.py        all of it in English and Chinese
"""

from collections.abc import Callable, Iterable

from sweeper.findings import instrument, noise, parameters
from sweeper.findings.finding import Finding
from sweeper.results.assessment import Assessment
from sweeper.results.evidence import Evidence

Rule = Callable[[Evidence, Assessment], Iterable[Finding]]
RULES: tuple[Rule, ...] = (
    instrument.dead_evaluation,
    instrument.choices_of_a_control,
    parameters.parameter_not_applied,
    parameters.identical_settings,
    parameters.dead_parameter,
    parameters.best_at_the_edge,
    noise.too_few_questions,
    noise.lead_of_epochs,
    noise.unstable_seeds,
    noise.another_winner_by_part,
    noise.lost_trials,
)
__all__ = ["Finding", "Rule", "finding", "findings", "rows", "texts"]

_ORDER = {"alarm": 0, "warning": 1, "note": 2}


def findings(evidence: Evidence, assessment: Assessment) -> list[Finding]:
    """Everything that any rule finds, the alarming first."""
    rules = (*RULES, *evidence.config.kind.rules())
    found = [finding for rule in rules for finding in rule(evidence, assessment)]
    return sorted(found, key=lambda finding: _ORDER[finding.level])
