"""The check of the instrument before trial 0: controls are scored, and the start is perturbed.

A study whose evaluation cannot see what is trained must not rank anything.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.running.work import Work
from sweeper.running.works import Ticket, Works
from sweeper.store.study_folder import StudyFolder
from sweeper.trainers import Training

LABEL = "the controls"


def start_controls(
    works: Works, folder: StudyFolder, training: Training, *, device: str, controls: Sequence[str]
) -> Ticket:
    """Begin the check; it also trains the stages that all trials begin with."""
    place = folder.controls
    job = training.job(folder.surroundings(place, device=device), controls=controls)
    return works.start(Work(label=LABEL, folder=place, job=job, command=training.command()))


def contract_lines(contract: Mapping[str, Any]) -> list[str]:
    """A data contract for people, the warnings last."""
    return [*contract["lines"], *(f"warning: {text}" for text in contract["warnings"])]


def contract_markdown(contract: Mapping[str, Any]) -> str:
    """A data contract as a page: what the data holds as it was printed, then the warnings."""
    lines = "\n".join(contract["lines"])
    warnings = "".join(f"- {text}\n" for text in contract["warnings"]) or "None.\n"
    return f"# Data contract\n\n```\n{lines}\n```\n\n## Warnings\n\n{warnings}"
