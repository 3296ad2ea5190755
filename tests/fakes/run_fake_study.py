"""`sweeper run` with the fake trainer on some CPU slots: STUDY WORKSPACE SLOTS [--force]."""

import sys
from pathlib import Path

from rich.console import Console

from sweeper.config import StudyConfig
from sweeper.display import PlainDisplay, print_summary
from sweeper.errors import SweeperError
from sweeper.launchers.local import LocalLauncher, open_local
from sweeper.session import run_study
from sweeper.workspace import StudyFolder, Workspace

FAKE_TRAINER = (sys.executable, str(Path(__file__).with_name("fake_trainer.py")))


def main(study: str, workspace: str, slots: str, *options: str) -> int:
    def open_launcher(config: StudyConfig, folder: StudyFolder) -> LocalLauncher:
        return open_local(
            devices="cpu",
            slots_per_device=int(slots),
            log_folder=folder.root / "workers",
            worker_command=FAKE_TRAINER,
        )

    console = Console(width=200)
    try:
        summary = run_study(
            Path(study),
            workspace=Workspace(Path(workspace)),
            open_launcher=open_launcher,
            progress=PlainDisplay(console),
            force="--force" in options,
        )
    except SweeperError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print_summary(summary, console)
    return summary.exit_code


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
