"""Every error that the trainer raises on purpose; `failure.json` carries class and message.

TrainerError               failure class "error"
  InputError               "input": data, checkpoint or reader cannot be used
  NotFiniteError           "not_finite": the loss left the finite numbers
  StageError               "stage": a stage on disk is damaged
  JudgeError               "judge": the command that scores failed, or its answer is unusable
  AnswersError             "files": the store of answers cannot be read or written; no trial's fault
"""


class TrainerError(Exception):
    """Anything that stops a job for a known reason."""

    failure_class = "error"


class InputError(TrainerError):
    """Data, checkpoint or reader are missing or cannot be used."""

    failure_class = "input"


class NotFiniteError(TrainerError):
    """The loss or a gradient is NaN or infinite."""

    failure_class = "not_finite"


class StageError(TrainerError):
    """A stage on disk is damaged or incomplete."""

    failure_class = "stage"


class JudgeError(TrainerError):
    """The command that scores failed, or what it answered cannot be used."""

    failure_class = "judge"


class AnswersError(TrainerError):
    """The store of answers cannot be read or written."""

    failure_class = "files"
