"""A study that a shared machine ends, in every way it knows, shows what an undisturbed one does.

CHAOS_ROUNDS is the number of rounds of each kind, 1 unless set; `make chaos` has three.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fakes.fork_server import ForkServer

from benchmarks.chaos_kinds import KINDS
from benchmarks.chaos_rounds import Process, Round, Setup, wait_for_server
from benchmarks.chaos_series import Series

STUDY = """\
name: chaos
trainer:
  phases: [{grpo: {lr: "${lr}", kl_beta: "${kl_beta}", epochs: "${epochs}"}}]
parameters:
  lr: {min: 1e-4, max: 1e-2, log: true}
  kl_beta: {min: 0.01, max: 0.3}
  epochs: {min: 1, max: 2, fidelity: true}
baseline: {lr: 1e-3, kl_beta: 0.1, epochs: 2}
trials: 4
"""
TRAINER = {
    "FAKE_SECONDS": "0.05",  # an epoch
    "FAKE_CALLS": "100",
    "FAKE_LIMIT": "none",  # takes memory, which it has unless someone limits it
}


@pytest.fixture(scope="module")
def series(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Series]:
    def started(round_: Round, *, terminal: Path, variables: Mapping[str, str]) -> Process:
        given = {**TRAINER, **variables, "FAKE_AWAY": str(round_.down)}
        return server.driver(round_.study, round_.workspace, terminal=terminal, variables=given)

    @contextlib.contextmanager
    def serving(database: Path, port: int) -> Iterator[None]:
        mlflow = server.mlflow(database, port)
        try:
            wait_for_server(port)
            yield
        finally:
            mlflow.kill()
            mlflow.wait()

    def furnish(folder: Path) -> None:
        shutil.copyfile(empty_database, folder / "mlflow.db")

    setup = Setup(
        study=STUDY,
        by_command=STUDY,
        start=started,
        serving=serving,
        furnish=furnish,
        lasting=0.5,
    )
    with contextlib.closing(ForkServer(empty_database)) as server:
        yield Series(setup, tmp_path_factory.mktemp("chaos"))


@pytest.mark.parametrize("number", range(int(os.environ.get("CHAOS_ROUNDS", "1"))))
@pytest.mark.parametrize("kind", KINDS)
def test_a_study_survives(series: Series, kind: str, number: int) -> None:
    if lacking := KINDS[kind].lacks():
        pytest.skip(f"this machine lacks {lacking}")
    _, otherwise = series.survived(kind, number)
    assert otherwise == []
