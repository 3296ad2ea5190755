"""Every error that sweeper raises on purpose.

SweeperError                    shown to the user without a traceback; exit code 1
  ConfigError                   the study file is wrong; nothing was launched; exit code 2
  UsageError                    a name, path or option of a command is wrong; exit code 2
    StudyChangedError           the study file contradicts the study on disk; exit code 2
  StudyLockedError              another driver works on this study
  InstrumentError               the evaluation does not react to what is trained, or cannot be used
  LauncherError                 the backend refused or lost a job
    LauncherUnavailable         no usable device, or the backend is not on this machine
  TrackingError                 MLflow's database or server cannot be used
    TrackingAway                nobody answers there at the moment
      TrackingHostUnknown       no such host is known: the address may be wrong
  UiError                       MLflow's pages did not come up, or went down by themselves
"""

from collections.abc import Sequence
from pathlib import Path


class SweeperError(Exception):
    """Anything a user should read as one message."""

    exit_code = 1


class ConfigError(SweeperError):
    """A study file broke one or more rules; the message lists all of them."""

    exit_code = 2

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in problems)
        noun = "problem" if len(problems) == 1 else "problems"
        super().__init__(f"{path} has {len(problems)} {noun}:\n{lines}")


class UsageError(SweeperError):
    """A name, path or option that a command cannot work with."""

    exit_code = 2


class StudyChangedError(UsageError):
    """The study file asks for another study than the one stored under its name."""


class StudyLockedError(SweeperError):
    """Another driver holds the study's lock."""


class InstrumentError(SweeperError):
    """The evaluation cannot see what is trained, or the trainer cannot work at all."""


class LauncherError(SweeperError):
    """The backend refused or lost a job."""


class LauncherUnavailable(LauncherError):
    """No usable device, or the backend is not on this machine."""


class TrackingError(SweeperError):
    """MLflow's database or server cannot be used."""


class TrackingAway(TrackingError):
    """MLflow's server or database does not answer at the moment."""


class TrackingHostUnknown(TrackingAway):
    """Nobody knows the host of MLflow's address: it is wrong, or the network is away."""


class UiError(SweeperError):
    """MLflow's pages did not come up, or went down by themselves."""
