"""The check of the instrument before trial 0: what is submitted, and what is said of the data."""

from collections.abc import Mapping
from typing import Any

from sweeper.running.works import OneOffJobs, PendingJob
from sweeper.store.study_folder import StudyFolder
from trainer.contract import Control, TrainSpec


def start_controls(
    jobs: OneOffJobs,
    folder: StudyFolder,
    spec: TrainSpec,
    *,
    device: str,
    controls: tuple[Control, ...],
) -> PendingJob:
    """Submit the check of the instrument; it also trains the stages that all trials begin with."""
    job = folder.job(folder.controls, spec, device=device, controls=controls)
    return jobs.start(folder.controls, job)


def contract_lines(contract: Mapping[str, Any]) -> list[str]:
    """A data contract for people, the warnings last."""
    return [*contract["lines"], *(f"warning: {text}" for text in contract["warnings"])]


def contract_markdown(contract: Mapping[str, Any]) -> str:
    """A data contract as a page: what the data holds as it was printed, then the warnings."""
    lines = "\n".join(contract["lines"])
    warnings = "".join(f"- {text}\n" for text in contract["warnings"]) or "None.\n"
    return f"# Data contract\n\n```\n{lines}\n```\n\n## Warnings\n\n{warnings}"
