import json
from collections.abc import Collection, Mapping
from pathlib import Path

from sweeper.launchers.jobs import JobId, JobRequest, JobStatus
from sweeper.running.controls import contract_lines, contract_markdown
from sweeper.running.works import OneOffJobs
from trainer.contract import RESULT, Job, TrainSpec

JOB = Job(spec=TrainSpec.model_validate({"phases": [{"rce": {}}]}), stages=Path("stages"))


class SlowLauncher:
    """A job that runs through some looks and leaves its result at the last one."""

    device = "cpu"
    slots = 1

    def __init__(self, folder: Path, looks: int) -> None:
        self._folder = folder
        self._looks = looks

    def submit(self, request: JobRequest) -> JobId:
        return JobId("1")

    def poll(self, job_ids: Collection[JobId], *, timeout: float) -> Mapping[JobId, JobStatus]:
        self._looks -= 1
        if self._looks:
            return dict.fromkeys(job_ids, JobStatus.RUNNING)
        (self._folder / RESULT).write_text(json.dumps({"score": 1.0}))
        return dict.fromkeys(job_ids, JobStatus.COMPLETED)

    def cancel(self, job_id: JobId) -> None:
        """Never asked for."""

    def close(self) -> None:
        """Nothing to end."""


def looks_at(folder: Path, looks: int) -> int:
    """How often somebody who waits for a job is called."""
    calls: list[None] = []
    jobs = OneOffJobs(SlowLauncher(folder, looks), lambda: False)
    pending = jobs.start(folder, JOB)
    assert pending.result(while_waiting=lambda: calls.append(None)) == {"score": 1.0}
    return len(calls)


def test_who_waits_is_called_at_every_look_and_once_the_result_is_there(tmp_path: Path) -> None:
    assert looks_at(tmp_path / "slow", 3) == 3 + 1


def test_who_waits_for_what_is_there_already_is_called_too(tmp_path: Path) -> None:
    looks_at(tmp_path / "known", 1)
    assert looks_at(tmp_path / "known", 1) == 1


CONTRACT = {"lines": ["640 queries", "pools of 64"], "warnings": ["tied", "silent"], "facts": {}}


def test_warnings_of_the_data_stand_last_and_say_what_they_are() -> None:
    assert contract_lines(CONTRACT) == [
        "640 queries",
        "pools of 64",
        "warning: tied",
        "warning: silent",
    ]


def test_the_page_of_the_data_lists_its_warnings_or_none() -> None:
    page = "# Data contract\n\n```\n640 queries\npools of 64\n```\n\n## Warnings\n\n"
    assert contract_markdown(CONTRACT) == f"{page}- tied\n- silent\n"
    assert contract_markdown({**CONTRACT, "warnings": []}) == f"{page}None.\n"
