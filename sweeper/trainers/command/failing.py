"""How the work on a trial folder breaks off: it has failed, or it was asked to end."""

from sweeper.outcomes import Failure, FailureKind


class NotDoneError(Exception):
    """The trial has failed, and this is how."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        self.failure = Failure(kind=kind, message=message)
        super().__init__(message)


class StoppedError(Exception):
    """The trial was asked to end, and has."""
