"""Ends a study in the ways that a shared machine knows, runs it again, and looks for what is lost.

    python benchmarks/chaos.py [--rounds 3] [--seed 0] [--kinds "Ctrl-C" "disk full" ...]

Each round starts the study in a fresh workspace, disturbs it at a moment or at a write that is
drawn, and repeats `sweeper run` until it ends well. It has survived if `export --all` gives the
same bytes as an undisturbed run, MLflow shows the same runs with the same statuses, parameters and
curves, every stage verifies, no process is left, and no driver ended in a traceback. The tests go
through the same kinds with a trainer that does not train.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # of the package `benchmarks`

from benchmarks.chaos_kinds import KINDS
from benchmarks.chaos_rounds import Process, Round, Setup, streams, wait_for_server
from benchmarks.chaos_series import Series

SWEEPER = str(Path(sys.executable).with_name("sweeper"))
JUDGE = [sys.executable, str(Path(__file__).with_name("chaos_judge.py")), "{checkpoint}"]
STUDY = """\
name: chaos
trainer:
  task: {name: easy_vqa, training_queries: 64}
  policy: {hidden_dim: 16}
  evaluate: {questions: 32, holdout: 32}
  phases:
    - rce: {epochs: 2, lr: 3e-3, batch_size: 8}
    - grpo: {lr: "${lr}", kl_beta: "${kl_beta}", epochs: "${epochs}", batch_size: 8}
parameters:
  lr: {min: 1e-4, max: 1e-1, log: true}
  kl_beta: {min: 0.01, max: 0.3}
  epochs: {min: 1, max: 3, fidelity: true}
baseline: {lr: 1e-3, kl_beta: 0.1, epochs: 1}
trials: 8
resources: {devices: cpu, slots_per_device: 2}
"""
BY_COMMAND = STUDY.replace(
    "{questions: 32, holdout: 32}", f"{{command: {JUDGE}, checkpoint_format: safetensors}}"
)


def started(round_: Round, *, terminal: Path, variables: Mapping[str, str]) -> Process:
    """Start the real command."""
    with streams(terminal) as (stdin, stdout), round_.errors.open("ab") as errors:
        return subprocess.Popen(
            [SWEEPER, "--workspace", str(round_.workspace), "run", str(round_.study)],
            stdin=stdin,
            stdout=stdout,
            stderr=errors,
            env={**os.environ, **variables},
            start_new_session=True,
        )


@contextlib.contextmanager
def serving(database: Path, port: int) -> Iterator[None]:
    """MLflow's own server, once it answers; killed in the end."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{database}"),
        ],
        cwd=database.parent,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for_server(port)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


SETUP = Setup(study=STUDY, by_command=BY_COMMAND, start=started, serving=serving, lasting=30.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--keep", type=Path, help="Folder for the workspaces that did not survive.")
    chosen = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        series = Series(SETUP, Path(name), seed=chosen.seed, keep=chosen.keep)
        usual, _ = series.usual()
        print(f"undisturbed: {usual.seconds:.0f} s, writes: {dict(usual.writes)}\n")
        print("| what happens | rounds | as undisturbed | runs after it | otherwise |")
        print("| --- | --- | --- | --- | --- |")
        for kind in chosen.kinds:
            if lacking := KINDS[kind].lacks():
                print(f"| {kind} | 0 | | | this machine lacks {lacking} |", flush=True)
                continue
            rounds = [series.survived(kind, number) for number in range(chosen.rounds)]
            well = sum(not found for _, found in rounds)
            otherwise = "; ".join(
                f"round {number}: {', '.join(found)}"
                for number, (_, found) in enumerate(rounds)
                if found
            )
            failed += len(rounds) - well
            runs = sum(runs for runs, _ in rounds)
            print(f"| {kind} | {len(rounds)} | {well} | {runs} | {otherwise} |", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
