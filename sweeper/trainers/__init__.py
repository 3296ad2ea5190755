"""What trains: one protocol, and the trainers that keep it.

protocol.py   what the sweeper may ask of a trainer
builtin/      the pointer selector's: RCE, GRPO, a reader; alone imports `trainer.contract`
command/      any program, with arguments, environment and config files of its own
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sweeper.trainers.protocol import (
    PARAMS,
    ByHand,
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
    from sweeper.trainers.command import CommandTrainer

__all__ = [
    "PARAMS",
    "ByHand",
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
    "command_trainer",
    "trainer_of",
]


def trainer_of(section: Mapping[str, object]) -> Trainer:
    """The trainer that is meant by the keys of a study file, or of a section as it is stored."""
    is_command = "command" in section or "steps" in section
    return command_trainer() if is_command else builtin_trainer()


def command_trainer() -> "CommandTrainer":
    """The trainer that runs a program of the study file's."""
    from sweeper.trainers.command import CommandTrainer

    return CommandTrainer()


def builtin_trainer() -> "BuiltinTrainer":
    """The trainer that every study file means that names no other."""
    from sweeper.trainers.builtin import BuiltinTrainer

    return BuiltinTrainer()
