"""`notify:`: the command that a study runs when it has ended, or has halted.

It is told what happened by variables of its environment. Who stops a study knows it, and is not
notified. The command reads nothing, has a process group of its own, is killed with all that it has
started when it takes too long, and whatever becomes of it, the study has ended as it has.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from types import TracebackType

from sweeper.errors import SweeperError
from sweeper.outcomes import missing_files, placed_arguments
from sweeper.records import State
from sweeper.store.study_folder import StudyFolder
from sweeper.study.config import StudyConfig
from sweeper.words import counts_line

NOTIFY_SECONDS = 60.0  # a message is sent in seconds, and nobody waits for another one
LAST_WORDS = 500  # bytes of its output that a warning repeats


class Notifier:
    """Notifies of one run. Use it as the outermost context manager: all is closed by then."""

    def __init__(
        self,
        config: StudyConfig,
        folder: StudyFolder,
        *,
        say: Callable[[str], None],
        timeout: float = NOTIFY_SECONDS,
    ) -> None:
        """Run nothing yet.

        Args:
            config: The study; its command may be none.
            folder: Of the study.
            say: Is warned of what is missing, and of a command that fails.
            timeout: Seconds after which the command is killed.
        """
        self._config = config
        self._folder = folder
        self._say = say
        self._timeout = timeout
        self._is_begun = False

    def begin(self) -> None:
        """From now on it is the study that ends or halts, and no start that is refused."""
        self._is_begun = True
        for line in notify_warnings(self._config):
            self._say(line)

    def __enter__(self) -> "Notifier":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._config.notify or not self._is_begun:
            return
        state = self._state()
        if isinstance(error, Exception):
            self._run("failed", str(error) or repr(error), state)
        elif error is None and state.get("state") == "finished":
            self._run("finished", counts_line(state), state)

    def _state(self) -> State:
        try:
            return self._folder.read_state()
        except SweeperError:  # of a later version: the rest can be told without it
            return {}

    def _run(self, how: str, message: str, state: State) -> None:
        best = state.get("best") or {}
        variables = {
            "SWEEPER_STUDY": self._config.name,
            "SWEEPER_STATE": how,
            "SWEEPER_MESSAGE": message,
            "SWEEPER_FOLDER": str(self._folder.root.absolute()),
            "SWEEPER_BEST_TRIAL": str(best.get("trial", "")),
            "SWEEPER_BEST_SCORE": str(best.get("score", "")),
        }
        command = placed_arguments(self._config.notify, self._config.path.parent)
        problem = _problem(command, variables, timeout=self._timeout)
        if problem is not None:
            self._say(f"warning: notify: {command[0]} {problem}")


def notify_warnings(config: StudyConfig) -> list[str]:
    """What the command of a study lacks, for people."""
    if not config.notify:
        return []
    problems = missing_files(config.notify, config.path.parent)
    return [f"warning: notify: {problem}" for problem in problems]


def _problem(command: Sequence[str], variables: dict[str, str], *, timeout: float) -> str | None:
    """Run a command; say what went wrong with it, None where nothing did."""
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # no such program; a null byte in the message
            return f"cannot be started: {error}"
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return f"was killed: it took longer than {timeout:g} s"
        except KeyboardInterrupt:
            return "was interrupted"
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing of it is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - LAST_WORDS))
        said = output.read().decode(errors="replace").strip()
    if code == 0:
        return None
    how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
    return f"{how}: {said}" if said else how
