"""Which store a job's answers are in."""

from pathlib import Path

from trainer.answers.appended import AppendedAnswers
from trainer.answers.file import AnswerFile
from trainer.answers.server import AnswerServer
from trainer.answers.store import AnswerStore
from trainer.contract import AnswersPlace


def open_answers(place: AnswersPlace) -> AnswerStore:
    """Open the store at ``place``. Raises AnswersError where it cannot be used."""
    if place.kind == "server":
        return AnswerServer(place.where)
    if place.kind == "appended":
        return AppendedAnswers(Path(place.where))
    return AnswerFile(Path(place.where))
