"""Every error that the trainer raises on purpose; `failure.json` carries kind and message.

TrainerError               kind "error"
  InputError               "input": data, checkpoint or reader cannot be used
    ConfigurationError     "configuration": values that do not fit each other or what they name
  NotFiniteError           "not_finite": the loss left the finite numbers
  StageError               "stage": a stage on disk is damaged
  JudgeError               "judge": the command that scores failed, or its answer is unusable
  AnswersError             "files": the store of answers cannot be read or written; no trial's fault
"""

from trainer.contract import FailureKind


class TrainerError(Exception):
    """Anything that stops a job for a known reason."""

    kind = FailureKind.ERROR


class InputError(TrainerError):
    """Data, checkpoint or reader are missing or cannot be used."""

    kind = FailureKind.INPUT


class ConfigurationError(InputError):
    """Values that do not fit each other, or not the checkpoint that they name."""

    kind = FailureKind.CONFIGURATION


class NotFiniteError(TrainerError):
    """The loss or a gradient is NaN or infinite."""

    kind = FailureKind.NOT_FINITE


class StageError(TrainerError):
    """A stage on disk is damaged or incomplete."""

    kind = FailureKind.STAGE


class JudgeError(TrainerError):
    """The command that scores failed, or what it answered cannot be used."""

    kind = FailureKind.JUDGE


class AnswersError(TrainerError):
    """The store of answers cannot be read or written."""

    kind = FailureKind.FILES
