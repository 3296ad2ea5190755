"""The study file: YAML to a checked, frozen `StudyConfig`, every problem at its line."""

__all__ = [
    "changes",
    "config",
    "file",
    "from_command",
    "schema",
    "sections",
    "template",
    "wandb",
]  # what other wings may import
