"""MLflow in a PostgreSQL database that is away: at the start, under way, and back again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.instant_launcher import InstantLauncher
from fakes.postgres import Server, postgres
from mlflow import MlflowClient

from sweeper.launchers.jobs import JobId, JobRequest
from sweeper.running.session import run_study
from sweeper.running.summary import Summary
from sweeper.store.workspace import Workspace

STUDY = """\
name: away
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: 2}}]
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
sampler: {name: random, seed: 1}
trials: TRIALS
mlflow: {tracking_uri: "URI"}
"""


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def show(self, state: object) -> None:
        """Not looked at."""

    def count(self, words: str) -> int:
        return sum(words in line for line in self.lines)


class Stopping(InstantLauncher):
    """Stops the database before a trial's job is done."""

    def __init__(self, trial: str, stop: Callable[[], None]) -> None:
        super().__init__()
        self._trial, self._stop = trial, stop

    def submit(self, request: JobRequest) -> JobId:
        if request.folder.name == self._trial:
            self._stop()
        return super().submit(request)


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


def test_a_study_endures_a_database_that_is_away_and_writes_it_all_later(
    tmp_path: Path, server: Server
) -> None:
    uri = server.url().replace("postgresql:", "postgresql+psycopg:")
    path = tmp_path / "away.yaml"

    def run(trials: int, launcher: InstantLauncher) -> tuple[Summary, Told]:
        path.write_text(STUDY.replace("URI", uri).replace("TRIALS", str(trials)))
        told = Told()
        summary = run_study(
            path,
            workspace=Workspace(tmp_path),
            open_launcher=lambda config, folder: launcher,
            progress=told,
        )
        return summary, told

    server.stop()
    summary, told = run(2, InstantLauncher())
    assert (summary.exit_code, summary.link) == (0, "")
    assert told.count("The study goes on, and what MLflow misses") == 1
    server.start()
    summary, told = run(3, Stopping("0002", server.stop))
    assert summary.exit_code == 0
    assert told.count("MLflow lacked the runs of 2 trials") == 1
    assert told.count("The study goes on, and what MLflow misses") == 1
    server.start()
    summary, told = run(4, InstantLauncher())
    assert told.count("MLflow lacked the run of 1 trial") == 1
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("away")
    assert experiment is not None
    runs = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
    assert {r.info.status for r in runs.values()} == {"FINISHED"}
    trials = [runs[f"trial {number}"] for number in range(4)]
    assert all("grpo/score" in run.data.metrics for run in trials)
    scores = {record.number: record.score for record in summary.records if record.prefix is None}
    assert [run.data.metrics["score"] for run in trials] == [scores[n] for n in range(4)]
