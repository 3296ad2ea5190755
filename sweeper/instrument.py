"""Jobs outside the search: the check of the instrument before it, the confirmation after it.

Before trial 0 the controls are scored and the start is perturbed: a study whose evaluation cannot
see what is trained must not rank anything. At the end start, baseline and best are scored on
questions that selected nothing; `sweeper confirm` does so for more of them.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeper.errors import InstrumentError
from sweeper.jobs import JobRequest, JobStatus, Launcher
from sweeper.verdict import MAX_ATTEMPTS, another_instrument
from sweeper.workspace import (
    StudyFolder,
    ask_to_stop,
    prepare_job,
    read_failure,
    read_result,
    read_waiting,
)
from trainer.contract import LOG, RESULT, Claims, Control, Job, TrainSpec

POLL_SECONDS = 0.5


class OneOffJobs:
    """Trial folders worked through at the launcher; results are kept and reused."""

    def __init__(self, launcher: Launcher, stopping: Callable[[], bool]) -> None:
        self._launcher = launcher
        self._stopping = stopping

    def start(self, folder: Path, job: Job) -> "PendingJob":
        """Submit the job unless its result is there."""
        prepare_job(folder, job)
        pending = PendingJob(self._launcher, self._stopping, folder, job)
        if read_result(folder) is None:
            pending.submit()
        return pending


class PendingJob:
    """A job of ``OneOffJobs`` that may still run."""

    def __init__(
        self, launcher: Launcher, stopping: Callable[[], bool], folder: Path, job: Job
    ) -> None:
        self._launcher = launcher
        self._stopping = stopping
        self._folder = folder
        self._stages = folder / job.stages
        self._request = JobRequest(folder=folder.absolute(), threads=job.spec.threads)
        self._attempts = 0

    def submit(self) -> None:
        """Hand the job to the launcher."""
        self._job_id = self._launcher.submit(self._request)
        self._attempts += 1

    def result(self, *, while_waiting: Callable[[], None] = lambda: None) -> dict[str, Any] | None:
        """Wait for the result; None where the driver stops first.

        Args:
            while_waiting: Called at every look, and once the result is there.

        Raises:
            InstrumentError: with the trainer's reason, where the job failed.
        """
        while (result := read_result(self._folder)) is None:
            if self._stopping():
                ask_to_stop(self._folder)
            status = self._launcher.poll([self._job_id], timeout=POLL_SECONDS)[self._job_id]
            while_waiting()
            if not status.is_terminal or read_result(self._folder) is not None:
                continue
            if self._stopping():
                return None
            waits_for = read_waiting(self._folder)
            if waits_for is not None:
                self._attempts -= 1  # nothing went wrong
                self._wait(waits_for, while_waiting)
                continue
            failure = read_failure(self._folder)
            if failure is not None:
                raise InstrumentError(f"{failure['message']} (see {self._folder / LOG})")
            if status is not JobStatus.LOST or self._attempts >= MAX_ATTEMPTS:
                raise InstrumentError(
                    f"the job in {self._folder} was {status.value} and left no result; "
                    f"see {LOG} there"
                )
            self.submit()
        while_waiting()
        return result

    def _wait(self, stage: str, while_waiting: Callable[[], None]) -> None:
        """Let another job make ``stage``, then submit again."""
        with Claims(self._stages) as claims:
            while not claims.is_free(stage) and not self._stopping():
                time.sleep(POLL_SECONDS)
                while_waiting()
        self.submit()


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


def confirm(
    jobs: OneOffJobs,
    folder: StudyFolder,
    specs: Mapping[str, TrainSpec],
    *,
    device: str,
    first: TrainSpec,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> dict[str, Mapping[str, Any]]:
    """Score stages on the held-out questions; what was scored before is not asked again.

    Args:
        jobs: Works them off at the launcher.
        folder: Of the study.
        specs: What leads to each stage, by the trial's name, or "start". A stage that is gone is
            trained again.
        device: Kind of device.
        first: The spec of trial 0.
        environment: Of the controls.
        say: Is told of what failed and of what had to be trained.

    Returns:
        Results by the same names; none of what failed, or was not done before the driver stopped.

    Raises:
        InstrumentError: where one was scored with other means than the controls.
    """
    pending = {}
    for name, spec in specs.items():
        place = folder.confirmation(name)
        pending[name] = jobs.start(place, folder.job(place, _on_holdout(spec), device=device))
    results: dict[str, Mapping[str, Any]] = {}
    for name, job in pending.items():
        try:
            result = job.result()
        except InstrumentError as error:
            say(f"{_called(name)}: the held-out questions could not be scored: {error}")
            continue
        if result is None:
            continue
        _require_same_means(folder, name, result, environment, spec=specs[name], first=first)
        if result["epochs_trained"]:
            say(f"{_called(name)}: its stages were gone, trained {result['epochs_trained']} epochs")
        results[name] = result
    return results


def _on_holdout(spec: TrainSpec) -> TrainSpec:
    return spec.model_copy(
        update={"evaluate": spec.evaluate.model_copy(update={"split": "holdout"})}
    )


def _called(name: str) -> str:
    return name if name == "start" else f"trial {name}"


def _require_same_means(
    folder: StudyFolder,
    name: str,
    result: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    spec: TrainSpec,
    first: TrainSpec,
) -> None:
    """Forget a result that is not to be shown beside the others, and say why."""
    difference = another_instrument(result["environment"], environment, spec=spec, first=first)
    if difference is not None:
        (folder.confirmation(name) / RESULT).unlink()
        raise InstrumentError(
            f"{_called(name)} was scored on the held-out questions otherwise than the study: "
            f"{difference}; restore what changed and confirm again"
        )
