"""`sweeper run` with a trainer from this folder on some CPU slots.

run_fake_study.py STUDY WORKSPACE SLOTS [--force] [--trainer=blind_trainer.py | --trainer=real]
"""

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.other_worker import OtherWorker

from sweeper.cli.display import open_console, open_display, print_summary
from sweeper.errors import SweeperError
from sweeper.launchers.jobs import Launcher
from sweeper.launchers.local import open_local
from sweeper.running.interrupts import ignore_further_signals
from sweeper.running.session import run_study
from sweeper.store.study_folder import StudyFolder
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig


@dataclass(frozen=True)
class Done:
    """What a run left on the terminal."""

    returncode: int
    stdout: str
    stderr: str


def run_here(
    study: Path, *, slots: int = 2, options: tuple[str, ...] = (), **variables: str
) -> Done:
    """Run a study beside its file within this process, which imports MLflow once for all runs.

    ``variables`` are those of the environment, for the trainer.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as environment,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name, value in variables.items():
            environment.setenv(name, value)
        code = main(str(study), str(study.parent), str(slots), *options)
    return Done(code, out.getvalue(), err.getvalue())


def main(study: str, workspace: str, slots: str, *options: str, is_process: bool = False) -> int:
    """Run a study; with ``is_process`` nothing but this run is the process's affair."""
    chosen = [option.partition("=")[2] for option in options if option.startswith("--trainer=")]
    trainer = Path(__file__).with_name(chosen[0] if chosen else "fake_trainer.py")
    worker = ("-m", "trainer", "serve") if chosen == ["real"] else (str(trainer),)

    def open_launcher(config: StudyConfig, folder: StudyFolder) -> Launcher:
        local = open_local(
            devices="cpu", slots_per_device=int(slots), log_folder=folder.root / "workers"
        )
        return OtherWorker(local, (sys.executable, *worker))

    console = open_console(sys.stdout)
    console.width = 200
    try:
        with open_display(console) as display:
            summary = run_study(
                Path(study),
                workspace=Workspace(Path(workspace)),
                open_launcher=open_launcher,
                progress=display,
                force="--force" in options,
            )
    except SweeperError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    if summary.interrupted and is_process:
        ignore_further_signals()
    print_summary(summary, console)
    return summary.exit_code


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:], is_process=True))
