"""What people get to see of a study that has ended, and how that of two studies differs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from click.testing import CliRunner

from benchmarks.chaos_rounds import MARK, Round
from sweeper.cli import cli
from sweeper.records import TrialState
from sweeper.store.reading import read_study
from sweeper.store.workspace import Workspace
from trainer.errors import StageError
from trainer.stage_store import INFO, read_stage

UNEQUAL = ("reader_calls_saved", "seconds")  # numbers that depend on who came first


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Export, and MLflow's runs by name: status, parameters, curves (NaN is itself)."""

    trials: str
    runs: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, list[tuple[int, str]]]]]
    count: int  # of runs: one that is there twice has one name


def shown(round_: Round) -> Shown:
    """What the study of a round shows."""
    from mlflow import MlflowClient

    command = ["--workspace", str(round_.workspace), "export", "chaos", "--all"]
    client = MlflowClient(f"sqlite:///{round_.database}")
    history = client.get_metric_history
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=1000)
    return Shown(
        trials=CliRunner().invoke(cli, command, catch_exceptions=False).output,
        runs={
            f"{run.info.run_name} {run.data.tags.get('mlflow.parentRunId') is not None}": (
                run.info.status,
                run.data.params,
                {
                    key: [(m.step, repr(m.value)) for m in history(run.info.run_id, key)]
                    for key in run.data.metrics
                    if not key.startswith(UNEQUAL)
                },
            )
            for run in runs
        },
        count=len(runs),
    )


def differences(round_: Round, wanted: Shown) -> Iterator[str]:
    """What is otherwise than after an undisturbed run."""
    found = shown(round_)
    if found.trials != wanted.trials:
        yield "export --all"
    for name in sorted({*found.runs, *wanted.runs}):
        if found.runs.get(name) != wanted.runs.get(name):
            yield f"MLflow's {name.removesuffix(' True').removesuffix(' False')}"
    if found.count != wanted.count:
        yield f"{found.count} runs in MLflow instead of {wanted.count}"
    workspace = Workspace(round_.workspace)
    for record in read_study(workspace.study("chaos"))[1]:
        if record.state is TrialState.RUNNING:
            yield f"trial {record.name} is running"
    for stage in workspace.stages.glob(f"*/{INFO}"):
        try:
            read_stage(stage.parent)
        except StageError as error:
            yield str(error)
    if "Traceback" in (said := round_.errors.read_text()):
        yield f"a traceback: {said.strip().splitlines()[-1]}"
    if orphans := [one for one in psutil.process_iter() if _is_of(one, round_.folder)]:
        yield f"{len(orphans)} processes left"


def _is_of(process: psutil.Process, place: Path) -> bool:
    try:
        return process.environ().get(MARK) == str(place)
    except psutil.Error:
        return False
