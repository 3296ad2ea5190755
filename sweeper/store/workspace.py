"""The workspace: where a study's files are, and how they are written and found.

    <root>/mlflow.db
    <root>/sweeps/stages/                  shared by all studies
    <root>/sweeps/answers.db               what readers answered, for all studies; on a network
                                           file system answers.db.*.added beside it; or a server
    <root>/sweeps/<study>/study.yaml       the study file as it was run
                          study.db         Optuna
                          state.json       what `status` shows, written after each change
                          study.lock       held by the driver
                          controls/        the instrument check, a trial folder
                          trials/0007/     trial folders; further seeds lie in seed-1/ below
                          finals/7/        trial folders of a finalist, one a seed
                          confirm/7/       trial folders scored on the held-out questions

Known to no other file, but for names within a trial folder (`trainer.contract`).
"""

import difflib
import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from sweeper.addresses import has_password
from sweeper.errors import SweeperError, UsageError
from sweeper.store.study_folder import STUDY_FILE, StudyFolder


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with all studies that share stages, answers and an MLflow database."""

    root: Path
    answer_server: str | None = None  # URL of the server with the answers; None: they lie in files

    @property
    def sweeps(self) -> Path:
        """Folder of all studies."""
        return self.root / "sweeps"

    @property
    def stages(self) -> Path:
        """Folder of the stages that all studies share."""
        return self.sweeps / "stages"

    def study(self, name: str) -> "StudyFolder":
        """The folder of one study, whether it exists or not."""
        return StudyFolder(self.sweeps / name, self.stages, self.answer_server)

    def names(self) -> list[str]:
        """Names of the studies that have been started here."""
        return sorted(path.parent.name for path in self.sweeps.glob(f"*/{STUDY_FILE}"))

    def find(self, name_or_file: str) -> "StudyFolder":
        """The folder of a study that was started, by its name or by its study file.

        Raises:
            UsageError: where there is none; it names the nearest, or all that there are.
        """
        name = name_or_file
        if Path(name_or_file).suffix in (".yaml", ".yml") and Path(name_or_file).is_file():
            from sweeper.study.config import load_study  # pydantic is not needed for a name

            name = load_study(Path(name_or_file)).name
        names = self.names()
        if name in names:
            return self.study(name)
        near = difflib.get_close_matches(name, names, n=1)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"studies here: {', '.join(names) or 'none'}"
        )
        raise UsageError(
            f"no study {name!r} in {self.sweeps}; {hint} (--workspace looks elsewhere)"
        )

    def prepare(self) -> None:
        """Create the folders. Raises SweeperError where nothing can be written."""
        try:
            self.stages.mkdir(parents=True, exist_ok=True)
            probe = self.sweeps / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise SweeperError(
                f"cannot write to the workspace {self.sweeps}: {error.strerror}; choose another "
                f"folder with --workspace or SWEEPER_HOME"
            ) from error


def checked_server(url: str) -> str:
    """The URL of a server for answers, if it is one that may stand in every `trial.json`.

    Raises:
        UsageError: where it is none, or holds a password; it is not quoted.
    """
    try:
        scheme = urllib.parse.urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in ("postgresql", "postgres"):
        raise UsageError(
            "--answers, or SWEEPER_ANSWERS, must be the URL of a PostgreSQL database: "
            "postgresql://user@host:5432/database"
        )
    if has_password(url):
        raise UsageError(
            "--answers, or SWEEPER_ANSWERS: leave the password out of the URL, which is written "
            "into every trial.json; put it into ~/.pgpass or PGPASSWORD, where it is looked up"
        )
    return url
