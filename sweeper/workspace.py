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

import contextlib
import difflib
import json
import os
import shutil
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from sweeper.errors import StudyLockedError, SweeperError, UsageError
from sweeper.file_systems import is_on_network
from trainer.contract import (
    FAILURE,
    RESULT,
    STOP,
    TRIAL,
    WAITING,
    AnswersPlace,
    Control,
    Job,
    TrainSpec,
    write_json_atomic,
)

LOCK_SECONDS = 1.0  # `status` takes the lock for a moment to see whether a driver holds it
STATE, LOCK, STUDY_FILE, ANSWERS = "state.json", "study.lock", "study.yaml", "answers.db"


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
            from sweeper.config import load_study  # pydantic is not needed for a name

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


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """One study's files."""

    root: Path
    stages: Path
    answer_server: str | None = None

    @property
    def name(self) -> str:
        """The study's name."""
        return self.root.name

    @property
    def database(self) -> Path:
        """Optuna's storage."""
        return self.root / "study.db"

    @property
    def study_file(self) -> Path:
        """The study file as it was last run."""
        return self.root / STUDY_FILE

    @property
    def controls(self) -> Path:
        """Trial folder of the instrument check."""
        return self.root / "controls"

    def trial(self, number: int, *, seed: int | None = None) -> Path:
        """Trial folder of a trial; of one of its further seeds, where ``seed`` is given."""
        folder = self.root / "trials" / f"{number:04d}"
        return folder if seed is None else folder / f"seed-{seed}"

    def job(
        self,
        folder: Path,
        spec: TrainSpec,
        *,
        device: str,
        controls: tuple[Control, ...] | None = None,
        best: str | None = None,
    ) -> Job:
        """The job for a trial folder. Its paths are relative: a workspace can be moved."""
        stages = Path(os.path.relpath(self.stages, folder.absolute()))
        answers = answers_place(
            stages.parent / ANSWERS,
            server=self.answer_server,
            on_network=is_on_network(self.stages),
        )
        return Job(
            spec=spec, stages=stages, answers=answers, device=device, controls=controls, best=best
        )

    def final(self, name: int | str, *, seed: int) -> Path:
        """Where a finalist is trained with one seed and scored on all its questions."""
        return self.root / "finals" / str(name) / f"seed-{seed}"

    def finals(self) -> list[Path]:
        """All folders of finalists."""
        return sorted((self.root / "finals").glob("*/seed-*"))

    def confirmation(self, name: str) -> Path:
        """Where a trial, by its name, or the "start" is scored on the held-out questions."""
        return self.root / "confirm" / name

    def confirmations(self) -> list[Path]:
        """All that have been made."""
        return sorted((self.root / "confirm").glob("*"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the study's lock; it vanishes with the process that holds it.

        Raises:
            StudyLockedError: where another driver holds it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(self.root / LOCK, timeout=LOCK_SECONDS):
                yield
        except filelock.Timeout as error:
            raise StudyLockedError(
                f"another `sweeper run` works on {self.name!r} (it holds {self.root / LOCK}); "
                f"watch it with `sweeper status {self.name}`"
            ) from error

    def is_locked(self) -> bool:
        """Whether a driver is at work."""
        if not (self.root / LOCK).exists():
            return False
        try:
            with filelock.FileLock(self.root / LOCK, timeout=0):
                return False
        except filelock.Timeout:
            return True
        except OSError:  # a read-only copy of a study has no driver
            return False

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Replace what `status` shows."""
        write_json_atomic(self.root / STATE, state)

    def read_state(self) -> dict[str, Any]:
        """What the driver last wrote; empty where it has not got that far."""
        return read_json(self.root / STATE) or {}


def answers_place(path: Path, *, server: str | None, on_network: bool) -> AnswersPlace:
    """Where a workspace keeps answers: on its server, or in ``path`` and, if need be, beside it.

    Many machines write to a network file system, and SQLite's file takes one writer there.
    """
    if server is not None:
        return AnswersPlace("server", server)
    return AnswersPlace("appended" if on_network else "file", str(path))


def checked_server(url: str) -> str:
    """The URL of a server for answers, if it is one that may stand in every `trial.json`.

    Raises:
        UsageError: where it is none, or holds a password; it is not quoted.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        given = parts.password is not None or "password" in urllib.parse.parse_qs(parts.query)
    except ValueError:
        parts, given = None, False
    if parts is None or parts.scheme not in ("postgresql", "postgres"):
        raise UsageError(
            "--answers, or SWEEPER_ANSWERS, must be the URL of a PostgreSQL database: "
            "postgresql://user@host:5432/database"
        )
    if given:
        raise UsageError(
            "--answers, or SWEEPER_ANSWERS: leave the password out of the URL, which is written "
            "into every trial.json; put it into ~/.pgpass or PGPASSWORD, where it is looked up"
        )
    return url


def prepare_job(folder: Path, job: Job) -> None:
    """Make ``folder`` the trial folder of ``job``; what it holds of another job is removed.

    The same job with its answers in another place is the same job.

    Raises:
        SweeperError: where the folder cannot be written.
    """
    payload = json.loads(json.dumps(job.to_json()))
    try:
        former = read_json(folder / TRIAL)
        if former is None or {**former, "answers": None} != {**payload, "answers": None}:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
        if former != payload:
            write_json_atomic(folder / TRIAL, payload)
        for name in (STOP, WAITING):
            (folder / name).unlink(missing_ok=True)
        if read_result(folder) is None:
            (folder / RESULT).unlink(missing_ok=True)  # empty or torn: the trainer would heed it
    except OSError as error:
        raise SweeperError(f"cannot write the trial folder {folder}: {error}") from error


def ask_to_stop(folder: Path) -> None:
    """Ask the trainer to leave after the epoch in hand."""
    with contextlib.suppress(FileNotFoundError):  # someone removed the folder: nothing to ask
        (folder / STOP).touch()


def read_result(folder: Path) -> dict[str, Any] | None:
    """The result of a trial folder, if its training finished."""
    return read_json(folder / RESULT)


def read_failure(folder: Path) -> dict[str, Any] | None:
    """Class and message of a failure, if the trainer left one."""
    return read_json(folder / FAILURE)


def read_waiting(folder: Path) -> str | None:
    """The key of the stage that a job left waiting for, if it did."""
    waiting = read_json(folder / WAITING)
    return None if waiting is None else str(waiting["stage"])


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where it is missing or no JSON object."""
    try:
        payload = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return payload if isinstance(payload, dict) else None
