"""What is asked of a driver's slots from elsewhere: a file in the study's folder for each question.

The driver writes its answer in the place of the question, so that nothing is done twice, wherever
who asks and who answers are cut off. What an earlier driver was asked is forgotten by the next.
"""

import contextlib
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from sweeper.outcomes import read_json, write_json_atomic
from sweeper.store.study_folder import StudyFolder

FOLDER = "slots"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRequest:
    """Slots to give back, slots to take; none of either asks how they stand."""

    drain: int = 0
    add: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotAnswer:
    """What the driver says to it."""

    text: str
    is_refused: bool = False


class SlotQuestion:
    """One question, by whoever asks."""

    def __init__(self, folder: StudyFolder, request: SlotRequest) -> None:
        """Ask nothing yet."""
        self._path = folder.root / FOLDER / f"{secrets.token_hex(8)}.json"
        self._request = request

    def ask(self) -> None:
        """Put the question, unless it is there: a driver that has just begun has forgotten it."""
        if not self._path.exists():
            self._path.parent.mkdir(exist_ok=True)
            write_json_atomic(self._path, {"drain": self._request.drain, "add": self._request.add})

    def answer(self) -> SlotAnswer | None:
        """What the driver has said; None where it has not yet."""
        content = read_json(self._path)
        if content is None or "answer" not in content:
            return None
        return SlotAnswer(text=content["answer"], is_refused=content["refused"])

    def withdraw(self) -> None:
        """Remove question and answer."""
        self._path.unlink(missing_ok=True)


def slot_requests(folder: StudyFolder) -> dict[Path, SlotRequest]:
    """The questions without an answer, by their files."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for path in sorted((folder.root / FOLDER).glob("*.json")):
            content = read_json(path)
            if content is not None and "answer" not in content:
                found[path] = SlotRequest(drain=content["drain"], add=content["add"])
    return found


def answer_request(path: Path, answer: SlotAnswer) -> None:
    """Put the answer in the place of a question."""
    write_json_atomic(path, {"answer": answer.text, "refused": answer.is_refused})


def forget_requests(folder: StudyFolder) -> None:
    """A driver that begins was asked nothing yet."""
    shutil.rmtree(folder.root / FOLDER, ignore_errors=True)
