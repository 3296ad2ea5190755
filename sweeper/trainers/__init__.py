"""What trains: one protocol, and the trainers that keep it.

protocol.py   what the sweeper may ask of a trainer
builtin/      the pointer selector's: RCE, GRPO, a reader; alone imports `trainer.contract`
command/      any program, with arguments, environment and config files of its own
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sweeper.trainers.protocol import (
    Capabilities,
    CheckReport,
    Claims,
    Command,
    Costs,
    Goal,
    Needed,
    RefusedError,
    Section,
    Surroundings,
    Trainer,
    Training,
)

if TYPE_CHECKING:
    from sweeper.trainers.builtin import BuiltinTrainer

__all__ = [
    "Capabilities",
    "CheckReport",
    "Claims",
    "Command",
    "Costs",
    "Goal",
    "Needed",
    "RefusedError",
    "Section",
    "Surroundings",
    "Trainer",
    "Training",
    "builtin_trainer",
    "trainer_of",
]


def trainer_of(section: Mapping[str, object]) -> Trainer:
    """The trainer that is meant by the keys of a study file, or of a section as it is stored."""
    from sweeper.trainers.command import CommandTrainer

    return CommandTrainer() if CommandTrainer.is_meant(section) else builtin_trainer()


def builtin_trainer() -> "BuiltinTrainer":
    """The trainer that every study file means that names no other."""
    from sweeper.trainers.builtin import BuiltinTrainer

    return BuiltinTrainer()
