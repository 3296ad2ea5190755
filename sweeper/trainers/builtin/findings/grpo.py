"""What the rules of the pointer selector look up: its GRPO, the parameter behind a field."""

from sweeper.references import references
from sweeper.results.evidence import Scored
from sweeper.space import Parameter
from sweeper.study.config import StudyConfig
from sweeper.trainers.builtin.training import BuiltinTraining
from trainer.contract import GrpoSpec


def grpo_of(row: Scored) -> GrpoSpec | None:
    """The settings of the last phase, where that is GRPO."""
    if not isinstance(row.training, BuiltinTraining):
        return None
    settings = row.training.spec.phases[-1].settings
    return settings if isinstance(settings, GrpoSpec) else None


def parameter_of(config: StudyConfig, field: str) -> Parameter | None:
    """The searched parameter that a field of the last phase takes its value from, if any does."""
    [settings] = config.trainer["phases"][-1].values()
    named = [name for where, name in references(settings) if where == (field,)]
    return next((p for p in config.space.searched if p.name in named), None)


def last_phase_key(config: StudyConfig) -> str:
    """The key of the last phase, where that is GRPO, for a change in the next study."""
    return f"trainer.phases.{len(config.trainer['phases']) - 1}.grpo"
