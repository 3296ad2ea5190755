"""One study's files: where they are, its lock, its state."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import filelock

from sweeper.errors import StudyLockedError, SweeperError
from sweeper.outcomes import FORMAT, STOP, FormatError, checked_format, read_json, write_json_atomic
from sweeper.store.file_systems import is_on_network
from sweeper.trainers import Surroundings

if TYPE_CHECKING:
    from sweeper.records import State

STATE_FORMAT = 1
LOCK_SECONDS = 1.0  # `status` takes the lock for a moment to see whether a driver holds it


STATE, LOCK, STUDY_FILE, ANSWERS = "state.json", "study.lock", "study.yaml", "answers.db"
CANCEL = "cancel"  # a folder with an empty file for each trial that is to be cancelled


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

    def source_of(self, path: Path) -> str:
        """The folder of a study file, as it is stored: relative within the workspace, which is
        moved as a whole, else absolute.
        """
        folder, workspace = path.absolute().parent, self.root.absolute().parent.parent
        return (
            os.path.relpath(folder, self.root) if folder.is_relative_to(workspace) else str(folder)
        )

    def beginning(self, source: str | None) -> Path:
        """Where the paths of a stored study file begin: the name of the file below ``source_of``.

        Args:
            source: As it is stored; None where the study was stored without it.
        """
        return Path(os.path.normpath(self.root.absolute() / (source or "."))) / STUDY_FILE

    def trial(self, number: int, *, seed: int | None = None) -> Path:
        """Trial folder of a trial; of one of its further seeds, where ``seed`` is given."""
        folder = self.root / "trials" / f"{number:04d}"
        return folder if seed is None else folder / f"seed-{seed}"

    def surroundings(self, folder: Path, *, device: str) -> Surroundings:
        """Where a job in ``folder`` finds stages and answers: relative, workspaces are moved."""
        stages = Path(os.path.relpath(self.stages, folder.absolute()))
        answers = answers_place(
            stages.parent / ANSWERS,
            server=self.answer_server,
            on_network=is_on_network(self.stages),
        )
        return Surroundings(stages=stages, answers=answers, device=device)

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
    def locked(self) -> Iterator[Callable[[], None]]:
        """Hold the study's lock; it vanishes with the process that holds it.

        Gives what raises SweeperError once the folder is no longer where it was: moved, renamed or
        removed by someone, while its path would be made anew by the next file that is written. It
        is also the error of whatever else failed for that.

        Raises:
            StudyLockedError: where another driver holds it.
            SweeperError: where the folder cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            (self.root / LOCK).touch()  # filelock takes some refusals for a lock that is held
        except OSError as error:
            raise SweeperError(f"{self.root} cannot be written: {error.strerror}") from error
        try:
            with filelock.FileLock(self.root / LOCK, timeout=LOCK_SECONDS):
                held = _identity(self.root / LOCK)

                def require_here() -> None:
                    if _identity(self.root / LOCK) != held:
                        raise SweeperError(
                            f"{self.root} is not there any more: moved, renamed or removed under "
                            "way. Nothing is lost: run again, with --workspace where it is now"
                        )

                try:
                    yield require_here
                except (OSError, SweeperError):
                    require_here()
                    raise
        except filelock.Timeout as error:
            raise StudyLockedError(
                f"another `sweeper run` works on {self.name!r} (it holds {self.root / LOCK}); "
                f"watch it with `sweeper status {self.name}`"
            ) from error

    def is_locked(self) -> bool:
        """Whether a driver is at work; also told where nothing can be written."""
        try:
            descriptor = os.open(self.root / LOCK, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # as filelock does
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        else:
            return False
        finally:
            os.close(descriptor)

    def ask_to_stop(self) -> None:
        """Ask the driver to wind up, wherever it runs: the folder may be shared by machines."""
        (self.root / STOP).touch()

    def is_asked_to_stop(self) -> bool:
        """Whether someone has asked since the driver began."""
        return (self.root / STOP).exists()

    def forget_stop(self) -> None:
        """A driver that begins was asked by nobody yet."""
        (self.root / STOP).unlink(missing_ok=True)

    def ask_to_cancel(self, number: int) -> None:
        """Ask whatever driver works on the study, now or next, to end a trial as it is."""
        (self.root / CANCEL).mkdir(exist_ok=True)
        (self.root / CANCEL / str(number)).touch()

    def asked_to_cancel(self) -> set[int]:
        """The trials of which that was asked, and that have not been told since."""
        try:
            return {int(p.name) for p in (self.root / CANCEL).iterdir() if p.name.isdigit()}
        except FileNotFoundError:
            return set()

    def forget_cancel(self, number: int) -> None:
        """The trial has been told."""
        (self.root / CANCEL / str(number)).unlink(missing_ok=True)

    def write_state(self, state: "State") -> None:
        """Replace what `status` shows."""
        write_json_atomic(self.root / STATE, {FORMAT: STATE_FORMAT, **state})

    def read_state(self) -> "State":
        """What the driver last wrote; empty where it has not got that far."""
        state = cast("State", read_json(self.root / STATE) or {})
        try:
            checked_format(state, newest=STATE_FORMAT, where=self.root / STATE)
        except FormatError as error:
            raise SweeperError(str(error)) from error
        return state


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def answers_place(path: Path, *, server: str | None, on_network: bool) -> tuple[str, str]:
    """Kind and place of a workspace's answers: its server, or ``path`` and perhaps beside it.

    Many machines write to a network file system, and SQLite's file takes one writer there.
    """
    if server is not None:
        return "server", server
    return "appended" if on_network else "file", str(path)
